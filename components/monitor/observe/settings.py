"""Settings of ``observe``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Observe(StepSettings):
    """What belongs to a window of the request log."""

    learn_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="How long a correction may be learned from (days).",
    )
    join_days: int = Field(
        default=30, ge=1, le=3650, description="How old a request may be that feedback is still joined to (days)."
    )
