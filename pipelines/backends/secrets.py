"""The name under which a step finds a secret, the same on every backend."""

from __future__ import annotations


def secret_variable(name: str) -> str:
    """The environment variable by which a step receives the secret ``secret://name``."""
    return f"SLUICE_SECRET_{name.upper().replace('-', '_')}"
