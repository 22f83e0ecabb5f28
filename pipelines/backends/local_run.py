"""Starts, follows and ends runs on this machine. The work itself is in ``local_worker``, a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil

from components.core.errors import Conflict, Failed, InvalidInput
from components.core.run import Run
from pipelines.backends.ask import Ask, check_choice, launch_of
from pipelines.environment import LocalEnvironment
from pipelines.runs import Launch, RunFolder, Runs, explained

LOOK_EVERY_SECONDS = 0.1
GRACE_SECONDS = 8
"""How long a run may take to end its steps before it is killed."""


def start(ask: Ask) -> RunFolder:
    """Starts a run, or finds the one that was started for the same inputs at the same moment.

    The attempt in its id rises only after a final failure or a cancel.
    """
    if not isinstance(ask.environment, LocalEnvironment):
        raise InvalidInput(f"environment {ask.environment.name}: is not this machine; it is submitted to")
    runs = Runs(Path(ask.environment.runs))
    runs.check()
    now = ask.now or datetime.now(UTC).isoformat(timespec="microseconds")
    attempt = 1
    while True:
        launch = launch_of(ask, now, attempt)
        folder = runs.folder_of(launch.run)
        if _create(folder, launch):
            runs.point_latest(folder)
            _spawn(folder)
            return folder
        if not _given_up(folder):
            check_choice(folder.launch(), ask)
            return folder
        attempt += 1


def _given_up(folder: RunFolder) -> bool:
    """Whether a run that was started before came to no answer that stays."""
    for _ in range(int(GRACE_SECONDS / LOOK_EVERY_SECONDS)):
        run = folder.read()
        if run is not None:
            return run.given_up
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
