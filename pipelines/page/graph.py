"""The drawing of a graph: steps in layers from left to right, wrapped like lines of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.core.run import StepRun


@dataclass(frozen=True)
class Format:
    """How wide a drawing is: the columns before it wraps, and its measures in pixels."""

    name: str
    columns: int
    node_width: float
    gap: float
    node_height: float = 60
    line_gap: float = 46
    stack_gap: float = 16
    margin: float = 22
    text_at: float = 40
    letter: float = 8.4

    @property
    def width(self) -> float:
        """The drawing's width."""
        return self.columns * self.node_width + (self.columns - 1) * self.gap + 2 * self.margin

    @property
    def letters(self) -> int:
        """How many letters of a title fit into a node."""
        return int((self.node_width - self.text_at - 6) / self.letter)


FORMATS = (
    Format("wide", columns=5, node_width=176, gap=49),
    Format("middle", columns=3, node_width=176, gap=44),
    Format("narrow", columns=2, node_width=150, gap=22, margin=14, text_at=33, letter=7.6),
)


@dataclass(frozen=True)
class Node:
    """A step at its place."""

    step: StepRun
    x: float
    y: float
    line: int
    column: int


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


def draw(steps: Sequence[StepRun], shape: Format) -> Drawing:
    """Lays a graph out by what each step waits for; steps that do not exist are not waited for."""
    nodes, height = _place(layers(steps), shape)
    implied = _implied(steps)
    edges = [
        Edge(source, step.name, _path(nodes[source], nodes[step.name], shape), (source, step.name) in implied)
        for step in steps
        for source in step.after
        if source in nodes
    ]
    return Drawing(shape, height, tuple(nodes.values()), tuple(sorted(edges, key=lambda edge: not edge.minor)))


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


def _place(columns: list[list[StepRun]], shape: Format) -> tuple[dict[str, Node], float]:
    nodes: dict[str, Node] = {}
    top = shape.line_gap / 2
    for line, start in enumerate(range(0, len(columns), shape.columns)):
        here = columns[start : start + shape.columns]
        for column, stack in enumerate(here):
            for place, step in enumerate(stack):
                x = shape.margin + column * (shape.node_width + shape.gap)
                y = top + place * (shape.node_height + shape.stack_gap)
                nodes[step.name] = Node(step, x, y, line, column)
        deepest = max(len(stack) for stack in here)
        top += deepest * shape.node_height + (deepest - 1) * shape.stack_gap + shape.line_gap
    return nodes, top - shape.line_gap / 2


def _path(source: Node, target: Node, shape: Format) -> str:
    if source.line == target.line and target.column == source.column + 1:
        return _across(source, target, shape)
    if source.line == target.line:
        return _over(source, target, shape)
    if target.line == source.line + 1 and target.column == 0 and source.column == shape.columns - 1:
        return _wrapped(source, target, shape)
    return _down(source, target, shape)


def _across(source: Node, target: Node, shape: Format) -> str:
    x1, y1 = source.x + shape.node_width, source.y + shape.node_height / 2
    x2, y2 = target.x - 3, target.y + shape.node_height / 2
    middle = (x1 + x2) / 2
    return f"M{x1:g},{y1:g} C{middle:g},{y1:g} {middle:g},{y2:g} {x2:g},{y2:g}"


def _over(source: Node, target: Node, shape: Format) -> str:
    """An arc above the steps between."""
    x1, x2 = source.x + 0.7 * shape.node_width, target.x + 0.3 * shape.node_width
    high = min(source.y, target.y) - 0.42 * shape.line_gap
    return f"M{x1:g},{source.y:g} C{x1 + 14:g},{high:g} {x2 - 14:g},{high:g} {x2:g},{target.y - 3:g}"


def _wrapped(source: Node, target: Node, shape: Format) -> str:
    """From the end of a line to the beginning of the next, through the space between."""
    x1, y1 = source.x + shape.node_width, source.y + shape.node_height / 2
    x2, y2 = target.x - 3, target.y + shape.node_height / 2
    right, left, between, r = x1 + 12, target.x - 14, target.y - shape.line_gap / 2, 9
    return (
        f"M{x1:g},{y1:g} H{right - r:g} Q{right:g},{y1:g} {right:g},{y1 + r:g} V{between - r:g}"
        f" Q{right:g},{between:g} {right - r:g},{between:g} H{left + r:g}"
        f" Q{left:g},{between:g} {left:g},{between + r:g} V{y2 - r:g} Q{left:g},{y2:g} {left + r:g},{y2:g} H{x2:g}"
    )


def _down(source: Node, target: Node, shape: Format) -> str:
    x1, y1 = source.x + shape.node_width / 2, source.y + shape.node_height
    x2, y2 = target.x + shape.node_width / 2, target.y - 3
    bend = max(18.0, (y2 - y1) / 2)
    return f"M{x1:g},{y1:g} C{x1:g},{y1 + bend:g} {x2:g},{y2 - bend:g} {x2:g},{y2:g}"
