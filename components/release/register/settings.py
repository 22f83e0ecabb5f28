"""Settings of ``register``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Register(StepSettings):
    """Under which name candidates are registered."""

    name: str = Field(
        default="", pattern=r"^$|^[a-z][a-z0-9-]{0,39}$", description="Registered model; empty for the endpoint's name."
    )
