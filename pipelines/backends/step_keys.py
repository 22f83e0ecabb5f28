"""What decides whether a service answers a task from its cache, by name, so that ``sluice why`` can say what changed.

The services say nothing of it; it is put together from the compiled graph and from what the steps reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.core.canonical import canonical_json, sha256
from components.core.report import Report
from pipelines.lint import tasks

RESULT = "Output"
"""The name that KFP gives to what a component returns; a report has it as its word."""


def step_keys(
    spec: dict[str, Any], given: Mapping[str, str], reports: Mapping[str, Report]
) -> dict[str, dict[str, str]]:
    """For each task that may be answered from a cache: its component, its parameters and what it read.

    ``given`` are the graph's arguments, ``reports`` the reports of tasks by name. What is not known is left out.
    """
    found = {}
    for task in tasks(spec):
        if not task.spec.get("cachingOptions", {}).get("enableCache"):
            continue
        container = task.executor.get("container", {})
        key = {"component": sha256(canonical_json([container.get(name) for name in ("image", "command", "args")]))[:16]}
        for name, source in task.spec.get("inputs", {}).get("parameters", {}).items():
            value = _value(source, given, reports)
            if value is not None:
                key[name] = value
        report = reports.get(task.name)
        found[task.name] = key | {parent.role: parent.content_digest for parent in (report.inputs if report else ())}
    return found


def _value(source: dict[str, Any], given: Mapping[str, str], reports: Mapping[str, Report]) -> str | None:
    """A parameter's value: written in the graph, an argument of it, or what another task returned."""
    if "runtimeValue" in source:
        return str(source["runtimeValue"].get("constant"))
    if "componentInputParameter" in source:
        return given.get(source["componentInputParameter"])
    output = source.get("taskOutputParameter", {})
    report = reports.get(output.get("producerTask", ""))
    return report.word if report and output.get("outputParameterKey") == RESULT else None
