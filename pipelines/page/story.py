"""The story of an endpoint: window by window, how right its answers were, what drifted, what was decided and served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, NamedTuple

from components.core.decision import FOLDER, Decision, DecisionKind, payload_of
from components.core.endpoint import EndpointState, open_endpoints
from components.core.errors import SluiceError
from components.core.moment import parse_moment
from components.core.store import Store
from components.core.wilson import wilson_interval
from components.monitor.figures import Figures
from components.monitor.observe.records import comparisons, figures_of
from pipelines.environment import environment_from
from pipelines.recipe import recipe_from
from pipelines.runs import RunFolder

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 260, 56, 16, 18, 34
TOLD = (DecisionKind.RETRAIN, DecisionKind.RELEASE, DecisionKind.ROLLBACK, DecisionKind.BREAK_GLASS)
SHIFTS_TOLD = 4


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


class Event(NamedTuple):
    """Something that happened: when, what sort of thing, and a sentence about it."""

    moment: datetime
    look: str
    title: str
    said: str


@dataclass(frozen=True)
class Story:
    """What there is to tell of an endpoint, and what of it could not be read."""

    endpoint: str
    points: tuple[Point, ...]
    marks: tuple[Mark, ...]
    events: tuple[Event, ...]
    missing: tuple[str, ...] = ()
    width: ClassVar[int] = WIDTH
    height: ClassVar[int] = HEIGHT
    left: ClassVar[int] = LEFT
    right: ClassVar[int] = WIDTH - RIGHT
    bottom: ClassVar[int] = HEIGHT - BOTTOM
    top: ClassVar[int] = TOP

    def y(self, share: float) -> float:
        """Where a share between 0 and 1 is drawn."""
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)

    @property
    def line(self) -> str:
        """The way from window to window, as an SVG path."""
        known = [(point.x, point.span) for point in self.points if point.span]
        return "M" + " L".join(f"{x:g},{self.y(span.share):g}" for x, span in known) if len(known) > 1 else ""


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
    return _story(endpoint, windows, states, decisions, missing)


def _story(
    endpoint: str, windows: list[Figures], states: list[EndpointState], decisions: list[Decision], missing: list[str]
) -> Story:
    changes = [(parse_moment(state.changed), state) for state in _changes(states)]
    order = sorted([*(parse_moment(window.until) for window in windows), *(moment for moment, _ in changes)])
    room = (WIDTH - LEFT - RIGHT) / (len(order) + 1)
    x = {moment: round(LEFT + room * (index + 1), 1) for index, moment in enumerate(order)}
    retrain = {decision.issued_at: str(decision.verdict) for decision in decisions if _decides(decision)}
    points = tuple(
        Point(window, x[parse_moment(window.until)], retrain.get(parse_moment(window.until), "")) for window in windows
    )
    marks = tuple(Mark(x[moment], f"generation {state.generation}") for moment, state in changes)
    events = [*_observed(points), *(_told(decision) for decision in decisions), *_served(changes)]
    return Story(endpoint, points, marks, tuple(sorted(events)), tuple(missing))


def _windows(store: Store, endpoint: str, missing: list[str]) -> Iterator[Figures]:
    for compared in comparisons(store, endpoint):
        try:
            yield figures_of(store, compared.evidence)
        except SluiceError as error:
            missing.append(f"window {compared.until[:16]}: {error}")


def _decisions(store: Store, missing: list[str]) -> Iterator[Decision]:
    for key in store.list(FOLDER):
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
        said = f"{figures.requests:,} requests of {figures.units:,} users"
        if span:
            said += f"; {figures.quality.correct:,} of {figures.quality.labelled:,} labelled answers were right"
            said += f" ({span.share:.0%}, 95 % interval {span.low:.0%} to {span.high:.0%})"
        said += f"; drifted: {', '.join(point.drifted[:SHIFTS_TOLD])}" if point.drifted else "; nothing drifted"
        said += "".join(f". {fault.text}" for fault in figures.faults)
        yield Event(
            parse_moment(figures.until), "drifted" if point.drifted or figures.faults else "seen", "a window", said
        )


def _told(decision: Decision) -> Event:
    title = f"{decision.signer} decided: {decision.verdict}"
    if not _decides(decision):
        title += f" ({decision.kind.replace('_', ' ')})"
    return Event(decision.issued_at, str(decision.verdict), title, decision.because)


def _served(changes: list[tuple[datetime, EndpointState]]) -> Iterator[Event]:
    for moment, state in changes:
        assert state.champion
        yield Event(moment, "promoted", f"generation {state.generation}", f"{state.champion.digest[:12]}… should serve")


def story_of(run_folder: Path, store: Store) -> Story | None:
    """``read_story`` for a page that is written whatever can be read: what is damaged is told of there."""
    try:
        return read_story(RunFolder(run_folder), store)
    except SluiceError as error:
        return Story("", (), (), (), (str(error),))
