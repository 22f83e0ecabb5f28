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
    wait_minutes: int = Field(
        default=60,
        ge=0,
        le=1440,
        description="How long feedback waits for a request that is not in a partition yet (minutes): the next window"
        " takes it.",
    )
    future_minutes: int = Field(
        default=5, ge=0, le=1440, description="How far a gateway's clock may be ahead before its rows are left out."
    )
