"""This machine: how a task is placed here, and what cannot be asked of it. ``local_run`` starts runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipelines.resources import Resources

if TYPE_CHECKING:
    from pipelines.environment import LocalEnvironment

RETRY_AFTER = "1s"
"""How long to wait before a failed step is tried again."""


def place(task: Any, resources: Resources, secrets: dict[str, str], environment: LocalEnvironment) -> None:
    """Nothing travels in the graph: the worker takes limits from the recipe and secrets from its environment."""


def cannot(
    step: str,
    resources: Resources,
    secrets: dict[str, str],
    environment: LocalEnvironment,  # noqa: ARG001
) -> Iterator[str]:
    """What is asked of this backend and cannot be had, a sentence each."""
    if resources.accelerator:
        yield (
            f"{step}: accelerator: this machine hands out none, a step uses what it finds; remove it with"
            f" --set {step}.resources.accelerator=null, or run on Kubeflow or Vertex AI"
        )
    if resources.spot:
        yield f"{step}: spot: this machine is not taken away; remove spot, or run on Kubeflow"
    for name, reference in secrets.items():
        if not reference.startswith("env://"):
            yield f"{step}: secret {name}: {reference} cannot be read on this machine; write env://VARIABLE"
