"""Keeps a run's record up to date with what the local runner sees of its steps."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.canonical import sha256
from components.core.decision import decision_in
from components.core.errors import ExitCode, InvalidInput
from components.core.manifest import Manifest
from components.core.report import Cost, Report
from components.core.run import Run, State
from components.core.store import Store
from pipelines.runs import RunFolder

VERDICTS = {"hold": State.HELD, "refuse": State.REFUSED, "alert": State.HELD}
"""What a run comes to by the word of a step that decides; DONE by any other."""


@dataclass
class Recorder:
    """Keeps ``run.json`` up to date with what the runner sees."""

    folder: RunFolder
    store: Store
    run: Run
    requests: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    verdict: State = State.DONE
    """What the run comes to, if nothing fails: the last step that decided has the last word."""

    def change(self, **changes: Any) -> None:
        """Records something about the run."""
        self.run = self.run.model_copy(update=changes)
        self.folder.write(self.run)

    def change_step(self, name: str, **changes: Any) -> None:
        """Records something about one step."""
        steps = tuple(step.model_copy(update=changes) if step.name == name else step for step in self.run.steps)
        self.change(steps=steps)

    def started(self, task: Any) -> None:
        """A step has begun."""
        self.change_step(task.name, state=State.RUNNING, started=utc_now())

    def finished(self, task: Any) -> None:
        """A step has ended, well or not."""
        report_key, error, code = self._account(task)
        report = self._report(report_key)
        rows = report.rows if report else None
        self.change_step(
            task.name,
            state=State.DONE if task.succeeded else State.FAILED,
            cached=task.cached,
            attempts=task.attempts,
            seconds=round(task.seconds, 3),
            rows_in=rows.in_ + rows.created if rows else None,
            rows_out=sum(rows.out.values()) if rows else None,
            rejected=sum(rows.rejected.values()) if rows else None,
            merged=rows.merged if rows else None,
            report=report_key,
            outputs=report.outputs if report else {},
            key=task.key,
            error=error,
            exit_code=code,
        )
        if report and not task.cached:
            spent = self.run.cost
            self.change(
                cost=Cost(
                    wall_seconds=round(spent.wall_seconds + task.seconds, 3),
                    cpu_seconds=round(spent.cpu_seconds + report.cost.cpu_seconds, 3),
                    peak_memory_bytes=max(spent.peak_memory_bytes, report.cost.peak_memory_bytes),
                )
            )
        if task.succeeded and task.name in ("request", "ask"):
            self.requests.append(str(task.outputs["Output"]))
        if task.succeeded and report and report.said:
            self._decided(task, report)

    def _decided(self, task: Any, report: Report) -> None:
        """Takes down what a step decided, and the decision that it signed."""
        self.verdict = VERDICTS.get(report.word, State.DONE)
        if task.name in ("decide", "retraining"):
            self.decisions.append(decision_in(self.store, report.outputs["decision"]).id)
        self.change(outcome=report.said, decisions=tuple(self.decisions))

    def may_hit(self, outputs: dict[str, Any]) -> bool:
        """Whether a step's earlier outputs still lie in the store, each object with the length that it had."""
        named = [getattr(artifact, "metadata", {}) for artifact in outputs.values()]
        if not outputs or not all(self.store.exists(metadata["report"]) for metadata in named if "report" in metadata):
            return False
        return all(
            self._is_whole(artifact.metadata) and _is_copy(artifact)
            for artifact in outputs.values()
            if "manifest" in getattr(artifact, "metadata", {})
        )

    def _is_whole(self, metadata: dict[str, Any]) -> bool:
        try:
            data = self.store.read_verified(metadata["manifest"], metadata["digest"])
            manifest = Manifest.read(data, metadata["manifest"])
        except InvalidInput:
            return False
        return all(self.store.size(shard.uri) == shard.bytes for shard in manifest.shards)

    def _account(self, task: Any) -> tuple[str, str, int]:
        """Where the step's report is, and what it said about its failure."""
        if task.succeeded:
            page = task.outputs.get("page")
            return (str(page.metadata.get("report", "")) if page else ""), "", 0
        last = last_line(self.folder.log(task.name))
        if task.ended_by:
            return "", f"{task.title}: ended because it was {task.ended_by}", int(ExitCode.FAILED)
        if last and last["exit_code"]:
            return last["report"], last["message"], last["exit_code"]
        words = last_words(self.folder.log(task.name)) or "the process ended without a word (killed?)"
        return "", f"{task.title}: {words}; `sluice logs` has what it printed", int(ExitCode.FAILED)

    def _report(self, key: str) -> Report | None:
        if not key or not self.store.exists(key):
            return None
        return Report.read(self.store.read(key), key)


def _is_copy(artifact: Any) -> bool:
    """Whether KFP's copy of a manifest is still that manifest."""
    path = Path(artifact.path)
    return path.exists() and sha256(path.read_bytes()) == artifact.metadata["digest"]


def last_line(log: Path) -> dict[str, Any] | None:
    """The JSON line by which a step takes its leave; None where it did not come to that."""
    if not log.exists():
        return None
    for line in reversed(log.read_text(errors="replace").splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(json.JSONDecodeError):
                found: dict[str, Any] = json.loads(line)
                if {"message", "report", "exit_code"} <= found.keys():
                    return found
    return None


def last_words(log: Path) -> str:
    """The error that ended a process that could not take its leave; empty where it said nothing."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    said = r"\w*(Error|Exception|Interrupt)\b|mktemp: |.*: \d+: \w+: "  # Python's, or that of the shell that starts it
    return lines[-1].strip(" :") if lines and re.match(said, lines[-1]) else ""


def utc_now() -> str:
    """This moment, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
