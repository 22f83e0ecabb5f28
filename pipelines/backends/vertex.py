"""Vertex AI Pipelines: how a task is placed there, and what cannot be asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from components.core.errors import InvalidInput
from components.core.masking import SCHEME
from components.core.secrets import secret_variable
from pipelines.resources import Resources

if TYPE_CHECKING:
    from pipelines.environment import VertexEnvironment

RETRY_AFTER = "30s"
"""How long to wait before a failed step is tried again."""
_SECRET = re.compile(
    r"secret://(projects/(?P<project>[a-z0-9:.-]+)/secrets/)?(?P<secret>[\w-]+)(/(versions/)?(?P<version>[\w-]+))?",
    re.ASCII,
)


def place(task: Any, resources: Resources, secrets: dict[str, str], environment: VertexEnvironment) -> None:
    """Sets what Vertex AI picks the step's machine by, and where the step itself asks for its secrets."""
    if resources.cpu:
        task.set_cpu_limit(f"{resources.cpu:g}")
    if resources.memory:
        task.set_memory_limit(resources.memory)
    if resources.accelerator:
        task.set_accelerator_type(resources.accelerator.type).set_accelerator_limit(resources.accelerator.count)
    for name, reference in secrets.items():
        task.set_env_variable(secret_variable(name), secret_version(reference, environment))


def secret_version(reference: str, environment: VertexEnvironment) -> str:
    """Where Secret Manager has what an environment's reference names: ``secret://projects/…/secrets/…/versions/…``.

    ``secret://NAME`` is the latest version in the environment's project, ``secret://NAME/3`` its third. Raises
    InvalidInput for anything else.
    """
    found = _SECRET.fullmatch(reference)
    if found is None:
        raise InvalidInput(
            f"{reference} names no secret of Secret Manager; write secret://NAME, secret://NAME/VERSION or"
            " secret://projects/PROJECT/secrets/NAME/versions/VERSION in the environment"
        )
    project, version = found["project"] or environment.project, found["version"] or "latest"
    return f"{SCHEME}projects/{project}/secrets/{found['secret']}/versions/{version}"


def cannot(
    step: str,
    resources: Resources,
    secrets: dict[str, str],
    environment: VertexEnvironment,
) -> Iterator[str]:
    """What is asked of this backend and cannot be had, a sentence each."""
    if resources.spot:
        yield (
            f"{step}: spot: Vertex AI Pipelines runs a step's own container on standard machines only; remove spot,"
            " or run this recipe on Kubeflow"
        )
    if resources.timeout:
        yield (
            f"{step}: timeout: Vertex AI Pipelines has no time limit for a single step; remove timeout, or run this"
            " recipe on Kubeflow"
        )
    for name, reference in secrets.items():
        try:
            secret_version(reference, environment)
        except InvalidInput as error:
            yield f"{step}: secret {name}: {error}"
