from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from components.evaluate.gate.clopper_pearson import ClopperPearson
from components.evaluate.gate.outcomes import share_shown


@given(st.integers(1, 500), st.data())
def test_it_is_scipys_exact_interval_and_test(questions, data) -> None:
    right = data.draw(st.integers(0, questions))
    one, other = ClopperPearson(right, questions), stats.binomtest(right, questions, 0.7, alternative="greater")
    interval = stats.binomtest(right, questions).proportion_ci(0.9, method="exact")
    assert float(one.low(0.05)) == pytest.approx(interval.low, abs=1e-9)
    assert float(one.high(0.05)) == pytest.approx(interval.high, abs=1e-9)
    assert float(one.p_value(0.7)) == pytest.approx(other.pvalue, abs=1e-9)


@given(st.integers(1, 500), st.data(), st.floats(0.01, 0.99), st.floats(0.001, 0.4))
def test_p_value_and_interval_say_the_same(questions, data, floor, alpha) -> None:
    one = ClopperPearson(data.draw(st.integers(0, questions)), questions)
    low = float(one.low(alpha))
    assume(abs(low - floor) > 1e-9)
    assert (float(one.p_value(floor)) <= alpha) == (low > floor)


@pytest.mark.parametrize("floor", [0.05, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("questions", [20, 117, 1000])
def test_at_the_floor_it_errs_no_more_often_than_it_says(questions, floor) -> None:
    right = np.arange(questions + 1)
    shown = ClopperPearson(right.astype(float), questions).p_value(floor) <= 0.05
    chance = stats.binom.pmf(right[shown], questions, floor).sum()
    assert chance <= 0.05
    assert share_shown(questions, floor, floor, 0.05) == pytest.approx(chance, abs=1e-9)


def test_none_right_shows_nothing_and_all_right_not_everything() -> None:
    assert float(ClopperPearson(0, 50).low(0.05)) == 0
    assert float(ClopperPearson(50, 50).low(0.05)) == pytest.approx(0.05 ** (1 / 50))
