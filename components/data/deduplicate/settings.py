"""Settings of ``deduplicate``."""

from __future__ import annotations

from components.data.similarity import Similarity


class Deduplicate(Similarity):
    """When two documents count as one."""
