from __future__ import annotations

from datetime import timedelta

import pytest

from components.core.endpoint import LIVING, EndpointState, Observed, Phase
from tests.core.keyring import NOW, moment


def observed(phase: Phase = Phase.STEADY, generation: int = 1, age: timedelta = timedelta()) -> Observed:
    at = (NOW - age).isoformat()
    return Observed(endpoint="helpdesk", generation=generation, phase=phase, heartbeat=at, since=moment(-1))


def holds_up(generation: int = 2, **fields) -> bool:
    return observed(**fields).holds_up(EndpointState(endpoint="helpdesk", generation=generation), NOW)


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.READY, Phase.MOVING, Phase.DRAINING, Phase.STEADY])
def test_a_living_observer_that_is_behind_holds_a_release_up(phase: Phase) -> None:
    assert holds_up(phase=phase)


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.DRAINING, Phase.STEADY])
def test_one_that_has_arrived_does_not(phase: Phase) -> None:
    assert not holds_up(generation=1, phase=phase)


@pytest.mark.parametrize("phase", [Phase.DEGRADED, Phase.FAILED, Phase.STOPPED])
def test_one_that_failed_or_was_ended_does_not(phase: Phase) -> None:
    assert not holds_up(phase=phase)


@pytest.mark.parametrize(
    ("age", "holds"),
    [(timedelta(), True), (LIVING - timedelta(seconds=1), True), (LIVING, False), (timedelta(days=1), False),
     (-LIVING, False)],
)  # fmt: skip
def test_one_that_was_not_heard_for_half_a_minute_is_dead_and_does_not(age: timedelta, holds: bool) -> None:
    assert holds_up(age=age) is holds
    assert observed(age=age).alive(NOW) is holds
