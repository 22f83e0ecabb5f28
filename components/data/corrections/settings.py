"""Settings of ``corrections``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Corrections(StepSettings):
    """What may be learned from traffic. Feedback is an attack surface: what does not pass stays in quarantine."""

    agree: int = Field(default=2, ge=1, le=100, description="Users who must say the same; one, if trusted (users).")
    rows_a_user: int = Field(default=20, ge=1, description="Most rows that one user has a part in (rows).")
    share: float = Field(default=0.3, ge=0, le=1, description="Largest share of the set from traffic (fraction).")
