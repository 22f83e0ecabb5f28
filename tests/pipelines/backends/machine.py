"""A service in memory, and the machines of people who ask it for runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.core.errors import Refused, Unreachable
from components.core.run import State
from components.core.store import Store
from pipelines.backends.ask import Ask
from pipelines.backends.cloud_run import CloudRuns
from pipelines.backends.service import Job, JobState, TaskState
from pipelines.environment import KubeflowEnvironment
from pipelines.recipe import load_recipe
from tests.pipelines.small import RECIPE

TASKS = {
    name: {"componentRef": {"name": name}, "taskInfo": {"name": name.capitalize()}, "dependentTasks": after}
    for name, after in {"resolve": [], "decide": ["resolve"], "request": ["decide"]}.items()
}
SPEC = json.dumps(
    {
        "components": {name: {"executorLabel": name} for name in TASKS},
        "deploymentSpec": {"executors": {name: {"container": {"image": "x"}} for name in TASKS}},
        "root": {
            "dag": {"tasks": TASKS},
            "inputDefinitions": {"parameters": {"now": {}, "corrected": {"isOptional": True}}},
        },
    }
)


class FakeService:
    """A service in memory. It does not imitate SDKs and errors: those have tests of their own."""

    takes_a_name_once = False

    def __init__(self) -> None:
        self.submitted: list[Job] = []
        self.states: dict[str, JobState] = {}
        self.logs: dict[str, str] = {}
        self.read = set[str]()
        """Tasks whose logs were asked for."""
        self.away = 0
        self.refused = ""
        self.lost = False
        """Whether the next submission arrives and its answer does not."""

    def submit(self, job: Job) -> JobState:
        self.submitted.append(job)
        self.states[job.run] = JobState(f"jobs/{job.run}", job.run, State.RUNNING, started="2026-01-01T00:00:00+00:00")
        if self.lost:
            self.lost = False
            raise Unreachable("the answer did not come")
        return self.states[job.run]

    def find(self, run: str) -> JobState | None:
        if self.refused:
            raise Refused(self.refused)
        if self.away:
            self.away -= 1
            raise Unreachable("the service does not answer")
        return self.states.get(run)

    def jobs(self) -> Iterator[JobState]:
        yield from self.states.values()

    def cancel(self, run: str) -> None:
        self.states[run] = replace(self.states[run], state=State.CANCELLED)

    def log(self, run: str, task: str) -> str:
        self.read.add(task)
        return self.logs.get(task, "")

    def tell(self, run: str, state: State, **tasks: Any) -> None:
        """Moves a job and its tasks on."""
        told = {name: TaskState(name, **about) for name, about in tasks.items()}
        self.states[run] = replace(self.states[run], state=state, tasks={**self.states[run].tasks, **told})


class Machine:
    """A person's machine: a mirror of its own, the store and the service shared."""

    def __init__(self, folder: Path, shared: Path, service: FakeService) -> None:
        (shared / "recipe.yaml").write_text(RECIPE)
        self.recipe, self.service, self.now = (
            load_recipe(shared / "recipe.yaml"),
            service,
            datetime(2026, 1, 1, tzinfo=UTC),
        )
        self.environment = KubeflowEnvironment(
            version=1, name="there", backend="kubeflow", store=str(shared / "store"), runs=str(folder / "runs"),
            host="http://127.0.0.1:1", service_account="steps", images={}, labels={"team": "desk"},
        )  # fmt: skip
        self.store = Store(self.environment.store)
        self.runs = CloudRuns(self.environment, service, sleep=self._sleep, clock=lambda: self.now)
        self.told: list[Any] = []
        """What happens at the next looks."""

    @property
    def ask(self) -> Ask:
        return Ask("lifecycle", self.recipe, self.environment, now="2026-01-01T00:00:00+00:00")

    def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if self.told:
            self.told.pop(0)()


def other(machine: Machine, tmp_path: Path) -> Machine:
    """Another person's machine."""
    return Machine(tmp_path / "elsewhere", tmp_path, machine.service)
