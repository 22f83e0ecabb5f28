"""What a run's record takes from a graph and from the reports of its steps, the same on every backend."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from components.core.decision import decision_in
from components.core.report import Cost, Report
from components.core.run import Run, State, StepRun
from components.core.store import Store

VERDICTS = {"hold": State.HELD, "refuse": State.REFUSED, "alert": State.HELD}
"""What a run comes to by the word of a step that decides; DONE by any other."""
ASKS, DECIDES = ("request", "ask"), ("decide", "retraining")
"""Steps whose word is the name of a run request, and steps that sign a decision."""


def step_runs(spec: dict[str, Any]) -> tuple[StepRun, ...]:
    """The steps of a compiled graph in an order in which they can run, none of them begun."""
    from pipelines.lint import tasks

    found = {task.name: task for task in tasks(spec)}
    order: list[str] = []

    def visit(name: str) -> None:
        if name in found and name not in order:
            for before in found[name].after:
                visit(before)
            order.append(name)

    for name in found:
        visit(name)
    return tuple(
        StepRun(
            name=name,
            title=found[name].spec.get("taskInfo", {}).get("name", name),
            after=tuple(before for before in found[name].after if before in found),
        )
        for name in order
    )


def read_report(store: Store, key: str) -> Report | None:
    """A step's report; None where there is none."""
    if not key or not store.exists(key):
        return None
    return Report.read(store.read(key), key)


def reported(key: str, report: Report | None) -> dict[str, Any]:
    """What a step's record takes from its report."""
    rows = report.rows if report else None
    return {
        "report": key,
        "rows_in": rows.in_ + rows.created if rows else None,
        "rows_out": sum(rows.out.values()) if rows else None,
        "rejected": sum(rows.rejected.values()) if rows else None,
        "merged": rows.merged if rows else None,
        "outputs": report.outputs if report else {},
    }


def with_cost(spent: Cost, report: Report, seconds: float) -> Cost:
    """A run's cost with a step's; one that was answered from a cache costs nothing."""
    return Cost(
        wall_seconds=round(spent.wall_seconds + seconds, 3),
        cpu_seconds=round(spent.cpu_seconds + report.cost.cpu_seconds, 3),
        peak_memory_bytes=max(spent.peak_memory_bytes, report.cost.peak_memory_bytes),
    )


def decided(run: Run, step: str, report: Report, store: Store) -> Run:
    """A run after a step said what came of it: its words, and the decision that it signed."""
    decisions = run.decisions
    if step in DECIDES:
        decisions = (*decisions, decision_in(store, report.outputs["decision"]).id)
    return run.model_copy(update={"outcome": report.said, "decisions": decisions})


def leave_of(log: str) -> dict[str, Any] | None:
    """The JSON line by which a step takes its leave; None where it did not come to that."""
    for line in reversed(log.splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(json.JSONDecodeError):
                found: dict[str, Any] = json.loads(line)
                if {"message", "report", "exit_code"} <= found.keys():
                    return found
    return None
