"""The ways of a graph's lines: round the steps, through the spaces between their lines and columns.

A way is a chain of uprights and runs: up or down from a step (a port) or through a space between columns (a lane),
along a space between lines (a gutter) in a track of its own, and so on. Lines cross, but no two lie on one another
and none passes behind a step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipelines.page.formats import Format

TRACK = 10.0
"""Between two lines that run beside each other, in pixels."""
ROUND = 8.0


@dataclass(frozen=True)
class Spot:
    """Where a step stands: line and column, and its place in the stack of those that share them."""

    line: int
    column: int
    place: int = 0
    stack: int = 1


@dataclass
class Way:
    """A line's way: gutters[i] leads from uprights[i] to uprights[i + 1].

    Gutter g lies above line g. Uprights are known by their x; ``beside`` tells whether the first leaves its step at
    the side and whether the last reaches its step there.
    """

    source: Spot
    target: Spot
    gutters: list[int]
    uprights: list[float] = field(default_factory=list)
    beside: tuple[bool, bool] = (False, False)
    tracks: list[int] = field(default_factory=list)
    sides: list[float] = field(default_factory=lambda: [0.5, 0.5])  # how far down a side it leaves and arrives

    @property
    def arc(self) -> bool:
        """Whether it leads along one line, above or below the steps between."""
        return self.source.line == self.target.line

    @property
    def below(self) -> bool:
        """Whether it is an arc below its line."""
        return self.arc and self.gutters[0] > self.source.line


@dataclass(frozen=True)
class Routes:
    """The ways by name of the line, and how many tracks each gutter holds."""

    ways: dict[tuple[str, str], Way]
    tracks: dict[int, int]


def route(spots: dict[str, Spot], edges: Iterable[tuple[str, str]], shape: Format) -> Routes:
    """Ways for the lines between steps that do not stand next to each other; one that leads backwards has none."""
    ways = {(source, target): _way(spots[source], spots[target], shape) for source, target in edges}
    _balance(list(ways.values()))
    _set_ports(ways, shape)
    _set_sides(ways)
    _set_lanes(list(ways.values()), shape)
    return Routes(ways, _set_tracks(list(ways.values())))


def next_to(source: Spot, target: Spot) -> bool:
    """Whether a straight line from one to the other passes nothing."""
    return source.line == target.line and target.column == source.column + 1


def left_of(column: int, shape: Format) -> float:
    """The x of a column's left edge."""
    return shape.margin + column * (shape.node_width + shape.gap)


def _way(source: Spot, target: Spot, shape: Format) -> Way:
    if source.line == target.line:
        beside = (source.place > 0, target.place > 0)
        return Way(source, target, [source.line], beside=beside)
    first, last = source.line + 1, target.line
    if last == first and source.column == shape.columns - 1 and target.column == 0:
        return Way(source, target, [first], beside=(True, True))
    beside = (source.place < source.stack - 1, target.place > 0)
    return Way(source, target, [first] if last == first else [first, last], beside=beside)


def _balance(ways: Sequence[Way]) -> None:
    """Arcs go above or below their line, where there is less; stacked steps are open above only at their first."""
    load: defaultdict[int, int] = defaultdict(int)
    for way in ways:
        for gutter in way.gutters if not way.arc else []:
            load[gutter] += 1
    for way in ways:
        if way.arc:
            line = way.source.line
            single = way.source.stack == way.target.stack == 1
            way.gutters = [line + 1 if single and load[line + 1] < load[line] else line]
            load[way.gutters[0]] += 1


def _set_ports(ways: dict[tuple[str, str], Way], shape: Format) -> None:
    """Gives every end at the top or bottom of a step a place of its own, in an order in which few lines cross."""
    ends: defaultdict[tuple[str, bool], list[tuple[float, Way, int]]] = defaultdict(list)
    for (source, target), way in ways.items():
        way.uprights = [0.0] * (len(way.gutters) + 1)
        turn = -1 if way.arc else 1
        at_bottom = (way.below or not way.arc, way.below)
        for end, (name, other) in enumerate(((source, way.target), (target, way.source))):
            if not way.beside[end]:
                ends[name, at_bottom[end]].append((turn * other.column, way, -end))
    for here in ends.values():
        here.sort(key=lambda end: (end[0], end[1].source.line, end[1].target.line))
        for place, (_, way, end) in enumerate(here):
            spot = way.target if end else way.source
            way.uprights[end] = left_of(spot.column, shape) + shape.node_width * (place + 1) / (len(here) + 1)


def _set_sides(ways: dict[tuple[str, str], Way]) -> None:
    """Gives every end at the side of a step a height of its own; the middle stays for the line to the next step."""
    ends: defaultdict[tuple[str, int], list[tuple[Way, int]]] = defaultdict(list)
    for names, way in ways.items():
        for end in (0, 1):
            if way.beside[end]:
                ends[names[end], end].append((way, end))
    for here in ends.values():
        here.sort(key=lambda one: (one[0].gutters[-one[1]], one[0].source.column, one[0].target.column))
        for place, (way, end) in enumerate(here):
            way.sides[end] = (place + 1) / (len(here) + 1)


def _set_lanes(ways: Sequence[Way], shape: Format) -> None:
    """Gives every upright that is no port a lane in a space between columns; lanes that meet lie apart."""
    wanted: defaultdict[int, list[tuple[int, int, Way, int]]] = defaultdict(list)
    for way in ways:
        last = len(way.gutters)
        if way.beside[0]:
            stretch = sorted((2 * way.source.line + 1, 2 * way.gutters[0]))
            wanted[way.source.column + 1].append((stretch[0], stretch[1], way, 0))
        if way.beside[1]:
            stretch = sorted((2 * way.target.line + 1, 2 * way.gutters[-1]))
            wanted[way.target.column].append((stretch[0], stretch[1], way, last))
        if last == 2:
            wanted[_space(way, shape)].append((2 * way.gutters[0], 2 * way.gutters[1], way, 1))
    for space, stretches in wanted.items():
        stretches.sort(key=lambda stretch: stretch[:2])
        lanes = _apart([(start, end) for start, end, _, _ in stretches])
        left, width = _extent(space, shape)
        for lane, (_, _, way, upright) in zip(lanes, stretches, strict=True):
            way.uprights[upright] = left + width * (lane + 1) / (max(lanes) + 2)


def _space(way: Way, shape: Format) -> int:
    """The space between columns through which a way passes lines: beside its target, on the source's side."""
    before = way.source.column < way.target.column or way.target.column == shape.columns - 1
    return way.target.column if before and way.target.column else way.target.column + 1


def _extent(space: int, shape: Format) -> tuple[float, float]:
    if space == 0:
        return 0.0, shape.margin
    left = left_of(space, shape) - shape.gap
    return left, shape.gap if space < shape.columns else shape.margin


def _set_tracks(ways: Sequence[Way]) -> dict[int, int]:
    """Gives every run a track in its gutter, in an order in which few lines cross."""
    runs: defaultdict[int, list[tuple[Way, int]]] = defaultdict(list)
    for way in ways:
        way.tracks = [0] * len(way.gutters)
        for run, gutter in enumerate(way.gutters):
            if way.uprights[run] != way.uprights[run + 1]:
                runs[gutter].append((way, run))
    for here in runs.values():
        here.sort(key=lambda run: _rank(*run))
        taken = _apart([_span(*run) for run in here], in_order=True)
        for track, (way, run) in zip(taken, here, strict=True):
            way.tracks[run] = track
    return {gutter: 1 + max(way.tracks[run] for way, run in here) for gutter, here in runs.items()}


def _span(way: Way, run: int) -> tuple[float, float]:
    start, end = sorted(way.uprights[run : run + 2])
    return start, end


def _rank(way: Way, run: int) -> tuple[float, ...]:
    """From the top of a gutter: arcs of the line above, lines that come down, arcs of the line below."""
    start, end = way.uprights[run], way.uprights[run + 1]
    if way.arc:
        return (0, abs(end - start)) if way.below else (3, -abs(end - start))
    if all(way.beside):
        return (2, 0)
    return (1, -start if end > start else start)


def _apart(stretches: Sequence[tuple[float, float]], in_order: bool = False) -> list[int]:
    """The lowest place for each stretch in which it meets none before it; in order, none below one that it meets."""
    places: list[int] = []
    for index, (start, end) in enumerate(stretches):
        meets = [places[other] for other in range(index) if stretches[other][0] <= end and start <= stretches[other][1]]
        free = (place for place in range(len(stretches)) if place not in meets)
        places.append(max(meets, default=-1) + 1 if in_order else next(free))
    return places


def drawn(points: Sequence[tuple[float, float]]) -> str:
    """A path through points, upright and level in turn, with round corners."""
    kept = [point for index, point in enumerate(points) if index == 0 or point != points[index - 1]]
    path = f"M{kept[0][0]:g},{kept[0][1]:g}"
    for before, at, after in zip(kept, kept[1:], kept[2:], strict=False):
        r = min(ROUND, _length(before, at) / 2, _length(at, after) / 2)
        start, end = _towards(at, before, r), _towards(at, after, r)
        path += f" L{start[0]:.4g},{start[1]:.4g} Q{at[0]:.4g},{at[1]:.4g} {end[0]:.4g},{end[1]:.4g}"
    return f"{path} L{kept[-1][0]:.4g},{kept[-1][1]:.4g}"


def _length(one: tuple[float, float], other: tuple[float, float]) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(point: tuple[float, float], other: tuple[float, float], distance: float) -> tuple[float, float]:
    share = distance / (_length(point, other) or 1)
    return point[0] + share * (other[0] - point[0]), point[1] + share * (other[1] - point[1])
