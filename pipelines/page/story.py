"""The story of an endpoint: window by window, how right its answers were, what drifted, what was decided and served."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from components.core.decision import FOLDER, Decision, DecisionKind, payload_of
from components.core.endpoint import EndpointState, open_endpoints
from components.core.errors import SluiceError
from components.core.moment import parse_moment
from components.core.run import Run
from components.core.store import Store
from components.core.whole_file import SUFFIX
from components.core.wilson import wilson_interval
from components.core.wording import counted
from components.monitor.describe.features import meaning
from components.monitor.figures import Figures
from components.monitor.observe.records import MOST_WINDOWS, comparisons, figures_of
from pipelines.environment import environment_from
from pipelines.recipe import recipe_from
from pipelines.runs import RunFolder, Runs

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 344, 72, 48, 34, 66
TOLD = (DecisionKind.RETRAIN, DecisionKind.RELEASE, DecisionKind.ROLLBACK, DecisionKind.BREAK_GLASS)
SHIFTS_TOLD = 4
LAST_EVENTS = 12
"""Events that are told of at once; those before are folded away."""
MOST_DECISIONS = 2_000
"""Decisions that are read, the newest by the store's clock: the page of a run must not take longer each week."""
MOST_RUNS = 500
"""Runs that are looked through for those that the story tells of, the newest, for the same reason."""
NO_MOMENTS = re.compile(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d(:\d\d)?")
"""What differs between two windows of which the same is said."""
SHARES, GENERATIONS = {"": 110.0, "spare": 62.0}, {"": 190.0, "spare": 88.0}
"""How far apart labels are, in units of the drawing: on a phone they are larger, and the spare ones are hidden."""
CAP, OFF = 8.0, 6.0
"""Half the width of an interval's ends, and how far what stands beside an interval keeps off it."""
LETTERS = {"": (84.0, 24.0), "spare": (42.0, 13.0)}
"""How wide and high a share in words is at most: on a phone where it is shown there."""
FAR = 60.0
"""A share in words that finds room no nearer to its dot would be read as another's: it is left to the list below."""


class Span(NamedTuple):
    """A share with its 95 % interval (Wilson 1927), all between 0 and 1."""

    low: float
    share: float
    high: float


@dataclass(frozen=True)
class Point:
    """A window in the drawing."""

    figures: Figures
    x: float
    verdict: str = ""
    label: str | None = None
    """The class of its label: ``spare`` where there is room on a wide screen only, None where there is none at all."""
    run: str = ""
    """The run that decided about it, where that has a page."""

    @property
    def span(self) -> Span | None:
        """How many labelled answers were right; None where nobody said anything."""
        correct, labelled = self.figures.quality.correct, self.figures.quality.labelled
        if not labelled:
            return None
        low, high = wilson_interval(correct, labelled)
        return Span(low, correct / labelled, high)

    @property
    def drifted(self) -> list[str]:
        """The features that drifted, the strongest first."""
        found = sorted((shift for shift in self.figures.shifts if shift.drifted), key=lambda shift: -shift.effect)
        return list(dict.fromkeys(shift.feature for shift in found))


class Mark(NamedTuple):
    """A change of what should serve, in the drawing."""

    x: float
    text: str
    label: str | None = None


class Label(NamedTuple):
    """A share in words, in the drawing."""

    x: float
    y: float
    look: str
    text: str


class Event(NamedTuple):
    """Something that happened: when, what sort of thing, and a sentence about it."""

    moment: datetime
    look: str
    title: str
    said: str
    run: str = ""
    """The run that it happened in, where that has a page; of several, the last that has one."""
    times: int = 1
    last: datetime | None = None
    """When it happened for the last time, where it did so more often than once in a row."""


@dataclass(frozen=True)
class Story:
    """What there is to tell of an endpoint, and what of it could not be read."""

    endpoint: str
    points: tuple[Point, ...]
    marks: tuple[Mark, ...]
    events: tuple[Event, ...]
    missing: tuple[str, ...] = ()
    begins: str = ""
    """The end of the first window that is told of, where earlier ones are not; UTC, ISO 8601."""
    width: ClassVar[int] = WIDTH
    height: ClassVar[int] = HEIGHT
    left: ClassVar[int] = LEFT
    right: ClassVar[int] = WIDTH - RIGHT
    bottom: ClassVar[int] = HEIGHT - BOTTOM
    top: ClassVar[int] = TOP
    off: ClassVar[float] = OFF

    def y(self, share: float) -> float:
        """Where a share between 0 and 1 is drawn."""
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)

    @property
    def parts(self) -> tuple[tuple[Event, ...], tuple[Event, ...]]:
        """What happened before the last ``LAST_EVENTS``, and these."""
        return self.events[:-LAST_EVENTS], self.events[-LAST_EVENTS:]

    @property
    def cap(self) -> float:
        """Half the width of an interval's ends: neighbours keep apart."""
        return round(min(CAP, 0.4 * (WIDTH - LEFT - RIGHT) / (len(self.points) + len(self.marks) + 1)), 1)

    @property
    def _known(self) -> list[tuple[float, Span, str | None]]:
        """The windows of which somebody said something: place, share, class of the label."""
        return [(point.x, point.span, point.label) for point in self.points if point.span]

    @property
    def line(self) -> str:
        """The way from window to window, as an SVG path."""
        known = [(x, span) for x, span, _ in self._known]
        return "M" + " L".join(f"{x:g},{self.y(span.share):g}" for x, span in known) if len(known) > 1 else ""

    @property
    def labels(self) -> Iterator[Label]:
        """The shares in words, each to the right of its dot, where neither line nor interval crosses it."""
        for x, span, look in self._known:
            if look is None:
                continue
            (width, height), beside = LETTERS[look], x + self.cap + 2 * OFF
            taken = list(self._drawn(beside, beside + width))
            dot = self.y(span.share)
            above, under = min([dot, *taken]) - OFF, max([dot, *taken]) + OFF
            fits = above - height >= 0, under <= self.bottom + OFF
            y, side = (under, " under") if fits[1] and (not fits[0] or under - dot < dot - above) else (above, "")
            if abs(y - dot) <= FAR:
                yield Label(beside, round(y, 1), f"{look}{side}".strip(), f"{100 * span.share:.0f} %")

    def _drawn(self, left: float, right: float) -> Iterator[float]:
        """How high line and intervals are drawn between two places."""
        for (x0, one, _), (x1, other, _) in pairwise(self._known):
            for x in (left, right):
                if x0 <= x <= x1:
                    yield self.y(one.share + (other.share - one.share) * (x - x0) / (x1 - x0))
        for x, span, _ in self._known:
            if left <= x + self.cap + OFF and x - self.cap - OFF <= right:
                yield self.y(span.low) + OFF
                yield self.y(span.high) - OFF


def read_story(folder: RunFolder, store: Store) -> Story | None:
    """The story of the endpoint that a run of monitoring watches; None where no window was compared yet."""
    launch = folder.launch()
    environment, recipe = environment_from(launch.environment), recipe_from(launch.recipe)
    missing: list[str] = []
    endpoint = recipe.served_at
    windows = list(_windows(store, endpoint, missing))
    if not windows:
        return None
    states = list(open_endpoints(environment.endpoints).history(endpoint)) if environment.endpoints else []
    decisions = [decision for decision in _decisions(store, missing) if _is_about(decision, endpoint, environment.name)]
    return _story(endpoint, windows, states, decisions, missing, _signed_in(folder))


def _signed_in(folder: RunFolder) -> dict[str, str]:
    """By its id, the run that a decision was signed in, of those that lie beside this one and have a page."""
    beside = islice(Runs(folder.path.parent).records(), MOST_RUNS)
    # A worker writes its page after its run has ended: while it lives, there will be one.
    with_page = [
        run
        for other, run in beside
        if isinstance(run, Run) and other.run != folder.run and (other.alive() or other.page.exists())
    ]
    # The newest come first: where the same was done again, the run that did the work is told of.
    return {decision: run.run for run in with_page for decision in run.decisions}


def _story(
    endpoint: str,
    windows: list[Figures],
    states: list[EndpointState],
    decisions: list[Decision],
    missing: list[str],
    signed_in: Mapping[str, str] = MappingProxyType({}),
) -> Story:
    begins = windows[0].until if len(windows) == MOST_WINDOWS else ""
    changes = [(parse_moment(state.changed), state) for state in _changes(states)]
    if begins:
        changes = [(moment, state) for moment, state in changes if moment >= parse_moment(begins)]
        decisions = [decision for decision in decisions if decision.issued_at >= parse_moment(begins)]
    order = sorted([*(parse_moment(window.until) for window in windows), *(moment for moment, _ in changes)])
    room = (WIDTH - LEFT - RIGHT) / (len(order) + 1)
    x = {moment: round(LEFT + room * (index + 1), 1) for index, moment in enumerate(order)}
    about = {decision.issued_at: decision for decision in decisions if _decides(decision)}
    ends = [(window, parse_moment(window.until)) for window in windows]
    labels = labelled((x[end] for window, end in ends if window.quality.labelled), SHARES)
    points = tuple(_point(window, x[end], about.get(end), labels.get(x[end]), signed_in) for window, end in ends)
    named = labelled((x[moment] for moment, _ in changes), GENERATIONS)
    marks = tuple(Mark(x[moment], f"generation {state.generation}", named.get(x[moment])) for moment, state in changes)
    events = [
        *_observed(points),
        *(_told(decision, signed_in) for decision in decisions),
        *_served(changes, {decision.id: decision.issued_at for decision in decisions}, signed_in),
    ]
    return Story(endpoint, points, marks, tuple(together(sorted(events, key=_order))), tuple(missing), begins)


def _point(
    window: Figures, x: float, decision: Decision | None, label: str | None, signed_in: Mapping[str, str]
) -> Point:
    if decision is None:
        return Point(window, x, label=label)
    return Point(window, x, str(decision.verdict), label, signed_in.get(decision.id, ""))


def labelled(places: Iterable[float], rooms: Mapping[str, float]) -> dict[float, str]:
    """Which places have room for a label, and its class; the last one first, for it is looked at most."""
    found: dict[float, str] = {}
    ordered = sorted(places, reverse=True)
    for name, room in rooms.items():
        for x in ordered:
            if all(abs(x - other) >= room for other in found):
                found[x] = name
    return found


def together(events: Iterable[Event]) -> Iterator[Event]:
    """What was said again and again, with nothing else of its sort said and nothing changed between, once."""
    told: list[Event] = []
    last: dict[str, int] = {}
    for event in events:
        sort = event.title.partition(":")[0]
        before = last.get(sort)
        if before is not None and _same(told[before], event):
            one = told[before]
            told[before] = one._replace(
                times=one.times + 1, last=event.moment, said=event.said, run=event.run or one.run
            )
            continue
        if event.look == "promoted":
            last.clear()
        last[sort] = len(told)
        told.append(event)
    yield from told


def _same(one: Event, other: Event) -> bool:
    return (one.look, one.title) == (other.look, other.title) and (
        NO_MOMENTS.sub("", one.said) == NO_MOMENTS.sub("", other.said)
    )


def _order(event: Event) -> tuple[datetime, bool, str, str]:
    """By moment; of one moment, what was decided stands before what serves on it."""
    return event.moment, event.look == "promoted", event.title, event.said


def _windows(store: Store, endpoint: str, missing: list[str]) -> Iterator[Figures]:
    damaged: dict[str, str] = {}
    for compared in comparisons(store, endpoint, damaged, last=MOST_WINDOWS):
        try:
            yield figures_of(store, compared.evidence)
        except SluiceError as error:
            missing.append(f"window {compared.until[:16]}: {error}")
    missing += damaged.values()


def _decisions(store: Store, missing: list[str]) -> Iterator[Decision]:
    entries = sorted(store.entries(FOLDER), key=lambda entry: entry.modified)[-MOST_DECISIONS:]
    for key in sorted(entry.key for entry in entries if not entry.key.endswith(SUFFIX)):
        try:
            yield Decision.from_statement(payload_of(store.read(key), key), key)
        except SluiceError as error:
            missing.append(f"{key}: {error}")


def _is_about(decision: Decision, endpoint: str, environment: str) -> bool:
    return (decision.endpoint, decision.environment) == (endpoint, environment) and decision.kind in TOLD


def _decides(decision: Decision) -> bool:
    return decision.kind is DecisionKind.RETRAIN


def _changes(states: list[EndpointState]) -> Iterator[EndpointState]:
    """The generations that let another model serve; a freeze does not."""
    for before, state in zip((None, *states), states, strict=False):
        if state.champion and (before is None or before.champion != state.champion):
            yield state


def _observed(points: tuple[Point, ...]) -> Iterator[Event]:
    for point in points:
        figures, span = point.figures, point.span
        said = f"{counted(figures.requests, 'request')} of {counted(figures.units, 'user')}"
        if span:
            said += f"; {figures.quality.correct:,} of {figures.quality.labelled:,} labelled answers were right"
            said += f" ({span.share:.0%}, 95 % interval {span.low:.0%} to {span.high:.0%})"
        said += f"; {_drift(point)}." + "".join(f" {fault.text}" for fault in figures.faults)
        look = "drifted" if point.drifted or figures.faults else "seen"
        yield Event(parse_moment(figures.until), look, "a window", said, point.run)


def _drift(point: Point) -> str:
    more = f" and {len(point.drifted) - SHIFTS_TOLD} more" if len(point.drifted) > SHIFTS_TOLD else ""
    if point.drifted:
        return f"drifted: {', '.join(_explained(name) for name in point.drifted[:SHIFTS_TOLD])}{more}"
    return "nothing drifted" if point.figures.shifts else "nothing was compared"


def _explained(feature: str) -> str:
    means = meaning(feature)
    return f"`{feature}` ({means})" if means else f"`{feature}`"


def _told(decision: Decision, signed_in: Mapping[str, str]) -> Event:
    title = f"{decision.signer} decided: {decision.verdict}"
    if not _decides(decision):
        title += f" ({decision.kind.replace('_', ' ')})"
    said = f"{decision.because}." if decision.because else ""
    return Event(decision.issued_at, str(decision.verdict), title, said, signed_in.get(decision.id, ""))


def _served(
    changes: list[tuple[datetime, EndpointState]], issued: Mapping[str, datetime], signed_in: Mapping[str, str]
) -> Iterator[Event]:
    for changed, state in changes:
        assert state.champion
        # A record keeps fewer digits of its moment than the decision that it follows from.
        moment = max(changed, issued.get(state.decision, changed))
        said, run = f"{state.champion.digest[:12]}… should serve", signed_in.get(state.decision, "")
        yield Event(moment, "promoted", f"generation {state.generation}", said, run)


def story_of(run_folder: Path, store: Store) -> Story | None:
    """``read_story`` for a page that is written whatever can be read: what is damaged is told of there."""
    try:
        return read_story(RunFolder(run_folder), store)
    except SluiceError as error:
        return Story("", (), (), (), (str(error),))
