"""Starts, follows and ends runs on this machine. The work itself is in ``local_worker``, a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from components.core.errors import Conflict, Failed
from components.core.run import Run, State
from pipelines.environment import LocalEnvironment
from pipelines.environment import as_document as environment_document
from pipelines.recipe import RecipeBase
from pipelines.recipe import as_document as recipe_document
from pipelines.runs import Launch, RunFolder, Runs, explained, run_id

LOOK_EVERY_SECONDS = 0.1
GRACE_SECONDS = 8
"""How long a run may take to end its steps before it is killed."""


@dataclass(frozen=True)
class Ask:
    """What somebody wants run."""

    graph: str
    recipe: RecipeBase
    environment: LocalEnvironment
    now: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    spec: str = ""
    asked_by: str = ""
    start_from: str = ""
    use_cache: bool = True


def start(ask: Ask) -> RunFolder:
    """Starts a run, or finds the one that was started for the same inputs at the same moment.

    The attempt in its id rises only after a final failure or a cancel.
    """
    runs = Runs(Path(ask.environment.runs))
    runs.check()
    now = ask.now or datetime.now(UTC).isoformat(timespec="microseconds")
    attempt = 1
    while True:
        launch = _launch(ask, now, attempt)
        folder = runs.folder_of(launch.run)
        if _create(folder, launch):
            runs.point_latest(folder)
            _spawn(folder)
            return folder
        if not _given_up(folder):
            return folder
        attempt += 1


def _given_up(folder: RunFolder) -> bool:
    """Whether a run that was started before came to no answer that stays."""
    for _ in range(int(GRACE_SECONDS / LOOK_EVERY_SECONDS)):
        run = folder.read()
        if run is not None:
            # An alert of monitoring waits for nobody's yes: the same window would only be alerted about again.
            alerted = run.graph == "monitoring" and run.state is State.HELD
            return run.state.final and not run.state.settled and not alerted
        if folder.alive():
            return False
        time.sleep(LOOK_EVERY_SECONDS)  # another command may just be starting it
    return True


def follow(folder: RunFolder) -> Iterator[Run]:
    """The run's record each time that it changes, and once a second, until it is final."""
    last: Run | None = None
    told = 0.0
    while True:
        alive = folder.alive()
        run = folder.read()
        if run is not None and (run != last or time.monotonic() > told + 1):
            last, told = run, time.monotonic()
            yield run
        if run is not None and run.state.final:
            _end_orphans(folder)
            return
        if run is None and not alive:
            raise Failed(f"run {folder.run} did not begin; {folder.path / 'worker.log'} says why")
        time.sleep(LOOK_EVERY_SECONDS)


def _end_orphans(folder: RunFolder) -> None:
    """A killed worker leaves its step at work; what it would still write, nobody would read."""
    for process in folder.orphans():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def cancel(folder: RunFolder) -> Run:
    """Ends a run and all its processes. Raises Conflict when it has ended already."""
    process = folder.process()
    if process is None:
        run = folder.read()
        state = run.state if run else "not begun"
        raise Conflict(f"run {folder.run} is {state} already; there is nothing to cancel")
    end(process)
    run = folder.read()
    if run is None:
        raise Failed(f"run {folder.run} was ended before it began")
    return run


def end(process: psutil.Process) -> None:
    """Ends a worker's whole group: politely, then not."""
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        process.terminate()
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _launch(ask: Ask, now: str, attempt: int) -> Launch:
    arguments = dict(ask.arguments)
    asked = {
        "graph": ask.graph,
        "recipe": ask.recipe.digest,
        "environment": ask.environment.digest,
        "spec": ask.spec,
        "arguments": arguments,
        "request": ask.asked_by,
        "now": "" if ask.asked_by else now,
        "attempt": attempt,
    }
    return Launch(
        run=run_id(ask.graph, ask.recipe.name, asked),
        graph=ask.graph,
        recipe=recipe_document(ask.recipe),
        environment=environment_document(ask.environment),
        now=now,
        attempt=attempt,
        arguments=arguments,
        spec=ask.spec,
        asked_by=ask.asked_by,
        start_from=ask.start_from,
        use_cache=ask.use_cache,
    )


def _create(folder: RunFolder, launch: Launch) -> bool:
    with explained(folder.path):
        return folder.create(launch)


def _spawn(folder: RunFolder) -> None:
    """Starts the worker in a session of its own: Ctrl-C here does not reach it half-way."""
    command = [sys.executable, "-m", "pipelines.backends.local_worker", str(folder.path)]
    with explained(folder.path), (folder.path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        folder.claim(process.pid)
    except Failed:
        end(psutil.Process(process.pid))
        raise
