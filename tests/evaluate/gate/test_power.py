from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.gate_answers import grouped_difference, grouped_share, independent_difference, independent_share, mixed
from components.evaluate.gate.outcomes import dirichlet_multinomial
from components.evaluate.gate.power import Plan

ALONE = Plan(
    np.ones(500), binary=True, floor=False, threshold=-0.03, alpha=0.05, discordance=0.1, spread=0.3, correlation=0.2
)
FIVES = replace(ALONE, sizes=np.full(100, 5.0), threshold=-0.06)
FLOOR = replace(ALONE, floor=True, threshold=0.85)


def counted(trial, runs: int) -> float:
    return float(trial(np.random.default_rng(5), runs).mean())


def test_power_of_questions_that_stand_alone_is_as_foretold() -> None:
    trial = independent_difference(500, 0.05, 0.05, -0.03)
    assert ALONE.chance(0.03) == pytest.approx(counted(trial, 40_000), abs=0.01)
    assert FLOOR.chance(0.05) == pytest.approx(counted(independent_share(500, 0.9, 0.85), 40_000), abs=0.01)


@pytest.mark.parametrize("correlation", [0.2, 0.5])
def test_power_of_questions_in_groups_is_as_foretold(correlation) -> None:
    plan = replace(FIVES, correlation=correlation)
    trial = grouped_difference(mixed(plan.sizes, 0.05, 0.05, correlation), -0.06)
    assert plan.chance(0.06) == pytest.approx(counted(trial, 4000), abs=0.03)
    plan = replace(FLOOR, sizes=plan.sizes, correlation=correlation)
    trial = grouped_share(mixed(plan.sizes, 0.91, 0.09, correlation), 0.85)
    assert plan.chance(0.06) == pytest.approx(counted(trial, 4000), abs=0.03)


def test_groups_that_answer_alike_see_less() -> None:
    chances = [replace(FIVES, correlation=correlation).chance(0.05) for correlation in (0.0, 0.2, 0.5, 0.9)]
    assert chances == sorted(chances, reverse=True)
    assert replace(ALONE, threshold=-0.06).chance(0.05) > chances[1]


@pytest.mark.parametrize("plan", [ALONE, FIVES, FLOOR, replace(FIVES, binary=False)])
def test_what_is_visible_is_seen_as_often_as_asked_for_and_less_is_not(plan) -> None:
    visible = plan.visible(0.8)
    assert plan.chance(visible) == pytest.approx(0.8, abs=0.02)
    assert plan.chance(visible - 0.01) < 0.8 < plan.chance(visible + 0.01)


@pytest.mark.parametrize("plan", [ALONE, FIVES, FLOOR, replace(FIVES, binary=False)])
def test_so_many_questions_as_are_needed_are_enough(plan) -> None:
    distance = plan.visible(0.8) / 2
    needed = plan.needed(distance, 0.8)
    factor = needed / plan.questions
    assert 2 < factor < 6
    assert plan.times(factor).chance(distance) == pytest.approx(0.8, abs=0.03)


def test_nothing_is_foretold_of_too_few_groups() -> None:
    few = replace(FIVES, sizes=np.full(39, 5.0))
    assert few.too_few_groups
    assert few.chance(0.5) == 0
    assert few.visible(0.8) is None
    assert not replace(few, sizes=np.full(40, 5.0)).too_few_groups
    assert not replace(ALONE, sizes=np.ones(30)).too_few_groups
    uneven = replace(FIVES, sizes=np.array([200.0, *[1.0] * 99]))
    assert uneven.too_few_groups


def test_a_floor_of_everything_cannot_be_shown() -> None:
    perfect = replace(FLOOR, threshold=1.0)
    assert (perfect.chance(0.05), perfect.visible(0.8), perfect.needed(0.05, 0.8)) == (0.0, None, None)


def test_more_differences_than_were_expected_are_planned_with_where_the_truth_takes_them() -> None:
    gain = replace(ALONE, threshold=0.0, discordance=0.01)
    assert gain.chance(0.05) == replace(gain, discordance=0.05).chance(0.05)


def test_answers_of_a_group_correlate_as_planned() -> None:
    right = np.arange(6.0)
    chances = dirichlet_multinomial(np.stack([right, 5 - right]), np.array([0.7, 0.3]), 0.4)
    mean = (chances * right).sum()
    variance = (chances * right**2).sum() - mean**2
    assert mean == pytest.approx(3.5)
    assert variance == pytest.approx(5 * 0.21 * (1 + 4 * 0.4))
