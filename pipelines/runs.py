"""The records of runs on this machine: one folder a run, and ``latest`` a link to the newest.

| file | holds |
|---|---|
| `launch.json` | what the run was asked to do |
| `run.json` | what it did so far (`Run`) |
| `process.json` | the process that works on it |
| `graph.yaml` | the compiled graph |
| `logs/` | what each step printed |
| `report.html` | the page |
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from pydantic import Field

from components.core.canonical import canonical_json, sha256
from components.core.contract import Contract
from components.core.errors import Failed, InvalidInput
from components.core.living import living_process
from components.core.run import Run, State, StepRun
from components.core.whole_file import whole_file
from pipelines.typed import typed


class Launch(Contract):
    """What a run is asked to do; the worker needs nothing else."""

    run: str
    graph: str
    recipe: dict[str, Any]
    environment: dict[str, Any]
    now: str
    attempt: int = 1
    arguments: dict[str, str] = {}
    spec: str = Field(default="", description="Digest of a graph pinned in the store; empty to compile it.")
    asked_by: str = ""
    start_from: str = Field(default="", description="A step that is not answered from the cache.")
    use_cache: bool = True
    code: dict[str, str] = Field(default={}, description="Code digest by stage, of what was submitted elsewhere.")


HERE = "local"
"""The backend whose runs are worked on by a process of this machine."""
ROOM_FOR_A_RECORD = 64 * 1024


def run_id(graph: str, recipe: str, asked: dict[str, Any]) -> str:
    """A run's id: the digest of its inputs, moment and attempt, behind names that a person recognises."""
    return f"{graph}-{recipe}-{sha256(canonical_json(asked))[:12]}"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def run(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def page(self) -> Path:
        """The page of the run."""
        return self.path / "report.html"

    @property
    def page_is_stale(self) -> bool:
        """Whether there is no page yet, or the run has gone on since it was written."""
        return self.has_gone_on_since(self.page)

    def has_gone_on_since(self, page: Path) -> bool:
        """Whether a page does not tell all of the run: it is not there, or older than the run's record."""
        return not page.exists() or page.stat().st_mtime_ns < (self.path / "run.json").stat().st_mtime_ns

    @property
    def graph(self) -> Path:
        """The compiled graph."""
        return self.path / "graph.yaml"

    def log(self, step: str) -> Path:
        """What a step printed."""
        return self.path / "logs" / f"{step}.log"

    def create(self, launch: Launch, began: datetime | None = None) -> bool:
        """Makes the folder of a new run, or of one that began elsewhere; False when there is one already."""
        try:
            (self.path / "logs").mkdir(parents=True)
        except FileExistsError:
            return False
        replace_text(self.path / "launch.json", launch.to_bytes().decode())
        if began:  # the file's time is what runs are ordered by
            os.utime(self.path / "launch.json", (began.timestamp(), began.timestamp()))
        return True

    def launch(self) -> Launch:
        """What the run was asked to do."""
        return Launch.read((self.path / "launch.json").read_bytes(), str(self.path / "launch.json"))

    def write(self, run: Run) -> None:
        """Records how far the run is; a reader sees the old record or the new one."""
        replace_text(self.path / "run.json", run.to_bytes().decode())

    def read(self) -> Run | None:
        """How far the run is; None before it has begun. A run whose process is gone has failed."""
        path = self.path / "run.json"
        if not path.exists():
            return None
        run = Run.read(path.read_bytes(), str(path))
        if run.backend == HERE and not run.state.final and not self.alive():
            # It may have ended between the two looks.
            run = Run.read(path.read_bytes(), str(path))
            if not run.state.final:
                return _died(run, full=shutil.disk_usage(self.path).free < ROOM_FOR_A_RECORD)
        return run

    def claim(self, pid: int) -> None:
        """Records which process works on the run."""
        started = psutil.Process(pid).create_time()
        replace_text(self.path / "process.json", json.dumps({"pid": pid, "started": started}))

    def process(self) -> psutil.Process | None:
        """The process that works on the run, if it lives."""
        recorded = self._recorded_process()
        return living_process(recorded.get("pid", ""), recorded.get("started"))

    def orphans(self) -> list[psutil.Process]:
        """Processes of steps that outlived the worker: they are in its session, and run KFP's executor.

        None where the worker's number belongs to another process by now: a number is not given away while its session
        has members, so nobody of ours is left.
        """
        recorded = self._recorded_process()
        leader = recorded.get("pid")
        if not isinstance(leader, int) or self.alive() or _is_another(leader, recorded.get("started")):
            return []
        steps = [process for process in psutil.process_iter() if _session_of(process.pid) == leader]
        return [process for process in steps if _runs_a_step(process)]

    def _recorded_process(self) -> dict[str, Any]:
        """What ``claim`` wrote; nothing when it is not there or damaged."""
        try:
            recorded = json.loads((self.path / "process.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return recorded if isinstance(recorded, dict) else {}

    def alive(self) -> bool:
        """Whether a process works on the run."""
        return self.process() is not None


class Runs:
    """All runs recorded in one folder; environments may share it, and what a run left lies in its own one's store."""

    def __init__(self, folder: Path, environment: str = "") -> None:
        """``environment`` is the one that runs are looked for in; empty for any."""
        self.folder, self.environment = folder, environment

    def folder_of(self, run: str) -> RunFolder:
        """The folder that a run has or will have."""
        return RunFolder(self.folder / run)

    def find(self, name: str) -> RunFolder:
        """A run by its id, the beginning of it, its last digits, or ``latest``.

        Raises InvalidInput when there is none, or more than one, or it was made in another environment.
        """
        folder = self._find(name)
        if not self.has(folder):
            made_in = folder.launch().environment["name"]
            raise InvalidInput(f"run {folder.run}: was made in the environment {made_in}; add --env {made_in}")
        return folder

    def has(self, folder: RunFolder) -> bool:
        """Whether a run was made in the environment that is looked in."""
        return not self.environment or folder.launch().environment.get("name", self.environment) == self.environment

    def _find(self, name: str) -> RunFolder:
        if name == "latest":
            linked = RunFolder((self.folder / "latest").resolve())
            if (self.folder / "latest").exists() and self.has(linked):
                return linked
            if newest := next(filter(self.has, self), None):  # the link leads to another environment's
                return newest
            raise InvalidInput(f"{self.folder}: no runs yet; start one with `{typed('run RECIPE', self.environment)}`")
        names = [folder.run for folder in self]
        found = [run for run in names if run == name] or [
            run for run in names if run.startswith(name) or run.endswith(name)
        ]
        if len(found) == 1:
            return self.folder_of(found[0])
        if found:
            raise InvalidInput(f"run {name}: {len(found)} runs match; write more of the id: {', '.join(found[:5])}")
        listed = typed("runs", self.environment)
        raise InvalidInput(f"run {name}: unknown in {self.folder}; `{listed}` lists those that there are")

    def __iter__(self) -> Iterator[RunFolder]:
        """Every run, the one that began last first."""
        if not self.folder.is_dir():
            return
        folders = [path for path in self.folder.iterdir() if (path / "launch.json").exists() and not path.is_symlink()]
        order = sorted(folders, key=lambda path: ((path / "launch.json").stat().st_mtime_ns, path.name), reverse=True)
        yield from map(RunFolder, order)

    def records(self) -> Iterator[tuple[RunFolder, Run | InvalidInput]]:
        """Every run that has begun with its record, the newest first; a complaint in place of one that is damaged."""
        for folder in self:
            try:
                run = folder.read()
            except InvalidInput as error:
                yield folder, error
            else:
                if run is not None:
                    yield folder, run

    def point_latest(self, folder: RunFolder) -> None:
        """Lets ``latest`` lead to a run."""
        link = self.folder / f".latest-{uuid.uuid4().hex[:8]}"
        with explained(self.folder / "latest"):
            link.symlink_to(folder.path.name)
            link.replace(self.folder / "latest")

    def check(self) -> None:
        """Raises InvalidInput when ``latest`` is something that somebody else put there."""
        latest = self.folder / "latest"
        if latest.exists() and not latest.is_symlink():
            raise InvalidInput(f"{latest}: is no link of ours; move it away, it is to lead to the newest run")


def replace_text(path: Path, text: str) -> None:
    """Writes a file whole: a reader sees the old one or the new one."""
    with explained(path), whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what the file system raises into a sentence."""
    try:
        yield
    except OSError as error:
        raise Failed(
            f"{path}: the run's record cannot be written: {error.strerror}; free some space, or point `runs` in the"
            " environment file elsewhere"
        ) from error


def _is_another(pid: int, started: Any) -> bool:
    """Whether a process has this number that is not the one that was recorded."""
    try:
        return not isinstance(started, (int, float)) or abs(psutil.Process(pid).create_time() - started) >= 1
    except psutil.NoSuchProcess:
        return False


def _runs_a_step(process: psutil.Process) -> bool:
    try:
        return any("kfp.dsl.executor_main" in word for word in process.cmdline())
    except psutil.Error:
        return False


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return -1


def _died(run: Run, full: bool) -> Run:
    steps = tuple(_ended(step) for step in run.steps)
    message = "the process that worked on this run is gone; start it again, what is done is reused"
    if full:
        message = "the process that worked on this run is gone, and no space is left for its record; free some"
    return run.model_copy(update={"state": State.FAILED, "exit_code": 4, "error": message, "steps": steps})


def _ended(step: StepRun) -> StepRun:
    state = {State.RUNNING: State.FAILED, State.PENDING: State.SKIPPED}.get(step.state, step.state)
    return step.model_copy(update={"state": state})
