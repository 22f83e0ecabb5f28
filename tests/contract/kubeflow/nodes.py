"""What Kubeflow Pipelines' API tells of one task of a run: the nodes of Argo's workflow, each as a "task detail".

As in kubeflow/pipelines 2.17.0, under backend/src: v2/compiler/argocompiler/container.go (an executor in each task,
skipped where the cache answers, with retries in a template of its own), common/util/workflow.go (``NodeStatuses``, and
``RetrievePodName`` for nodes of every kind; children are node ids), apiserver/server/api_converter.go (no artifacts, no
execution, no error; times in seconds, the year 1 before the end; an omitted node has no state). Of Argo: a task with
retries has a node for each attempt. It does not imitate the order of nodes, loops, and nodes of the whole workflow.
"""

from __future__ import annotations

import zlib
from typing import Any

Detail = dict[str, Any]
WORKFLOW = "graph-x7k2p"
NOT_YET = "0001-01-01T00:00:00Z"
IMPL = "system-container-impl"


def nodes_of(
    task: str, state: str, workflow: str = WORKFLOW, *, cached: bool = False, attempts: int = 1, retries: bool = False
) -> list[Detail]:
    """The nodes of a task in ``state``, answered from the cache or worked on; its driver's first."""
    worked, impl = "SKIPPED" if cached else state, f"retry-{IMPL}" if retries else IMPL
    states = [*["FAILED"] * (attempts - 1), worked] if retries and not cached else []
    tries = [f"executor({number})" for number in range(len(states))]

    def node(name: str, template: str, state: str, *children: str) -> Detail:
        ids = [{"pod_name": f"{workflow}-{_number(task, child, workflow)}"} for child in children]
        pod = f"{workflow}-{template}-{_number(task, name, workflow)}"
        return {"display_name": name, "pod_name": pod, "state": state, "end_time": NOT_YET, "child_tasks": ids}

    return [
        node(f"{task}-driver", "system-container-driver", "SUCCEEDED", task),
        node(task, impl.replace("impl", "executor"), state, "executor"),
        node("executor", impl, worked, *tries),
        *(node(name, impl, each) for name, each in zip(tries, states, strict=True)),
    ]


def pod_of(task: str, attempt: int | None = None, workflow: str = WORKFLOW) -> str:
    """The pod of a task's only attempt, or of one of those of a task with retries, counted from 0."""
    if attempt is None:
        return f"{workflow}-{IMPL}-{_number(task, 'executor', workflow)}"
    return f"{workflow}-retry-{IMPL}-{_number(task, f'executor({attempt})', workflow)}"


def _number(task: str, name: str, workflow: str) -> int:
    return zlib.crc32(f"{workflow}/{task}/{name}".encode())
