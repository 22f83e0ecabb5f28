from __future__ import annotations

import itertools

import pytest

from components.core.run import StepRun
from pipelines.page.graph import FORMATS, Format, draw, layers
from tests.pipelines.page.a_run import AFTER

LIFECYCLE = [StepRun(name=name, after=after) for name, after in AFTER.items()]
DIAMOND = [
    StepRun(name="a"),
    StepRun(name="b", after=("a",)),
    StepRun(name="c", after=("a",)),
    StepRun(name="d", after=("b", "c", "a")),
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
