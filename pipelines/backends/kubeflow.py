"""Kubeflow Pipelines: how a task is placed there, and what cannot be asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from components.core.secrets import secret_variable
from pipelines.resources import Resources, seconds_of

if TYPE_CHECKING:
    from pipelines.environment import KubeflowEnvironment

RETRY_AFTER = "30s"
"""How long to wait before a failed step is tried again."""


def place(task: Any, resources: Resources, secrets: dict[str, str], environment: KubeflowEnvironment) -> None:
    """Sets what Kubernetes is to give the step's pod."""
    from kfp import kubernetes

    if resources.cpu:
        task.set_cpu_request(f"{resources.cpu:g}").set_cpu_limit(f"{resources.cpu:g}")
    if resources.memory:
        task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
    if resources.accelerator:
        task.set_accelerator_type(resources.accelerator.type).set_accelerator_limit(resources.accelerator.count)
    if resources.timeout:
        kubernetes.set_timeout(task, seconds_of(resources.timeout))
    selector = environment.spot_node_selector if resources.spot else environment.node_selector
    for key, value in selector.items():
        kubernetes.add_node_selector(task, key, value)
    for taint in environment.tolerations:
        kubernetes.add_toleration(task, taint.key, taint.operator, taint.value or None, taint.effect)
    if environment.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(environment.image_pull_secrets))
    for name, reference in secrets.items():
        secret, _, key = reference.removeprefix("secret://").partition("/")
        kubernetes.use_secret_as_env(task, secret, {key: secret_variable(name)})


def cannot(step: str, resources: Resources, secrets: dict[str, str], environment: KubeflowEnvironment) -> Iterator[str]:
    """What is asked of this backend and cannot be had, a sentence each."""
    if resources.spot and not environment.spot_node_selector:
        yield (
            f"{step}: spot: the environment does not say which nodes may be taken away; set spot_node_selector in it"
            " or remove spot"
        )
    for name, reference in secrets.items():
        if not reference.startswith("secret://") or "/" not in reference.removeprefix("secret://"):
            yield (
                f"{step}: secret {name}: {reference} names no key of a Kubernetes Secret; write secret://SECRET/KEY"
                " in the environment"
            )
