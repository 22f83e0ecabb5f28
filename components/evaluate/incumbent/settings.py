"""Settings of ``incumbent``."""

from __future__ import annotations

from components.evaluate.benchmark.settings import Benchmark


class Incumbent(Benchmark):
    """How the model that serves is asked; as ``benchmark`` asks the candidate, unless something else is said."""
