"""Settings of ``ask``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Ask(StepSettings):
    """Which graph is asked for when a retraining was decided."""

    graph: str = Field(default="lifecycle", pattern="^lifecycle$", description="The graph that is asked for.")
