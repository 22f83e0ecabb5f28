"""Schedules: a graph is run again and again, each time at the schedule's own moment.

On this machine a scheduler in the foreground does it, and keeps what it did in a small file in the environment's
state folder. A cloud's own scheduler does it there, behind the same interface.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click
from pydantic import Field

from components.core.alone import held
from components.core.contract import Contract
from components.core.errors import Conflict, Failed, SluiceError
from components.core.moment import parse_moment
from components.core.whole_file import whole_file
from pipelines.environment import LocalEnvironment
from pipelines.notify import Event, What, notify
from pipelines.timing import Timing

if TYPE_CHECKING:
    from pipelines.recipe import RecipeBase

LOOK_AGAIN = timedelta(seconds=30)
"""Longest sleep: a clock that was set, and a machine that slept, are noticed by then."""


@dataclass(frozen=True)
class Plan:
    """What is to be run, and when."""

    graph: str
    recipe: RecipeBase
    timing: Timing


class Schedule(Protocol):
    """Has plans carried out in an environment."""

    def keep(self, plan: Plan) -> None:
        """Has the plan carried out from now on. A scheduler in the foreground returns when it is stopped."""


class Kept(Contract):
    """What a schedule did so far."""

    begun: str = Field(description="Since when it is kept; what was due before is not made up for. UTC, ISO 8601.")
    started: str = Field(default="", description="The moment that was begun last; empty for none.")
    done: str = Field(default="", description="The moment that came to an end last; empty for none.")


class LocalSchedule:
    """A scheduler in the foreground. ``carry_out`` runs a plan at a moment, to the end."""

    def __init__(
        self,
        environment: LocalEnvironment,
        carry_out: Callable[[Plan, str], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.environment, self._carry_out, self._clock, self._sleep = environment, carry_out, clock, sleep
        self._told: set[str] = set()

    def keep(self, plan: Plan) -> None:
        """Runs what is due until Ctrl-C; a moment that was missed is run once, only the last one, and none twice.

        A moment that was begun and did not end, since this process did, is gone on with first: its run is found by its
        name. Raises Conflict where another process keeps the same schedule.
        """
        path = self.file_of(plan)
        with _alone(path):
            kept = _read(path) or Kept(begun=self._now().isoformat())
            _write(path, kept)
            if kept.started != kept.done:
                kept = self._run(plan, kept, parse_moment(kept.started), path)
            while True:
                kept = self._step(plan, kept, path)

    def file_of(self, plan: Plan) -> Path:
        """Where it is written down what the schedule did."""
        folder = Path(self.environment.state) / "schedules"
        return folder / f"{self.environment.name}-{plan.recipe.name}-{plan.graph}.json"

    def _step(self, plan: Plan, kept: Kept, path: Path) -> Kept:
        """Runs what is due, or sleeps for a while."""
        now, begun = self._now(), parse_moment(kept.begun)
        due = plan.timing.latest(begun, now)
        last = parse_moment(kept.done) if kept.done else None
        if due is not None and (last is None or due > last):
            return self._run(plan, kept, due, path)
        upcoming = plan.timing.upcoming(begun, max(now, last or now))
        self._tell(f"next: {plan.graph} of {plan.recipe.name} at {upcoming.isoformat()}; Ctrl-C ends this")
        self._look_at_the_clock(plan, now, max(begun, last or begun), path)
        self._sleep(min(upcoming - now, LOOK_AGAIN).total_seconds())
        return kept

    def _run(self, plan: Plan, kept: Kept, moment: datetime, path: Path) -> Kept:
        """One run; what goes wrong with it is told, and the schedule goes on."""
        kept = kept.model_copy(update={"started": moment.isoformat()})
        _write(path, kept)
        self._told.clear()
        self._tell(f"{kept.started}: {plan.graph} of {plan.recipe.name}")
        try:
            self._carry_out(plan, kept.started)
        except Exception as error:  # noqa: BLE001 - a monitor that has ended looks like one that sees nothing
            if not isinstance(error, SluiceError):
                traceback.print_exc()
            click.echo(f"{kept.started}: {error}", err=True)
            text = f"{plan.graph} of {plan.recipe.name}: {error}"
            notify(self.environment, Event(What.FAILED, text, f"{plan.graph} at {kept.started}"))
        kept = kept.model_copy(update={"done": kept.started})
        _write(path, kept)
        return kept

    def _look_at_the_clock(self, plan: Plan, now: datetime, last: datetime, path: Path) -> None:
        """Tells people of a clock that was set back: nothing runs before it is where it was, and that may be years."""
        if last - now <= LOOK_AGAIN:
            return
        text = (
            f"{plan.graph} of {plan.recipe.name} was run or begun at {last.isoformat()}, and the clock is behind that:"
            f" nothing is run twice, and nothing runs until then; if that was a mistake of the clock's, remove {path}"
        )
        if self._tell(text):
            notify(self.environment, Event(What.ALERT, text, f"schedule of {plan.graph}"))

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)

    def _tell(self, line: str) -> bool:
        """Says something once, not each time that the clock is looked at; whether it was said now."""
        if line in self._told:
            return False
        click.echo(line)
        self._told.add(line)
        return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds the schedule for this process."""

    def taken(holder: str) -> Conflict:
        return Conflict(f"schedule {path.stem}: process {holder} keeps it already; end that one first")

    with ExitStack() as stack:
        try:
            stack.enter_context(held(path.with_suffix(".lock"), taken))
        except OSError as error:
            raise Failed(f"schedule {path}: cannot be kept: {error.strerror}; see who may write there") from error
        yield


def _read(path: Path) -> Kept | None:
    return Kept.read(path.read_bytes(), str(path)) if path.exists() else None


def _write(path: Path, kept: Kept) -> None:
    try:
        with whole_file(path) as part:
            part.write_bytes(kept.to_bytes())
    except OSError as error:
        raise Failed(f"schedule {path}: cannot be written: {error.strerror}; free some space") from error
