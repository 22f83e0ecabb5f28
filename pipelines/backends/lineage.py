"""Which task of a compiled graph makes what another one reads, and so the reports of tasks that say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.core.report import REPORT, Report
from components.core.store import Store
from pipelines.backends.record import read_report

ARTIFACTS = "artifacts"


def makers(spec: dict[str, Any]) -> dict[str, dict[str, str]]:
    """For each task by name, for each artifact that it reads by role, the task that makes it."""
    found: dict[str, dict[str, str]] = {}

    def visit(level: dict[str, Any], given: Mapping[str, str]) -> None:
        for name, task in level["dag"]["tasks"].items():
            known = {}
            for role, source in task.get("inputs", {}).get(ARTIFACTS, {}).items():
                if "taskOutputArtifact" in source:
                    known[role] = source["taskOutputArtifact"]["producerTask"]
                elif source.get("componentInputArtifact") in given:
                    known[role] = given[source["componentInputArtifact"]]
            found[name] = known
            component = spec["components"][task["componentRef"]["name"]]
            if "dag" in component:
                visit(component, known)

    visit(spec["root"], {})
    return found


def reports_behind(spec: dict[str, Any], known: Mapping[str, str], order: list[str], store: Store) -> dict[str, Report]:
    """The reports of tasks by the keys that are ``known``, and of those whose outputs these read, and so on.

    A task that was answered from a service's cache prints nothing, and Kubeflow does not say what it answered with: its
    API has fields for a task's outputs and never fills them in. But what was read stands in the reader's report: such a
    task has a report once a reader has ended, and none where nobody reads what it leaves. ``order`` names the tasks,
    each after those that it waits for.
    """
    makes, keys, found = makers(spec), dict(known), dict[str, Report]()
    for name in reversed(order):
        report = read_report(store, keys.get(name, ""))
        if report is None:
            continue
        found[name] = report
        for parent in report.inputs:
            maker = makes.get(name, {}).get(parent.role)
            if maker and not keys.get(maker):
                step, attempt, *_ = parent.key.split("/")
                keys[maker] = f"{step}/{attempt}/{REPORT}"
    return found
