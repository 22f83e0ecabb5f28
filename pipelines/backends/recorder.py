"""Keeps a run's record up to date with what the local runner sees of its steps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.canonical import sha256
from components.core.errors import ExitCode, InvalidInput
from components.core.manifest import Manifest
from components.core.run import Run, State
from components.core.store import Store
from pipelines.backends.record import ASKS, VERDICTS, decided, leave_of, read_report, reported, with_cost
from pipelines.runs import RunFolder


@dataclass
class Recorder:
    """Keeps ``run.json`` up to date with what the runner sees."""

    folder: RunFolder
    store: Store
    run: Run
    requests: list[str] = field(default_factory=list)
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
        report = read_report(self.store, report_key)
        self.change_step(
            task.name,
            state=State.DONE if task.succeeded else State.FAILED,
            cached=task.cached,
            attempts=task.attempts,
            seconds=round(task.seconds, 3),
            key=task.key,
            error=error,
            exit_code=code,
            **reported(report_key, report),
        )
        if report and not task.cached:
            self.change(cost=with_cost(self.run.cost, report, task.seconds))
        if task.succeeded and task.name in ASKS:
            self.requests.append(str(task.outputs["Output"]))
        if task.succeeded and report and report.said:
            self.verdict = VERDICTS.get(report.word, State.DONE)
            self.run = decided(self.run, task.name, report, self.store)
            self.change()

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


def _is_copy(artifact: Any) -> bool:
    """Whether KFP's copy of a manifest is still that manifest."""
    path = Path(artifact.path)
    return path.exists() and sha256(path.read_bytes()) == artifact.metadata["digest"]


def last_line(log: Path) -> dict[str, Any] | None:
    """The JSON line by which a step takes its leave; None where it did not come to that."""
    return leave_of(log.read_text(errors="replace")) if log.exists() else None


def last_words(log: Path) -> str:
    """The error that ended a process that could not take its leave; empty where it said nothing."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    said = r"\w*(Error|Exception|Interrupt)\b|mktemp: |.*: \d+: \w+: "  # Python's, or that of the shell that starts it
    return lines[-1].strip(" :") if lines and re.match(said, lines[-1]) else ""


def utc_now() -> str:
    """This moment, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
