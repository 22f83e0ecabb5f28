"""Settings of ``retraining``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Retraining(StepSettings):
    """When the model is trained again. All of it is the policy that the decision names by digest."""

    cool_down_hours: float = Field(default=72, ge=0, description="Least time between two retrainings (hours).")
    runs_a_month: int = Field(default=4, ge=0, description="Most retrainings in 30 days; 0: never, alerts only.")
