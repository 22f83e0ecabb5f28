"""Settings of ``probe``."""

from components.core.settings import StepSettings


class Probe(StepSettings):
    """Nothing to set: it is the step of the graph `smoke`, which takes all that it needs from the environment."""
