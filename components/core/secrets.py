"""Secrets by reference: a recipe names one, the environment that runs the step holds it."""

from __future__ import annotations

import os

from components.core.errors import InvalidInput

SCHEME = "secret://"


def secret_variable(name: str) -> str:
    """The environment variable by which a step receives the secret ``secret://name``, on every backend."""
    return f"SLUICE_SECRET_{name.upper().replace('-', '_')}"


def resolve_secret(reference: str) -> str:
    """The secret that ``secret://NAME`` names, from the variable ``SLUICE_SECRET_<NAME>`` (upper case, ``-`` as ``_``).

    Raises InvalidInput when the text is no such reference, or the variable is not set.
    """
    name = reference.removeprefix(SCHEME)
    if name == reference or not name:
        raise InvalidInput("a secret is given as secret://NAME; put its value into the environment's secrets")
    variable = secret_variable(name)
    value = os.environ.get(variable, "")
    if not value:
        raise InvalidInput(f"{reference}: the variable {variable} is not set; name the secret in the environment file")
    return value
