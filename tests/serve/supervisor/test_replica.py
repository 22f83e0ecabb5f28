"""Whether a model that died before may serve."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from components.serve import replica as replica_module
from components.serve.model_server import ModelServer
from components.serve.processes import Processes
from components.serve.replica import CRASHES, LIVED_SECONDS, PROBATION_SECONDS, Replica
from tests.serve.supervisor.case import Case
from tests.serve.supervisor.driver import place, server_command


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(replica_module, "time", clock)
    return clock


@pytest.fixture
def replica(case: Case) -> Replica:
    at: Callable[[str], None] = lambda _: None  # noqa: E731
    named = case.model("first").named
    return Replica(place(case.folder), named, Processes(case.place), ModelServer(server_command), at)


def lives(replica: Replica, clock: Clock, seconds: float) -> None:
    """It is ready for so long, and dies."""
    ready(replica, clock)
    clock.now += seconds
    replica._crashed(replica.server_name)
    replica.ready = False


def ready(replica: Replica, clock: Clock) -> None:
    replica.ready, replica.fault, replica._ready_since = True, "", clock.now


def test_one_death_is_mended_and_held_against_nobody(replica: Replica, clock: Clock) -> None:
    lives(replica, clock, 1)
    assert (replica.doubtful, replica.fault) == (False, "")


def test_what_dies_again_and_again_must_last_before_it_may_serve(replica: Replica, clock: Clock) -> None:
    for _ in range(CRASHES):
        lives(replica, clock, 1)
    assert replica.doubtful
    assert f"ended 1 s after it was ready, {CRASHES} times in a row" in replica.fault
    ready(replica, clock)
    clock.now += PROBATION_SECONDS - 1
    assert replica.doubtful
    clock.now += 1
    assert not replica.doubtful


def test_what_dies_soon_after_its_probation_is_at_the_beginning_of_it_again(replica: Replica, clock: Clock) -> None:
    for _ in range(CRASHES):
        lives(replica, clock, 1)
    lives(replica, clock, PROBATION_SECONDS + 10)
    assert replica.crashes == CRASHES + 1
    lives(replica, clock, PROBATION_SECONDS + LIVED_SECONDS)
    assert replica.crashes == 1


def test_a_change_of_what_should_serve_ends_the_doubt(replica: Replica, clock: Clock) -> None:
    for _ in range(CRASHES):
        lives(replica, clock, 1)
    ready(replica, clock)
    assert replica.doubtful
    replica.try_again()
    assert not replica.doubtful
