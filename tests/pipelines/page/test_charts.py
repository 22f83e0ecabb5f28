from __future__ import annotations

import math

import pytest

from components.core.report import Figure, Report, Series
from components.evaluate.benchmark.scores import Tally
from pipelines.page.charts import MOST_POINTS, curve, scores


def told(**figures: Figure) -> Report:
    return Report(step="benchmark", attempt="a", started="", figures=figures)


def test_a_curve_goes_from_edge_to_edge_and_stays_inside() -> None:
    drawn = curve("finetune", "loss", Series(x=(1, 2, 4), y=(3.0, 2.5, 1.0)))
    assert (drawn.points[0][0], drawn.points[-1][0]) == (0, 100)
    assert all(0 <= y <= 100 for _, y, _ in drawn.points)
    assert [y for _, y, _ in drawn.points] == sorted(y for _, y, _ in drawn.points)
    assert (drawn.first, drawn.last) == (3.0, 1.0)


def test_a_long_curve_is_thinned_and_keeps_its_spike() -> None:
    values = [1.0] * 10_000
    values[7321] = 9.0
    drawn = curve("finetune", "loss", Series(x=tuple(range(10_000)), y=tuple(values)))
    assert len(drawn.points) <= MOST_POINTS
    assert "9" in {text.split(": ")[1] for _, _, text in drawn.points}


@pytest.mark.parametrize("y", [(), (1.0,), (math.nan, 1.0)])
def test_what_is_no_curve_is_not_drawn(y: tuple[float, ...]) -> None:
    assert curve("finetune", "loss", Series(x=tuple(range(len(y))), y=y)) is None


@pytest.mark.parametrize("level", [0.0, 5.0, -3.0])
def test_a_flat_curve_is_drawn(level: float) -> None:
    drawn = curve("finetune", "loss", Series(x=(0, 1), y=(level, level)))
    assert all(0 <= y <= 100 for _, y, _ in drawn.points)


def test_a_loss_that_was_not_finite_is_left_out() -> None:
    drawn = curve("finetune", "loss", Series(x=(0, 1, 2), y=(2.0, math.inf, 1.0)))
    assert len(drawn.points) == 2


def test_scores_come_suite_by_suite_and_only_with_an_interval() -> None:
    share = {"unit": "share", "low": 0.4, "high": 0.6}
    shown = scores(
        told(
            asked=Figure(value=9),
            one=Figure(value=0.5, **share),
            two=Figure(value=0.5, **share),
            one_without_near_duplicates=Figure(value=0.5, **share),
            **{"one/slice": Figure(value=0.5, **share)},
        )
    )
    expected = [("one", 0), ("without near-duplicates", 1), ("slice", 2), ("two", 0)]
    assert [(score.name, score.level) for score in shown] == expected
    assert [score.text for score in shown] == ["50.0 %"] * 4
    assert (shown[0].low, shown[0].value, shown[0].high) == (40, 50, 60)


def test_scores_that_are_no_shares_have_a_scale_of_their_own() -> None:
    (shown,) = scores(told(latency=Figure(value=2.0, unit="s", low=1.0, high=4.0)))
    assert (shown.low, shown.value, shown.high) == (25, 50, 100)


def test_a_score_says_how_many_questions_it_was_measured_on() -> None:
    (shown,) = scores(told(exam=Tally(13, 20).figure()))
    assert shown.questions == 20
