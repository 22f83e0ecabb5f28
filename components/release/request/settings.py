"""Settings of ``request``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Request(StepSettings):
    """Which graph is asked for at the end of a lifecycle."""

    graph: str = Field(default="release", pattern="^release$", description="The graph that is asked for.")
