"""Settings of ``decide``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Decide(StepSettings):
    """Whether people are asked besides the gate, and how long a decision holds."""

    approvals: int = Field(
        default=0, ge=0, le=2, description="People who must approve what the gate passed (people); each another one."
    )
    approvers: tuple[str, ...] = Field(
        default=(), description="Who is asked, by name in the trust roots; empty for all who may sign approvals."
    )
    valid_hours: float = Field(
        default=24, gt=0, le=168, description="How long a decision may be acted on, and an approval waits (hours)."
    )
