"""Runs on a pipeline service begin exactly once, whoever asks, from wherever and how often."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from components.core.errors import Conflict, Refused, Unreachable
from components.core.run import State
from pipelines.backends.cloud_run import LEASE, RETYPED, Unsubmitted
from pipelines.backends.service import Job, JobState
from tests.pipelines.backends.machine import Machine, other


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


def test_after_a_failure_the_same_is_another_attempt_and_after_a_success_it_is_the_same_run(machine: Machine) -> None:
    first = machine.runs.start(machine.ask)
    machine.service.tell(first.run, State.FAILED)
    second = machine.runs.start(machine.ask)
    assert (second.run != first.run, second.launch().attempt) == (True, 2)
    machine.service.tell(second.run, State.DONE)
    assert machine.runs.start(machine.ask).run == second.run


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
