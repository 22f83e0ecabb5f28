"""Settings of ``transition``."""

from __future__ import annotations

from components.core.settings import StepSettings


class Transition(StepSettings):
    """There is nothing to set: what it checks is not a matter of taste."""
