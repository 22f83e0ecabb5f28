"""The token that a Kubeflow Pipelines server is shown: the one that the environment names, or the pod's own."""

from __future__ import annotations

import os
from pathlib import Path

from components.core.errors import InvalidInput
from components.core.masking import remember
from pipelines.environment import KubeflowEnvironment
from pipelines.references import value_of

TOKEN_FILE = "/var/run/secrets/kubeflow/pipelines/token"
"""Where Kubernetes projects a token for the server; KF_PIPELINES_SA_TOKEN_PATH says otherwise, as for kfp's client."""


def token_file() -> Path:
    """Where a pod has its token."""
    return Path(os.environ.get("KF_PIPELINES_SA_TOKEN_PATH") or TOKEN_FILE)


def has_token(environment: KubeflowEnvironment) -> bool:
    """Whether any is to be shown."""
    return bool(environment.token) or token_file().exists()


def token_of(environment: KubeflowEnvironment) -> str:
    """The token as it is now. Raises InvalidInput where there is none."""
    reference = environment.token
    if reference is None:
        return remember(token_file().read_text().strip())
    try:
        return value_of(reference, environment)
    except InvalidInput as error:
        raise InvalidInput(f"environment {environment.name}: token: {error}") from error
