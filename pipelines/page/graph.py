"""The drawing of a graph: steps in layers from left to right, wrapped like lines of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.core.run import StepRun
from pipelines.page.formats import Format
from pipelines.page.routes import TRACK, Routes, Spot, drawn, left_of, next_to, route

AROUND = 34.0
"""Of a gutter above and below its tracks together, in pixels."""
BEFORE = 3.0
"""Of an arrow before its step, in pixels."""


@dataclass(frozen=True)
class Node:
    """A step at its place."""

    step: StepRun
    x: float
    y: float
    line: int
    column: int


@dataclass(frozen=True)
class Bands:
    """From top to bottom: where each line begins, the middle of the gutter above each and below the last."""

    tops: list[float]
    middles: list[float]
    height: float


@dataclass(frozen=True)
class Edge:
    """A line between two steps; one that other lines imply is minor."""

    source: str
    target: str
    path: str
    minor: bool


@dataclass(frozen=True)
class Drawing:
    """A graph laid out in one format."""

    format: Format
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def has_minor(self) -> bool:
        """Whether a line is dashed, which wants a word."""
        return any(edge.minor for edge in self.edges)


def draw(steps: Sequence[StepRun], shape: Format) -> Drawing:
    """Lays a graph out by what each step waits for; steps that do not exist are not waited for.

    A line that leads backwards, as in a circle, is not drawn.
    """
    depth = _depths(steps)
    spots = _spots(layers(steps), shape)
    edges = [
        (source, step.name)
        for step in steps
        for source in step.after
        if source in spots and depth[source] < depth[step.name]
    ]
    far = [edge for edge in edges if not next_to(spots[edge[0]], spots[edge[1]])]
    routes = route(spots, far, shape)
    bands = _bands(spots, routes, shape)
    nodes = {step.name: _node(step, spots[step.name], bands, shape) for step in steps}
    implied = _implied(steps)
    lines = [Edge(*edge, _path(edge, nodes, routes, bands, shape), edge in implied) for edge in edges]
    return Drawing(shape, bands.height, tuple(nodes.values()), tuple(sorted(lines, key=lambda edge: not edge.minor)))


def layers(steps: Sequence[StepRun]) -> list[list[StepRun]]:
    """The steps by the longest way to them from a step that waits for nothing."""
    depth = _depths(steps)
    by_depth: defaultdict[int, list[StepRun]] = defaultdict(list)
    for step in steps:
        by_depth[depth[step.name]].append(step)
    return [by_depth[index] for index in sorted(by_depth)]


def _depths(steps: Sequence[StepRun]) -> dict[str, int]:
    """Repeats until nothing moves, and at most once a step: a circle, which no graph has, would not hang the page."""
    depth = {step.name: 0 for step in steps}
    for _ in steps:
        moved = False
        for step in steps:
            wanted = max((depth[name] + 1 for name in step.after if name in depth), default=0)
            if wanted > depth[step.name]:
                depth[step.name], moved = wanted, True
        if not moved:
            break
    return depth


def _implied(steps: Iterable[StepRun]) -> set[tuple[str, str]]:
    """The dependencies that follow from others: a waits for b, b for c, so that a waits for c says nothing new."""
    waits = {step.name: set(step.after) for step in steps}
    return {
        (early, name)
        for name, before in waits.items()
        for early in before
        if any(early in _all_before(other, waits) for other in before if other != early)
    }


def _all_before(name: str, waits: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    open_ = [name]
    while open_:
        for before in waits.get(open_.pop(), set()) - found:
            found.add(before)
            open_.append(before)
    return found


def _spots(columns: list[list[StepRun]], shape: Format) -> dict[str, Spot]:
    return {
        step.name: Spot(*divmod(index, shape.columns), place, len(stack))
        for index, stack in enumerate(columns)
        for place, step in enumerate(stack)
    }


def _bands(spots: dict[str, Spot], routes: Routes, shape: Format) -> Bands:
    """Stacks lines and gutters; a gutter is as high as its tracks want."""
    lines = 1 + max((spot.line for spot in spots.values()), default=-1)
    tops, middles, y = [], [], 0.0
    for index in range(lines + 1):
        least = shape.line_gap / 2 if index in (0, lines) else shape.line_gap
        high = max(least, AROUND + (routes.tracks.get(index, 0) - 1) * TRACK)
        middles.append(y + high / 2)
        y += high
        if index < lines:
            tops.append(y)
            deepest = max(spot.stack for spot in spots.values() if spot.line == index)
            y += deepest * shape.node_height + (deepest - 1) * shape.stack_gap
    return Bands(tops, middles, y)


def _node(step: StepRun, spot: Spot, bands: Bands, shape: Format) -> Node:
    y = bands.tops[spot.line] + spot.place * (shape.node_height + shape.stack_gap)
    return Node(step, left_of(spot.column, shape), y, spot.line, spot.column)


def _path(edge: tuple[str, str], nodes: dict[str, Node], routes: Routes, bands: Bands, shape: Format) -> str:
    source, target = nodes[edge[0]], nodes[edge[1]]
    way = routes.ways.get(edge)
    if way is None:
        return _across(source, target, shape)
    levels = [
        bands.middles[gutter] + (track - (routes.tracks.get(gutter, 1) - 1) / 2) * TRACK
        for gutter, track in zip(way.gutters, way.tracks, strict=True)
    ]
    uprights, below = way.uprights, way.below
    points = [(x, y) for run, y in enumerate(levels) for x in uprights[run : run + 2]]
    if way.beside[0]:
        at = source.y + shape.node_height * way.sides[0]
        start = [(source.x + shape.node_width, at), (uprights[0], at)]
    else:
        start = [(uprights[0], source.y + (shape.node_height if below or not way.arc else 0))]
    if way.beside[1]:
        at = target.y + shape.node_height * way.sides[1]
        end = [(uprights[-1], at), (target.x - BEFORE, at)]
    else:
        end = [(uprights[-1], target.y + shape.node_height + BEFORE if below else target.y - BEFORE)]
    return drawn([*start, *points, *end])


def _across(source: Node, target: Node, shape: Format) -> str:
    x1, y1 = source.x + shape.node_width, source.y + shape.node_height / 2
    x2, y2 = target.x - BEFORE, target.y + shape.node_height / 2
    middle = (x1 + x2) / 2
    return f"M{x1:g},{y1:g} C{middle:g},{y1:g} {middle:g},{y2:g} {x2:g},{y2:g}"
