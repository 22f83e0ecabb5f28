"""Whether a model that died before may serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web

from components.core.errors import Failed
from components.serve import replica as replica_module
from components.serve.model_server import ModelServer
from components.serve.processes import Processes, free_port
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


@pytest.mark.parametrize(("seconds", "held"), [(-1, CRASHES), (0, 0)])
def test_what_has_lasted_leaves_no_doubt_to_a_successor(
    replica: Replica, clock: Clock, seconds: float, held: int
) -> None:
    for _ in range(CRASHES):
        lives(replica, clock, 1)
    ready(replica, clock)
    clock.now += PROBATION_SECONDS + LIVED_SECONDS + seconds
    asyncio.run(replica._until_dead())
    assert replica.crashes == held


def test_a_change_of_what_should_serve_ends_the_doubt(replica: Replica, clock: Clock) -> None:
    for _ in range(CRASHES):
        lives(replica, clock, 1)
    ready(replica, clock)
    assert replica.doubtful
    replica.try_again()
    assert not replica.doubtful


def test_another_one_who_answers_on_its_port_is_not_taken_for_it(
    replica: Replica, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two endpoints that start at once may both find a port free, and one of them is first."""
    theirs = free_port()
    monkeypatch.setattr(replica_module, "free_port", lambda host, port: given.pop())
    given = [theirs, free_port()]

    async def yes(_: web.Request) -> web.Response:
        return web.Response()

    async def bring_up() -> None:
        other = web.Application()
        other.router.add_get("/readyz", yes)
        runner = web.AppRunner(other)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", theirs).start()
        try:
            with pytest.raises(Failed, match=rf"gateway-.* ended before it was ready: .*{theirs}"):
                await replica._bring_up()
        finally:
            await runner.cleanup()
            for name in list(replica.processes.recorded):
                await replica.processes.end(name, 1.0)

    asyncio.run(bring_up())
