"""Settings of ``champion``."""

from components.core.settings import StepSettings


class Champion(StepSettings):
    """Nothing to set: it says what serves on the recipe's endpoint."""
