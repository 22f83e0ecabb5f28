"""Secrets by reference: a recipe names one, the environment that runs the step holds it or says where it lies."""

from __future__ import annotations

import os
import re

from components.core.errors import InvalidInput
from components.core.masking import SCHEME, remember


def secret_variable(name: str) -> str:
    """The environment variable by which a step receives the secret ``secret://name``, on every backend."""
    return "SLUICE_SECRET_" + re.sub(r"\W", "_", name.upper(), flags=re.ASCII)


def resolve_secret(reference: str) -> str:
    """The secret that ``secret://NAME`` names, from the variable ``SLUICE_SECRET_<NAME>`` (upper case, ``-`` as ``_``).

    Where the variable holds a reference itself, ``secret://projects/…``, Secret Manager is asked: the value is then in
    no environment. Raises InvalidInput when the text is no reference, the variable is not set or there is no secret;
    Failed when Secret Manager does not answer.
    """
    name = reference.removeprefix(SCHEME)
    if name == reference or not name:
        raise InvalidInput("a secret is given as secret://NAME; put its value into the environment's secrets")
    variable = secret_variable(name)
    value = os.environ.get(variable, "")
    if not value:
        raise InvalidInput(f"{reference}: the variable {variable} is not set; name the secret in the environment file")
    return from_vault(value) if value.startswith(SCHEME) else value


def from_vault(reference: str) -> str:
    """The value of ``secret://projects/…/secrets/…/versions/…`` in Secret Manager. Raises InvalidInput and Failed."""
    from components.core.google_secrets import secret_value

    return remember(secret_value(reference.removeprefix(SCHEME)))
