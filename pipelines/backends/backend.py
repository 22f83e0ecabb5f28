"""The backend of an environment: what starts, follows and ends runs there, and where its records are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from components.core.run import Run
from pipelines.backends import local_run
from pipelines.backends.ask import Ask
from pipelines.environment import Environment, LocalEnvironment
from pipelines.runs import RunFolder, Runs


class Backend(Protocol):
    """Where runs are worked on. All that looks at one looks into its folder, which the backend keeps fresh."""

    runs: Runs

    def start(self, ask: Ask) -> RunFolder:
        """Starts a run, or finds the one that was started for the same inputs at the same moment."""

    def find(self, name: str) -> RunFolder:
        """A run by its id, a part of it, or ``latest``, as fresh as it can be had. Raises InvalidInput."""

    def fetch(self) -> None:
        """Brings the records of runs that others have started."""

    def follow(self, folder: RunFolder) -> Iterator[Run]:
        """The run's record each time that it changes, until it is final."""

    def cancel(self, folder: RunFolder) -> Run:
        """Ends a run and all that it started. Raises Conflict when it has ended already."""

    def log(self, folder: RunFolder, step: str) -> str:
        """What a step printed, so far."""


class LocalBackend:
    """This machine."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self.runs = Runs(Path(environment.runs), environment.name)

    def start(self, ask: Ask) -> RunFolder:
        """Starts a run, or finds the one that was started for the same inputs at the same moment."""
        return local_run.start(ask)

    def find(self, name: str) -> RunFolder:
        """A run by its id, a part of it, or ``latest``. Raises InvalidInput."""
        return self.runs.find(name)

    def fetch(self) -> None:
        """Nothing: the records are here."""

    def follow(self, folder: RunFolder) -> Iterator[Run]:
        """The run's record each time that it changes, until it is final."""
        return local_run.follow(folder)

    def cancel(self, folder: RunFolder) -> Run:
        """Ends a run and all its processes. Raises Conflict when it has ended already."""
        return local_run.cancel(folder)

    def log(self, folder: RunFolder, step: str) -> str:
        """What a step printed, so far."""
        path = folder.log(step)
        return path.read_text(errors="replace") if path.exists() else ""


def open_backend(environment: Environment) -> Backend:
    """The backend of an environment; a cloud's SDK is loaded for a cloud's environment only."""
    if isinstance(environment, LocalEnvironment):
        return LocalBackend(environment)
    from pipelines.backends.cloud_run import CloudRuns
    from pipelines.backends.service import open_service

    return CloudRuns(environment, open_service(environment))
