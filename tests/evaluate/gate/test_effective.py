from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.evaluate.gate.clopper_pearson import ClopperPearson
from components.evaluate.gate.effective import EffectiveClopperPearson, EffectiveTango, few_groups
from components.evaluate.gate.grouped import Grouped
from components.evaluate.gate.tango import Tango

FIVE = np.full(100, 5.0)


def alike(outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wins and losses of groups of five that are all won, all lost, or neither."""
    return np.where(outcomes > 0, 5.0, 0.0), np.where(outcomes < 0, 5.0, 0.0)


def test_groups_whose_answers_are_all_alike_count_as_one_question_each() -> None:
    outcomes = np.repeat([1, -1, 0], [30, 20, 50])
    grouped, alone = EffectiveTango(*alike(outcomes), FIVE, binary=True), Tango(30, 20, 100, 0.2, 99)
    for alpha in (0.01, 0.05):
        assert float(grouped.low(alpha)) == pytest.approx(float(alone.low(alpha)), abs=2e-3)
        assert float(grouped.high(alpha)) == pytest.approx(float(alone.high(alpha)), abs=2e-3)


def test_groups_never_make_a_question_worth_more_than_one() -> None:
    # One won and one lost in each group: the groups show no variance at all.
    one = EffectiveTango(np.ones(100), np.ones(100), FIVE, binary=True)
    alone = Tango(100, 100, 500, 1.0, 99)
    assert float(one.low(0.05)) == pytest.approx(float(alone.low(0.05)))


def test_of_too_few_groups_that_differ_no_variance_is_believed() -> None:
    # All lost questions stand in different groups, and look independent; but there are seven of them.
    losses = np.where(np.arange(100) < 7, 1.0, 0.0)
    seven = EffectiveTango(np.zeros(100), losses, FIVE, binary=True)
    believed = Tango(0, 7, 500, 1.0, 99)
    assert float(seven.low(0.05)) < float(believed.low(0.05)) - 0.01
    eight = EffectiveTango(np.zeros(100), np.where(np.arange(100) < 8, 1.0, 0.0), FIVE, binary=True)
    assert float(eight.low(0.05)) > float(seven.low(0.05))


def test_two_that_never_differ_in_a_hundred_groups_are_not_proven_equal() -> None:
    for binary in (True, False):
        none = EffectiveTango(np.zeros(100), np.zeros(100), FIVE, binary)
        assert float(none.low(0.05)) < -0.03
        assert float(none.p_value(-0.02)) > 0.05


def test_other_scores_of_which_many_differ_are_left_to_the_other_methods() -> None:
    generator = np.random.default_rng(0)
    one = EffectiveTango(generator.random(100), generator.random(100), FIVE, binary=False)
    assert float(one.low(0.05)) == np.inf
    assert float(one.high(0.05)) == -np.inf
    assert float(one.p_value(0.0)) == 0
    share = EffectiveClopperPearson(Grouped(generator.random(100), FIVE), binary=False)
    assert float(share.low(0.05)) == np.inf


def test_a_share_of_groups_all_alike_is_that_of_as_many_questions() -> None:
    data = Grouped(np.where(np.arange(100) < 80, 5.0, 0.0), FIVE)
    worth = 100 * few_groups(data)
    # The groups' variance has one degree of freedom less than the questions'.
    one, alone = EffectiveClopperPearson(data, binary=True), ClopperPearson(0.8 * worth, worth)
    assert float(one.low(0.05)) == pytest.approx(float(alone.low(0.05)), abs=2e-3)
    assert few_groups(data) == pytest.approx((stats.t.isf(0.05, 499) / stats.t.isf(0.05, 99)) ** 2)


def test_all_right_in_a_hundred_groups_is_worth_a_hundred_right_answers() -> None:
    data = Grouped(FIVE, FIVE)
    low = float(EffectiveClopperPearson(data, binary=True).low(0.05))
    assert low == pytest.approx(0.05 ** (1 / (100 * few_groups(data))))
