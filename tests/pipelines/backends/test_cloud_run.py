"""Runs on a pipeline service, whatever it is: exactly once, followed from anywhere, recorded as local ones are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import Conflict, Failed, InvalidInput, Refused, Unreachable
from components.core.report import Report, Rows
from components.core.run import EstimatedCost, Run, State
from components.core.store import Store
from pipelines.backends.ask import Ask
from pipelines.backends.cloud_run import LEASE, PATIENCE, RETYPED, CloudRuns, Unsubmitted
from pipelines.backends.service import Job, JobState, TaskState
from pipelines.compile import Compiled
from pipelines.environment import KubeflowEnvironment
from pipelines.examine import requested
from pipelines.recipe import load_recipe
from pipelines.runs import Launch
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


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def machine(tmp_path: Path, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(
        "pipelines.compile.compile_graphs", lambda *_: {"lifecycle": Compiled("lifecycle", "kubeflow", SPEC)}
    )
    monkeypatch.setattr("pipelines.backends.cloud_run.code_digests", lambda: {"core": "c"})
    return Machine(tmp_path / "here", tmp_path, service)


def other(machine: Machine, tmp_path: Path) -> Machine:
    """Another person's machine."""
    return Machine(tmp_path / "elsewhere", tmp_path, machine.service)


def test_a_run_is_submitted_once_whoever_asks_again_and_from_wherever(machine: Machine, tmp_path: Path) -> None:
    first = machine.runs.start(machine.ask)
    there = other(machine, tmp_path)
    assert {machine.runs.start(machine.ask).run, there.runs.start(there.ask).run} == {first.run}
    (job,) = machine.service.submitted
    assert (job.run, job.arguments) == (first.run, {"now": "2026-01-01T00:00:00+00:00"})
    assert (job.labels["team"], job.labels["sluice-recipe"]) == ("desk", "small")


def test_of_many_who_ask_at_once_one_submits(machine: Machine) -> None:
    conflicts = list[Conflict]()

    def ask() -> None:
        try:
            machine.runs.start(machine.ask)
        except Conflict as error:
            conflicts.append(error)

    machine.runs.start(machine.ask)
    machine.service.states.clear()  # the service has not heard of it yet
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(machine.service.submitted) == 1
    assert len(conflicts) == 8


def test_a_submission_that_arrived_without_an_answer_is_found_and_not_repeated(machine: Machine) -> None:
    machine.service.lost = True
    with pytest.raises(Unsubmitted, match="for this very run ask with `--now 2026-01-01T00:00:00"):
        machine.runs.start(machine.ask)
    machine.runs.start(machine.ask)
    assert len(machine.service.submitted) == 1


def test_a_submitter_that_died_is_taken_over_from_after_its_lease(machine: Machine, tmp_path: Path) -> None:
    machine.service.lost = True
    with pytest.raises(Unsubmitted, match="for this very run ask with `--now 2026-01-01T00:00:00"):
        machine.runs.start(machine.ask)
    machine.service.states.clear()  # it never arrived
    there = other(machine, tmp_path)
    there.now += LEASE / 2  # a clock that is ahead takes nothing over
    with pytest.raises(Conflict, match="another process is submitting it; ask again in 10 minutes"):
        there.runs.start(there.ask)
    there.now += LEASE
    there.runs.start(there.ask)
    assert len(machine.service.submitted) == 2


def test_a_request_that_two_carry_out_has_the_moment_of_whoever_was_first(machine: Machine, tmp_path: Path) -> None:
    asked, there = replace(machine.ask, asked_by="f" * 64), other(machine, tmp_path)
    first = machine.runs.start(asked)
    second = there.runs.start(replace(asked, now="2026-03-03T00:00:00+00:00"))
    assert second.run == first.run
    assert {folder.read().now for folder in (first, second)} == {asked.now}


def test_what_the_service_has_against_a_submission_may_be_mended(machine: Machine) -> None:
    machine.service.refused = "it is not known who asks"
    with pytest.raises(Unsubmitted, match="it is not known who asks"):
        machine.runs.start(machine.ask)
    machine.service.refused = ""
    machine.now += LEASE + timedelta(seconds=1)
    assert machine.runs.start(machine.ask).run


def test_a_login_that_ends_ends_the_following_and_not_the_run(machine: Machine) -> None:
    folder = machine.runs.start(machine.ask)
    machine.service.refused = "it is not known who asks"
    with pytest.raises(Failed, match=f"who asks; the run goes on: `sluice status {folder.run} --follow --env there`"):
        [*machine.runs.follow(folder)]


def test_after_a_failure_the_same_is_another_attempt_and_after_a_success_it_is_the_same_run(machine: Machine) -> None:
    first = machine.runs.start(machine.ask)
    machine.service.tell(first.run, State.FAILED)
    second = machine.runs.start(machine.ask)
    assert (second.run != first.run, second.launch().attempt) == (True, 2)
    machine.service.tell(second.run, State.DONE)
    assert machine.runs.start(machine.ask).run == second.run


def test_a_run_is_followed_to_its_end_and_recorded_from_its_steps_reports(machine: Machine, tmp_path: Path) -> None:
    folder = machine.runs.start(machine.ask)
    report = Report(step="resolve", attempt="a", started="now", rows=Rows(in_=3, out={"x": 3}))
    asks = Report(step="request", attempt="b", started="now", word="r" * 64)
    machine.store.write("resolve/report.json", report.to_bytes())
    machine.store.write("request/report.json", asks.to_bytes())
    leave = {"severity": "INFO", "message": "asked", "report": "request/report.json", "exit_code": 0}
    machine.service.logs["request"] = f"noise\n{json.dumps(leave)}\n"
    there = other(machine, tmp_path)
    done = {"state": State.DONE, "seconds": 2.0}
    there.told = [
        lambda: machine.service.tell(folder.run, State.RUNNING, resolve={"state": State.RUNNING}),
        lambda: machine.service.tell(folder.run, State.RUNNING, resolve={**done, "report": "resolve/report.json"}),
        lambda: machine.service.tell(folder.run, State.DONE, decide=done, request=done),
    ]
    seen = [*there.runs.follow(there.runs.find(folder.run))]
    assert [run.steps[0].state for run in seen] == [State.PENDING, State.RUNNING, State.DONE, State.DONE]
    last = there.runs.find(folder.run).read()
    assert last is not None
    assert (last.state, last.exit_code, last.requests) == (State.DONE, 0, ("r" * 64,))
    assert (last.steps[0].rows_in, last.steps[0].rows_out, last.cost.wall_seconds) == (3, 3, 4.0)
    assert machine.service.read == {"decide", "request"}  # the report of the first was handed on
    assert there.runs.log(folder, "request").startswith("noise")


def test_with_a_run_come_those_that_it_asked_for_to_whatever_machine(machine: Machine, tmp_path: Path) -> None:
    folder = machine.runs.start(machine.ask)
    asks = Report(step="request", attempt="b", started="now", word="r" * 64)
    machine.store.write("request/report.json", asks.to_bytes())
    done = {"state": State.DONE, "report": "request/report.json"}
    machine.service.tell(folder.run, State.DONE, request=done)
    release = machine.runs.start(replace(machine.ask, asked_by="r" * 64))
    machine.service.tell(release.run, State.FAILED, resolve={"state": State.FAILED, "error": "gone"})
    there = other(machine, tmp_path)
    found = there.runs.find(folder.run).read()
    assert found is not None
    (asked_for,) = requested(there.runs.runs, found)
    assert (asked_for.run, asked_for.state) == (release.run, State.FAILED)


def test_who_may_only_read_sees_what_a_schedule_started(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine.runs.start(machine.ask)
    machine.store.write("schedules/v1.json", folder.launch().to_bytes())
    started = JobState("jobs/s", "scheduled-9", State.RUNNING, started="2026-01-01T01:00:00+00:00", schedule="v1")
    machine.service.states["scheduled-9"] = started

    def create(key: str, data: bytes) -> bool:
        raise Refused(f"cannot create {key}")

    monkeypatch.setattr(machine.runs.store, "create", create)
    assert machine.runs.find(folder.run) == folder
    assert machine.runs.find("scheduled-9").read() is not None


def test_a_run_has_its_estimated_cost_and_none_where_the_prices_cannot_be_read(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = machine.runs.start(machine.ask)
    machine.service.tell(folder.run, State.RUNNING, resolve={"state": State.DONE, "seconds": 1800.0})
    assert machine.runs.refresh(folder).estimated_cost is None
    prices = tmp_path / "prices.yaml"
    machine.runs.environment = machine.environment.model_copy(update={"prices": str(prices)})
    assert machine.runs.refresh(folder).estimated_cost is None
    assert machine.runs.refresh(folder).state is State.RUNNING
    assert capsys.readouterr().err.count(f"no cost is estimated: {prices}: no such file") == 1
    prices.write_text(
        "{version: 1, date: 2026-03-01, source: us, currency: EUR, machine: {cpu: 4, memory: 16Gi},"
        " places: {everywhere: {cpu: 1, memory: 0}}}"
    )
    assert machine.runs.refresh(folder).estimated_cost == EstimatedCost(amount=2, currency="EUR", prices="2026-03-01")


def test_a_failed_steps_own_words_are_the_runs(machine: Machine) -> None:
    folder = machine.runs.start(machine.ask)
    leave = {"severity": "ERROR", "message": "data/a.jsonl: line 3 is no JSON", "report": "", "exit_code": 2}
    machine.service.logs["resolve"] = json.dumps(leave)
    machine.service.tell(folder.run, State.FAILED, resolve={"state": State.FAILED, "error": "exit status 2"})
    run = machine.runs.refresh(folder)
    assert (run.error, run.exit_code) == ("data/a.jsonl: line 3 is no JSON", 2)
    assert [step.state for step in run.steps] == [State.FAILED, State.SKIPPED, State.SKIPPED]


def test_a_step_that_said_nothing_fails_with_the_services_words(machine: Machine) -> None:
    folder = machine.runs.start(machine.ask)
    machine.service.tell(folder.run, State.FAILED, resolve={"state": State.FAILED, "error": "image not found"})
    assert machine.runs.refresh(folder).error == "Resolve: image not found"


def test_following_outlasts_a_service_that_is_away_for_minutes_and_not_for_ever(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = machine.runs.start(machine.ask)
    machine.service.away = 20
    machine.told = [lambda: None] * 25 + [lambda: machine.service.tell(folder.run, State.DONE)]
    assert [run.state for run in machine.runs.follow(folder)] == [State.RUNNING, State.DONE]
    assert capsys.readouterr().err.count("waiting for it, the run goes on") == 1
    again = machine.runs.start(replace(machine.ask, now="2026-01-02T00:00:00+00:00"))
    machine.service.away, began = 10**6, machine.now
    with pytest.raises(Failed, match=f"`sluice status {again.run} --follow --env there` follows it again"):
        list(machine.runs.follow(again))
    assert machine.now - began > PATIENCE


def test_a_run_is_cancelled_from_another_machine_once(machine: Machine, tmp_path: Path) -> None:
    folder = machine.runs.start(machine.ask)
    there = other(machine, tmp_path)
    assert there.runs.cancel(there.runs.find(folder.run)).state is State.CANCELLED
    with pytest.raises(Conflict, match="is cancelled already; there is nothing to cancel"):
        there.runs.cancel(there.runs.find(folder.run))


def test_a_run_that_was_claimed_and_never_submitted_says_how_to_go_on(machine: Machine, tmp_path: Path) -> None:
    folder = machine.runs.start(machine.ask)
    machine.service.states.clear()
    there = other(machine, tmp_path)
    with pytest.raises(Unsubmitted, match="ask for it again, with `--now"):
        there.runs.find(folder.run)


def test_a_command_that_is_typed_again_follows_what_is_under_way(machine: Machine, tmp_path: Path) -> None:
    asked = replace(machine.ask, now="")
    first = machine.runs.start(asked)
    machine.now += timedelta(hours=5)
    assert machine.runs.start(asked) == first
    assert other(machine, tmp_path).runs.start(asked).run == first.run
    assert machine.runs.start(replace(asked, use_cache=False)).run != first.run, "that is something else"
    machine.service.tell(first.run, State.DONE)
    machine.now += timedelta(hours=5)
    assert machine.runs.start(asked).run != first.run
    assert len(machine.service.submitted) == 3


def test_a_command_that_is_typed_again_submits_what_it_had_not_got_to_submitting(machine: Machine) -> None:
    asked = replace(machine.ask, now="")
    machine.service.refused = "may not"
    with pytest.raises(Unsubmitted):
        machine.runs.start(asked)
    (claimed,) = machine.runs.runs
    machine.service.refused = ""
    machine.now += LEASE
    assert machine.runs.start(asked) == claimed
    machine.service.states.clear()
    machine.now += 2 * RETYPED
    assert machine.runs.start(asked) != claimed, "nobody means what was asked for hours ago"


def test_who_type_a_command_at_once_on_two_machines_get_one_run(machine: Machine, tmp_path: Path) -> None:
    there, asked = other(machine, tmp_path), replace(machine.ask, now="")
    started, create = list[str](), machine.store.create

    def create_late(key: str, data: bytes) -> bool:
        """The other one asks between our look and our claim."""
        if not started and key.endswith("moment-0"):
            started.append(there.runs.start(asked).run)
        return create(key, data)

    machine.runs.store.create = create_late  # type: ignore[method-assign]
    machine.now += timedelta(seconds=1)
    assert machine.runs.start(asked).run == started[0]
    assert len(machine.service.submitted) == 1


def test_a_run_of_a_moment_that_somebody_named_is_no_run_of_now(machine: Machine) -> None:
    backfill = machine.runs.start(replace(machine.ask, now="2025-01-01T00:00:00+00:00"))
    assert machine.runs.start(replace(machine.ask, now="")) != backfill
    assert len(machine.service.submitted) == 2


def test_a_run_is_not_found_for_another_choice_of_what_the_cache_answers(machine: Machine) -> None:
    machine.runs.start(machine.ask)
    with pytest.raises(Conflict, match=r"began at 2026-01-01.* with another choice of --from and --no-cache"):
        machine.runs.start(replace(machine.ask, use_cache=False))
    with pytest.raises(Conflict, match="another choice of --from"):
        machine.runs.start(replace(machine.ask, start_from="resolve"))
    assert len(machine.service.submitted) == 1


def test_what_a_service_refuses_for_certain_may_be_asked_for_again_at_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, errors = machine.service.submit, [Refused("may not"), Unreachable("no answer")]

    def refused(job: Job) -> JobState:
        if errors:
            raise errors.pop(0)
        return submit(job)

    monkeypatch.setattr(machine.service, "submit", refused)
    with pytest.raises(Unsubmitted, match="may not"):
        machine.runs.start(machine.ask)
    with pytest.raises(Unsubmitted, match="no answer"):
        machine.runs.start(machine.ask)
    with pytest.raises(Conflict, match="another process is submitting it"):
        machine.runs.start(machine.ask)  # that one may have arrived
    machine.now += LEASE
    machine.runs.start(machine.ask)
    assert len(machine.service.submitted) == 1


def test_the_latest_run_is_the_one_that_began_last_on_whatever_machine(machine: Machine, tmp_path: Path) -> None:
    there = other(machine, tmp_path)
    moments = ["2026-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"]
    first, last = (there.runs.start(replace(machine.ask, now=moment)) for moment in moments)
    asked_for = there.runs.start(replace(machine.ask, asked_by="a request"))
    for day, folder in enumerate((first, last, asked_for), 1):
        started = f"2026-02-0{day}T00:00:00+00:00"
        machine.service.states[folder.run] = replace(machine.service.states[folder.run], started=started)
    assert machine.runs.find("latest").run == last.run
    assert [folder.run for folder in machine.runs.runs] == [asked_for.run, last.run, first.run]
    theirs = Launch(run="theirs", graph="lifecycle", recipe={}, environment={"name": "local"}, now="x")
    machine.runs.runs.folder_of("theirs").create(theirs)
    machine.runs.runs.point_latest(machine.runs.runs.folder_of("theirs"))
    assert machine.runs.find("latest").run == last.run


def test_a_run_that_waits_to_begin_is_the_latest_whatever_its_moment(machine: Machine, tmp_path: Path) -> None:
    there = other(machine, tmp_path)
    first = there.runs.start(machine.ask)
    assert machine.runs.find("latest").run == first.run
    machine.now += timedelta(hours=1)
    second = there.runs.start(replace(machine.ask, now="2025-01-01T00:00:00+00:00"))
    machine.service.states[second.run] = replace(machine.service.states[second.run], started="")
    assert machine.runs.find("latest").run == second.run
    fourth = Machine(tmp_path / "fourth", tmp_path, machine.service)
    fourth.now = machine.now
    assert fourth.runs.find("latest").run == second.run


def test_what_was_looked_at_is_not_listed_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    states = machine.service.states
    for day in range(1, 29):
        moment = f"2025-12-{day:02}T00:00:00+00:00"
        states[f"job-{day}"] = JobState(f"jobs/{day}", f"job-{day}", State.DONE, started=moment)
    listed = list[str]()

    def jobs() -> Iterator[JobState]:
        for state in sorted(states.values(), key=lambda one: one.started, reverse=True):
            listed.append(state.run)
            yield state

    monkeypatch.setattr(machine.service, "jobs", jobs)
    machine.runs.fetch()
    assert len(listed) == 28
    listed.clear()
    machine.runs.fetch()
    assert listed == ["job-28"], "it began before the last look: nothing older can be new"


def test_an_alert_of_monitoring_is_an_answer_that_stays_and_what_waits_for_people_is_looked_at_again() -> None:
    facts = {"run": "r", "backend": "vertex", "recipe": "r", "recipe_digest": "d", "environment": "e", "spec": "s"}
    run = Run(graph="monitoring", environment_digest="d", now="n", state=State.HELD, **facts)
    assert not run.given_up
    assert run.model_copy(update={"graph": "release"}).given_up
    assert run.model_copy(update={"state": State.FAILED}).given_up
    assert not run.model_copy(update={"state": State.DONE}).given_up


def test_runs_of_other_environments_in_the_same_folder_are_left_alone(machine: Machine) -> None:
    folder = machine.runs.start(machine.ask)
    other = Launch(run="theirs", graph="lifecycle", recipe={}, environment={"name": "local"}, now="x")
    machine.runs.runs.folder_of("theirs").create(other)
    machine.service.tell(folder.run, State.DONE)
    machine.runs.fetch()
    last = folder.read()
    assert last is not None
    assert last.state is State.DONE
    with pytest.raises(InvalidInput, match="run theirs: was made in the environment local; add --env local"):
        machine.runs.find("theirs")
