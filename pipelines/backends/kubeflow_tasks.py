"""The tasks of a run among the nodes of its workflow: that is what a KFP server tells of a run, each node as a "task".

A task of a graph is a node with a child ``executor``, whose pod does the work. Where it is answered from the cache the
executor is skipped, and where it may be tried again the executor has a child for each attempt. A node names its
children by Argo's ids, which end in the same number as the names of their pods. The server never fills in a task's
artifacts, execution and error: what a task was answered with, and why a pod ended, is not known from here.

As read in kubeflow/pipelines at 2.5.0 and 2.17.0, under backend/src: v2/compiler/argocompiler/container.go,
common/util/workflow.go (``NodeStatuses``, ``RetrievePodName``) and apiserver/server/api_converter.go (``toModelTask``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from components.core.run import State
from pipelines.backends.kubeflow_words import STATES, task_of
from pipelines.backends.service import TaskState

EXECUTOR = "executor"
_ATTEMPT = re.compile(r"executor\(\d+\)")
_PLUMBING = re.compile(r"root|root-driver|.*-driver|executor(\(\d+\))?|.*-iterations?")
"""Nodes of the workflow that are no tasks of the graph."""


class Nodes:
    """The nodes of one run's workflow."""

    def __init__(self, details: Sequence[Any] | None) -> None:
        self._all = list(details or ())
        self._by_number = {_number(one.pod_name): one for one in self._all if one.pod_name}

    def tasks(self) -> dict[str, TaskState]:
        """The graph's tasks by name: which came from the cache, and in how many attempts the others."""
        return {one.display_name: self._task(one) for one in self._all if not _is_plumbing(one)}

    def pods(self, task: str) -> list[str]:
        """The pods that worked on a task, one an attempt, in order; none where it has not begun, or was cached."""
        found = [one for one in self._all if one.display_name == task and not _is_plumbing(one)]
        return [node.pod_name for one in found for node in self._attempts(one)]

    def _task(self, one: Any) -> TaskState:
        executor, attempts = self._executor(one), self._attempts(one)
        cached = executor is not None and STATES.get(executor.state or "") is State.SKIPPED
        return replace(task_of(one), cached=cached, attempts=max(1, len(attempts)))

    def _executor(self, one: Any) -> Any:
        return next((node for node in self._children(one) if node.display_name == EXECUTOR), None)

    def _attempts(self, one: Any) -> list[Any]:
        executor = self._executor(one)
        if executor is None or STATES.get(executor.state or "") is State.SKIPPED:
            return []
        attempts = [node for node in self._children(executor) if _ATTEMPT.fullmatch(node.display_name or "")]
        return sorted(attempts, key=lambda node: _place(node.display_name)) or [executor]

    def _children(self, one: Any) -> list[Any]:
        numbers = [_number(child.pod_name) for child in one.child_tasks or () if child.pod_name]
        return [self._by_number[number] for number in numbers if number in self._by_number]


def _is_plumbing(one: Any) -> bool:
    return bool(_PLUMBING.fullmatch(one.display_name or "")) or one.pod_name == one.display_name  # the workflow itself


def _number(node: str) -> str:
    return node.rpartition("-")[2]


def _place(attempt: str) -> int:
    return int(attempt.partition("(")[2].rstrip(")"))
