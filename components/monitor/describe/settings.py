"""Settings of ``describe``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Describe(StepSettings):
    """Which features of requests and answers are looked at."""

    classes: int = Field(
        default=50,
        ge=2,
        le=10_000,
        description="Most answers that are a class of their own; rarer ones are `other`.",
    )
