"""Vertex AI Pipelines: how a task is placed there, and what cannot be asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipelines.resources import Resources

if TYPE_CHECKING:
    from pipelines.environment import VertexEnvironment

RETRY_AFTER = "30s"
"""How long to wait before a failed step is tried again."""


def place(task: Any, resources: Resources, secrets: dict[str, str], environment: VertexEnvironment) -> None:  # noqa: ARG001
    """Sets what Vertex AI picks the step's machine by."""
    if resources.cpu:
        task.set_cpu_limit(f"{resources.cpu:g}")
    if resources.memory:
        task.set_memory_limit(resources.memory)
    if resources.accelerator:
        task.set_accelerator_type(resources.accelerator.type).set_accelerator_limit(resources.accelerator.count)


def cannot(
    step: str,
    resources: Resources,
    secrets: dict[str, str],
    environment: VertexEnvironment,  # noqa: ARG001
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
    for name in secrets:
        yield (
            f"{step}: secret {name}: Vertex AI Pipelines puts no secret into a step's environment; import the model"
            " on a backend that can, and name the store that has it"
        )
