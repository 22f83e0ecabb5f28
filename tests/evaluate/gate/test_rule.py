from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.gate import rare, score
from benchmarks.gate_answers import copied, grouped_difference, grouped_share, independent_difference, mixed
from components.evaluate.gate.bounds import MostCareful
from components.evaluate.gate.clopper_pearson import ClopperPearson
from components.evaluate.gate.rule import of_difference, of_score
from components.evaluate.gate.tango import Tango

ALONE = np.arange(60)
FIVES = np.repeat(np.arange(60), 5)
GENERATOR = np.random.default_rng(0)


def right_or_wrong(questions: int) -> np.ndarray:
    return GENERATOR.integers(0, 2, questions).astype(float)


def test_right_or_wrong_and_one_question_a_group_is_tangos_and_the_exact_one() -> None:
    candidate, incumbent = right_or_wrong(60), right_or_wrong(60)
    assert isinstance(of_difference(candidate, incumbent, ALONE, 1000, 0), Tango)
    assert isinstance(of_score(candidate, ALONE, 1000, 0), ClopperPearson)


@pytest.mark.parametrize(("groups", "scores"), [(FIVES, right_or_wrong(300)), (ALONE, GENERATOR.random(60))])
def test_groups_and_other_scores_get_the_most_careful_of_three(groups, scores) -> None:
    for bounds in (of_difference(scores, scores[::-1], groups, 1000, 0), of_score(scores, groups, 1000, 0)):
        assert isinstance(bounds, MostCareful)
        lows = {method.name: float(method.low(0.05)) for method in bounds.methods}
        assert {"cluster_t", "bca"} < lows.keys()
        assert float(bounds.low(0.05)) == min(lows.values()) == lows[bounds.binding(0.05)]
        assert float(bounds.high(0.05)) == max(float(method.high(0.05)) for method in bounds.methods)
        assert float(bounds.p_value(0.3)) == max(float(method.p_value(0.3)) for method in bounds.methods)


def test_the_order_of_the_questions_changes_no_digit() -> None:
    scores = np.round(GENERATOR.random((2, 300)) * 2**30) / 2**30
    order = GENERATOR.permutation(300)
    one = of_difference(*scores, FIVES, 1000, 0)
    other = of_difference(scores[0][order], scores[1][order], FIVES[order], 1000, 0)
    assert float(one.low(0.05)) == float(other.low(0.05))
    assert float(one.p_value(-0.02)) == float(other.p_value(-0.02))


@given(st.integers(0, 30), st.booleans(), st.floats(0.01, 0.2))
@settings(max_examples=25, deadline=None)
def test_exchanging_the_two_mirrors_the_interval(seed, binary, alpha) -> None:
    generator = np.random.default_rng(seed)
    one, two = generator.integers(0, 2, (2, 300)).astype(float) if binary else generator.random((2, 300))
    there, back = of_difference(one, two, FIVES, 500, 0), of_difference(two, one, FIVES, 500, 0)
    assert float(there.low(alpha)) == pytest.approx(-float(back.high(alpha)), abs=1e-9)


# Small and seeded; `make bench-gate` has more scenarios, with 20,000 runs and more of each.
SIZES = np.full(100, 5.0)
AT_THE_MARGIN = {
    "alone, right or wrong": (independent_difference(500, 0.04, 0.06, -0.02), 20_000),
    "right or wrong, correlation .2": (grouped_difference(mixed(SIZES, 0.025, 0.075, 0.2), -0.05), 3000),
    "right or wrong, correlation .5": (grouped_difference(mixed(SIZES, 0.025, 0.075, 0.5), -0.05), 3000),
    "rare heavy losses": (grouped_difference(copied(SIZES, rare(-0.05), 0.2), -0.05), 3000),
    "a floor, right or wrong": (grouped_share(mixed(SIZES, 0.9, 0.1, 0.5), 0.9), 3000),
    "a floor, other scores": (grouped_share(copied(SIZES, score(0.8), 0.5), 0.8), 3000),
}


@pytest.mark.parametrize("name", AT_THE_MARGIN)
def test_at_the_margin_a_candidate_passes_no_more_often_than_it_may(name) -> None:
    trial, runs = AT_THE_MARGIN[name]
    shown = int(trial(np.random.default_rng(11), runs).sum())
    # 5.5 % or more is not believable, and it is not so careful that nothing could be shown.
    assert stats.binomtest(shown, runs, 0.055, alternative="greater").pvalue > 0.01
    assert shown / runs > 0.02


def test_tangos_alone_would_pass_too_many_where_answers_come_in_groups() -> None:
    answers = mixed(SIZES, 0.1, 0.15, 0.5)(np.random.default_rng(0), 3000)
    naive = Tango(answers.won.sum(axis=1), answers.lost.sum(axis=1), 500, 1.0).p_value(-0.05) <= 0.05
    assert naive.mean() > 0.12
