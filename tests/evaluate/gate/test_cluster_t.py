from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from components.evaluate.gate.cluster_t import ClusterT, skew_error, untransformed
from components.evaluate.gate.grouped import Grouped

VALUES = arrays.arrays(np.float64, st.integers(5, 60), elements=st.floats(-1, 1, width=32))


def test_where_skewness_is_to_the_other_side_it_is_students_t() -> None:
    values = stats.expon.ppf((np.arange(100) + 0.5) / 100)
    one = ClusterT(Grouped(values, np.ones(100)))
    expected = stats.ttest_1samp(values, 0.9, alternative="greater")
    assert float(one.low(0.05)) == pytest.approx(expected.confidence_interval(0.95).low)
    assert float(one.p_value(0.9)) == pytest.approx(expected.pvalue)


def test_heavy_losses_in_a_few_groups_are_taken_to_be_worse_than_t_takes_them() -> None:
    values = -stats.expon.ppf((np.arange(100) + 0.5) / 100)
    one = ClusterT(Grouped(values, np.ones(100)))
    plain = stats.ttest_1samp(values, 0, alternative="greater").confidence_interval(0.95).low
    assert float(one.low(0.05)) < plain - 0.02


def test_halls_transformation_and_its_inverse_belong_together() -> None:
    for skew in (-0.5, -0.1, -1e-6, 0.0, 1e-6, 0.1, 0.5):
        ratio = float(untransformed(1.66, skew))
        assert ratio + skew * ratio**2 / 3 + skew**2 * ratio**3 / 27 + skew / 6 == pytest.approx(1.66, abs=1e-6)


def test_with_many_groups_nothing_is_left_of_the_correction() -> None:
    assert skew_error(39) == pytest.approx(2 * np.sqrt(6) / 40)
    assert float(untransformed(1.645, -skew_error(100_000))) == pytest.approx(1.645, abs=1e-4)


@given(VALUES, st.floats(0.001, 0.4))
def test_exchanging_the_two_mirrors_the_interval(values, alpha) -> None:
    sizes = np.arange(len(values)) % 4 + 1.0
    one, other = ClusterT(Grouped(values, sizes)), ClusterT(Grouped(-values, sizes))
    assert float(one.low(alpha)) == pytest.approx(-float(other.high(alpha)))
    assert float(one.low(alpha)) <= float(one.mean) + 1e-12 <= float(one.high(alpha)) + 2e-12


@given(VALUES, st.floats(-0.5, 0.5), st.floats(0.001, 0.4))
def test_p_value_and_interval_say_the_same(values, threshold, alpha) -> None:
    one = ClusterT(Grouped(values, np.arange(len(values)) % 4 + 1.0))
    low = float(one.low(alpha))
    if abs(low - threshold) > 1e-7:
        assert (float(one.p_value(threshold)) <= alpha) == (low > threshold)


@given(VALUES, st.floats(-0.5, 0.5), st.floats(0, 0.5))
def test_a_wider_margin_is_never_harder_to_show(values, threshold, wider) -> None:
    one = ClusterT(Grouped(values, np.ones(len(values))))
    assert float(one.p_value(threshold - wider)) <= float(one.p_value(threshold)) + 1e-12
