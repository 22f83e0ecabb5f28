"""What a reference of an environment file stands for on the machine that submits and follows: webhooks and tokens."""

from __future__ import annotations

import os

from components.core.errors import InvalidInput
from components.core.masking import SCHEME, remember
from components.core.secrets import from_vault, secret_variable
from pipelines.backends.vertex import secret_version
from pipelines.environment import Environment, VertexEnvironment


def value_of(reference: str, environment: Environment) -> str:
    """The value of ``env://VARIABLE`` or ``secret://NAME``; the latter is Secret Manager's in a Vertex AI environment.

    Elsewhere it is read as in a step, from ``SLUICE_SECRET_<NAME>``. Raises InvalidInput where there is none, Failed
    where Secret Manager does not answer.
    """
    name = reference.removeprefix(SCHEME)
    is_secret = name != reference
    if is_secret and isinstance(environment, VertexEnvironment):
        return from_vault(secret_version(reference, environment))
    variable = secret_variable(name) if is_secret else reference.removeprefix("env://")
    value = os.environ.get(variable, "")
    if not value:
        raise InvalidInput(f"the variable {variable} is not set; export it")
    return remember(value)
