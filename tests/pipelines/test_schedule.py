"""A scheduler in the foreground, with a clock of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.core.errors import Conflict, Refused
from pipelines import schedule
from pipelines.environment import LocalEnvironment
from pipelines.schedule import LocalSchedule, Plan
from pipelines.timing import parse_timing

MONDAY = datetime(2026, 2, 2, tzinfo=UTC)


class Ended(Exception):
    """The test has seen enough."""


class World:
    """A clock that goes on while the scheduler sleeps, and what was run."""

    def __init__(self, folder: Path, now: datetime = MONDAY) -> None:
        self.now, self.until, self.runs = now, now, []
        self.fails: list[BaseException] = []
        self.environment = LocalEnvironment(
            version=1, name="local", backend="local", store=str(folder / "store"), state=str(folder / "state")
        )

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 30
        if self.now >= self.until:
            raise Ended
        self.now += timedelta(seconds=seconds)

    def carry_out(self, plan: Plan, now: str) -> None:
        self.runs.append(now)
        if self.fails:
            raise self.fails.pop()

    def keep(self, days: float = 0, every: str = "1d", graph: str = "monitoring") -> list[str]:
        """Keeps the schedule for so many days; returns the moments that were run."""
        self.until, self.runs = self.now + timedelta(days=days), []
        plan = Plan(graph, SimpleNamespace(name="helpdesk"), parse_timing(every))
        with pytest.raises(Ended):
            self.schedule().keep(plan)
        return self.runs

    def schedule(self) -> LocalSchedule:
        return LocalSchedule(self.environment, self.carry_out, lambda: self.now, self.sleep)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def at(days: float) -> str:
    return (MONDAY + timedelta(days=days)).isoformat()


def test_a_plan_is_run_at_the_moments_of_the_schedule(world: World) -> None:
    assert world.keep(3) == [at(1), at(2), at(3)]


def test_the_moment_is_the_schedules_own_however_late_it_is_run(world: World) -> None:
    world.keep()
    world.now += timedelta(days=1, hours=5, seconds=7)
    assert world.keep() == [at(1)]


def test_a_restart_goes_on_and_runs_nothing_twice(world: World) -> None:
    assert world.keep(2) == [at(1), at(2)]
    assert world.keep() == []
    assert world.keep(1) == [at(3)]


def test_of_what_was_missed_the_last_is_run_once(world: World) -> None:
    world.keep(1)
    world.now += timedelta(days=5, hours=1)
    assert world.keep() == [at(6)]
    assert world.keep() == []


def test_what_was_due_before_it_began_is_not_made_up_for(world: World) -> None:
    assert world.keep(0.5, every="0 3 * * *") == [at(3 / 24)]


def test_a_run_that_was_killed_is_gone_on_with_at_its_own_moment(world: World) -> None:
    world.keep()
    world.now += timedelta(days=1)
    world.fails = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        world.schedule().keep(Plan("monitoring", SimpleNamespace(name="helpdesk"), parse_timing("1d")))
    world.now += timedelta(hours=3)
    assert world.keep() == [at(1)]
    assert world.keep() == []


def test_a_run_that_was_killed_comes_before_what_is_due_since(world: World) -> None:
    world.keep()
    world.now += timedelta(days=1)
    world.fails = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        world.schedule().keep(Plan("monitoring", SimpleNamespace(name="helpdesk"), parse_timing("1d")))
    world.now += timedelta(days=4)
    assert world.keep() == [at(1), at(5)]


def test_a_run_that_is_refused_is_told_of_and_the_schedule_goes_on(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(schedule, "notify", lambda environment, event: told.append(event.text))
    world.fails = [Refused("request abc: asks for another recipe")]
    assert world.keep(2) == [at(1), at(2)]
    assert "asks for another recipe" in capsys.readouterr().err
    assert told == ["monitoring of helpdesk: request abc: asks for another recipe"]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What people are notified of."""
    found: list[str] = []
    monkeypatch.setattr(schedule, "notify", lambda environment, event: found.append(f"{event.what}: {event.text}"))
    return found


def test_whatever_goes_wrong_with_a_run_is_told_of_and_the_schedule_goes_on(
    world: World, capsys: pytest.CaptureFixture[str], told: list[str]
) -> None:
    world.fails = [OSError("the disk is gone")]
    assert world.keep(2) == [at(1), at(2)]
    assert "Traceback" in capsys.readouterr().err
    assert told == ["failed run: monitoring of helpdesk: the disk is gone"]


def test_a_clock_that_goes_back_runs_nothing_again_and_people_are_told_once(
    world: World, capsys: pytest.CaptureFixture[str], told: list[str]
) -> None:
    world.keep(3)
    world.now -= timedelta(days=1)
    assert world.keep(0.5) == []
    assert capsys.readouterr().out.count("nothing is run twice") == 1
    assert len(told) == 1
    assert told[0].startswith(f"alert: monitoring of helpdesk was run or begun at {at(3)}, and the clock is behind")
    assert world.keep(1.5) == [at(4)]


def test_a_clock_that_goes_back_before_the_beginning_runs_nothing_and_says_so(world: World, told: list[str]) -> None:
    world.keep()
    world.now -= timedelta(days=30)
    assert world.keep(2) == []
    assert "nothing runs until then" in told[0]


def test_a_clock_that_is_put_right_by_seconds_disturbs_nobody(world: World, told: list[str]) -> None:
    world.keep(1)
    world.now -= timedelta(seconds=20)
    assert (world.keep(1.5), told) == ([at(2)], [])


def test_another_interval_goes_on_from_what_was_run_last(world: World) -> None:
    assert world.keep(2) == [at(1), at(2)]
    assert world.keep(0.5, every="6h") == [at(2.25), at(2.5)]


def test_each_graph_has_a_schedule_of_its_own(world: World) -> None:
    world.keep(1)
    assert world.keep(1, graph="lifecycle") == [at(2)]
    assert len(list((Path(world.environment.state) / "schedules").glob("*.json"))) == 2


def test_two_processes_do_not_keep_one_schedule(world: World) -> None:
    plan = Plan("monitoring", SimpleNamespace(name="helpdesk"), parse_timing("1d"))
    with (
        schedule._alone(world.schedule().file_of(plan)),
        pytest.raises(Conflict, match=rf"process {os.getpid()} keeps it already"),
    ):
        world.schedule().keep(plan)
    assert world.keep(1) == [at(1)]


def test_what_it_waits_for_is_said_once_and_not_at_each_look(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.keep(1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"next: monitoring of helpdesk at {at(1)}; Ctrl-C ends this"
    assert len(lines) == len(set(lines)) == 3


KEPT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from pipelines.environment import LocalEnvironment
from pipelines.schedule import LocalSchedule, Plan
from pipelines.timing import parse_timing

folder = Path(sys.argv[1])
environment = LocalEnvironment(version=1, name="local", backend="local", store="s", state=str(folder))

def run(plan, now):
    with (folder / "runs").open("a") as runs:
        runs.write(now + "\\n")

LocalSchedule(environment, run).keep(Plan("monitoring", SimpleNamespace(name="helpdesk"), parse_timing("1s")))
"""


@pytest.mark.long
def test_killed_again_and_again_it_runs_no_moment_twice(tmp_path: Path) -> None:
    """Here a run is done once it is written down; only one that was cut off may be begun again."""
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(KEPT), str(tmp_path)])
        seen = len(_runs(tmp_path))
        try:
            while len(_runs(tmp_path)) < seen + 2 and process.poll() is None:
                time.sleep(0.05)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    (kept,) = (json.loads(path.read_text()) for path in (tmp_path / "schedules").glob("*.json"))
    runs = _runs(tmp_path)
    begun_again = len(runs) - len(set(runs))
    assert runs == sorted(runs)
    assert begun_again <= 4
    assert kept["started"] in runs or kept["started"] > runs[-1]


def _runs(folder: Path) -> list[str]:
    path: Any = folder / "runs"
    return path.read_text().splitlines() if path.exists() else []
