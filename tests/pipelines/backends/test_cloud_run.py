"""Runs on a pipeline service, whatever it is: followed from anywhere, recorded as local ones are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from components.core.errors import Conflict, Failed, InvalidInput, Refused
from components.core.report import Report, Rows
from components.core.run import EstimatedCost, Run, State
from pipelines.backends.cloud_run import PATIENCE
from pipelines.backends.service import JobState
from pipelines.examine import requested
from pipelines.runs import Launch
from tests.pipelines.backends.machine import Machine, other


def test_a_login_that_ends_ends_the_following_and_not_the_run(machine: Machine) -> None:
    folder = machine.runs.start(machine.ask)
    machine.service.refused = "it is not known who asks"
    with pytest.raises(Failed, match=f"who asks; the run goes on: `sluice status {folder.run} --follow --env there`"):
        [*machine.runs.follow(folder)]


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
