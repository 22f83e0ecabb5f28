"""Secrets by reference: a recipe names one, the environment that runs the step holds it or says where it lies."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import quote

from components.core.errors import InvalidInput

SCHEME = "secret://"
SHORTEST = 8
"""Characters that a value must have to be looked for in a text: a shorter one is part of many words."""
_HOLDS_ONE = re.compile(r"SLUICE_SECRET_\w+|\w*(TOKEN|PASSWORD|PASSWD|SECRET|KEY|WEBHOOK\w*)")
_given: set[str] = set()
"""Values that a vault gave to this process: no variable has them."""


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

    value = secret_value(reference.removeprefix(SCHEME))
    _given.add(value)
    return value


def masked(text: str) -> str:
    """A text that others may quote without the secrets that this process knows, as they are or as in an address."""
    for value in sorted(set(_values()), key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return text


def _values() -> Iterator[str]:
    held = {value for name, value in os.environ.items() if _HOLDS_ONE.fullmatch(name)}
    for value in held | _given:
        if len(value) >= SHORTEST and not value.startswith(SCHEME):
            yield value
            yield quote(value, safe="")
