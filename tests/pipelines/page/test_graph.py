from __future__ import annotations

import itertools
import re

import pytest

from components.core.run import StepRun
from pipelines.page.formats import FORMATS, Format
from pipelines.page.graph import draw, layers
from tests.pipelines.page.a_run import AFTER

LIFECYCLE = [StepRun(name=name, after=after) for name, after in AFTER.items()]
DIAMOND = [
    StepRun(name="a"),
    StepRun(name="b", after=("a",)),
    StepRun(name="c", after=("a",)),
    StepRun(name="d", after=("b", "c", "a")),
]
STACKED = [
    StepRun(name="a"),
    *(StepRun(name=name, after=("a",)) for name in ("b", "c", "d")),
    StepRun(name="e", after=("b", "c", "d")),
    StepRun(name="f", after=("e", "c", "a")),
    StepRun(name="g", after=("f", "d", "b")),
    StepRun(name="h", after=("f", "a")),
    StepRun(name="i", after=("g", "h", "c", "e")),
]


def test_a_step_is_drawn_after_everything_that_it_waits_for() -> None:
    depth = {step.name: index for index, layer in enumerate(layers(LIFECYCLE)) for step in layer}
    assert all(depth[before] < depth[name] for name, after in AFTER.items() for before in after)


def test_steps_that_wait_for_the_same_stand_together() -> None:
    assert [[step.name for step in layer] for layer in layers(DIAMOND)] == [["a"], ["b", "c"], ["d"]]


@pytest.mark.parametrize("shape", FORMATS, ids=lambda shape: shape.name)
@pytest.mark.parametrize("steps", [LIFECYCLE, DIAMOND], ids=["lifecycle", "diamond"])
def test_no_two_steps_overlap_and_none_leaves_the_drawing(shape: Format, steps: list[StepRun]) -> None:
    drawn = draw(steps, shape)
    assert {node.step.name for node in drawn.nodes} == {step.name for step in steps}
    for node in drawn.nodes:
        assert 0 <= node.x <= drawn.format.width - shape.node_width
        assert 0 <= node.y <= drawn.height - shape.node_height
    for one, other in itertools.combinations(drawn.nodes, 2):
        assert abs(one.x - other.x) >= shape.node_width or abs(one.y - other.y) >= shape.node_height


def straights(path: str) -> list[tuple[float, float, float, float]]:
    """The straight pieces of a line with round corners, by their ends: left, top, right, bottom."""
    at, found = (0.0, 0.0), []
    for kind, numbers in re.findall(r"([MLQC])([^MLQC]*)", path):
        values = [float(value) for value in re.split(r"[ ,]+", numbers.strip())]
        end = (values[-2], values[-1])
        if kind == "L":
            found.append((min(at[0], end[0]), min(at[1], end[1]), max(at[0], end[0]), max(at[1], end[1])))
        at = end
    return found


@pytest.mark.parametrize("shape", FORMATS, ids=lambda shape: shape.name)
@pytest.mark.parametrize("steps", [LIFECYCLE, DIAMOND, STACKED], ids=["lifecycle", "diamond", "stacked"])
def test_no_line_passes_behind_a_step_or_lies_on_another(shape: Format, steps: list[StepRun]) -> None:
    drawn = draw(steps, shape)
    pieces = [(edge, piece) for edge in drawn.edges for piece in straights(edge.path)]
    assert pieces
    for edge, (left, top, right, bottom) in pieces:
        assert 0 <= left <= right <= shape.width, edge
        assert 0 <= top <= bottom <= drawn.height, edge
        for node in drawn.nodes:
            beside = right <= node.x or left >= node.x + shape.node_width
            assert beside or bottom <= node.y or top >= node.y + shape.node_height, (edge, node.step.name)
    for (one, a), (other, b) in itertools.combinations(pieces, 2):
        if one is not other and (a[0] == a[2]) == (b[0] == b[2]):
            near = a[0] < b[2] + 1 and b[0] < a[2] + 1 and a[1] < b[3] + 1 and b[1] < a[3] + 1
            assert not near, (one, other)


@pytest.mark.parametrize("shape", FORMATS, ids=lambda shape: shape.name)
def test_every_line_ends_in_an_arrow_at_its_step(shape: Format) -> None:
    drawn = draw(LIFECYCLE, shape)
    nodes = {node.step.name: node for node in drawn.nodes}
    assert len(drawn.edges) == sum(len(after) for after in AFTER.values())
    for edge in drawn.edges:
        x, y = (float(value) for value in re.split(r"[ ,]", edge.path)[-2:] for value in [value.lstrip("L")])
        node = nodes[edge.target]
        assert node.x - 4 < x < node.x + shape.node_width, edge
        assert node.y - 4 < y < node.y + shape.node_height + 4, edge


def test_a_dependency_that_others_imply_is_drawn_faintly() -> None:
    edges = {(edge.source, edge.target): edge.minor for edge in draw(DIAMOND, FORMATS[0]).edges}
    expected = {("a", "b"): False, ("a", "c"): False, ("b", "d"): False, ("c", "d"): False, ("a", "d"): True}
    assert edges == expected


def test_the_last_step_of_a_line_leads_to_the_first_of_the_next() -> None:
    drawn = draw(LIFECYCLE, FORMATS[0])
    lines = {node.step.name: (node.line, node.column) for node in drawn.nodes}
    assert lines["deduplicate"] == (0, 4)
    assert lines["redact"] == (1, 0)


def test_a_circle_or_an_unknown_step_does_not_hang_the_page() -> None:
    steps = [StepRun(name="a", after=("b",)), StepRun(name="b", after=("a",)), StepRun(name="c", after=("gone",))]
    assert len(draw(steps, FORMATS[0]).nodes) == 3
