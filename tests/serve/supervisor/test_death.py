"""A supervisor is killed at each point of a release; its successor ends steady, with no process twice and none left."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from components.core.endpoint import Phase
from tests.serve.supervisor.case import Case

OFTEN = ("draining", "server started", "ready", "clusters live", "route live")
RARELY = (
    "ended",
    "observed starting",
    "files are here",
    "gateway started",
    "observed ready",
    "observed moving",
    "observed steady",
)
"""Points of a release that follows another one: the model before that is ended while the new one starts."""
POINTS = (*OFTEN, *(pytest.param(point, marks=pytest.mark.long) for point in RARELY))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """An endpoint on which two releases have arrived. Each test makes one more."""
    case = Case(tmp_path_factory.mktemp("world"))
    try:
        supervisor = case.serves(case.model("first"))
        case.release(case.model("second"))
        case.until_observed(Phase.STEADY, 2)
        supervisor.kill()
        supervisor.wait()
        yield case
    finally:
        case.close()


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_its_successor_goes_on_and_nothing_is_lost(world: Case, point: str) -> None:
    armed = world.folder / "armed"
    with world.load(clients=3) as load:
        said = world.said.count(" serves ")
        killed = world.supervise(die_at=point)
        world.until(lambda: world.said.count(" serves ") > said, "it has taken up what is there")
        old = world.state.champion.digest
        armed.write_text("")
        model = world.model(point)
        generation = world.release(model)
        assert killed.wait(60) == -signal.SIGKILL, world.said
        armed.unlink()
        successor = world.supervise()
        world.until_observed(Phase.STEADY, generation, champion=model.digest, previous=old)
        world.until(lambda: world.kinds() == {"router": 1, "gateway": 2, "server": 2}, "each once")
        before = load.answered[model.digest]
        world.until(lambda: load.answered[model.digest] > before, "it answers")
    assert load.lost == []
    successor.kill()
    successor.wait()


def test_after_its_death_all_goes_on_and_a_stop_leaves_nothing(case: Case) -> None:
    model = case.model("first")
    killed = case.serves(model)
    killed.kill()
    killed.wait()
    before = {process.pid for process in case.processes()}
    assert case.ask() == (200, model.digest)
    successor = case.supervise()
    case.until(lambda: case.said.count("generation 1 serves") == 2, "it goes on")
    assert {process.pid for process in case.processes()} == before
    assert case.stop(successor) == 0
    assert case.processes() == []
