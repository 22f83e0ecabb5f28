from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from components.evaluate.gate.bca import Bca, resampled_means
from components.evaluate.gate.grouped import Grouped


def some(seed: int = 0, groups: int = 80, skewed: bool = False) -> Grouped:
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 9, groups).astype(float)
    means = -generator.gamma(0.5, 0.2, groups) if skewed else generator.normal(0.02, 0.1, groups)
    return Grouped(np.round(means * sizes * 2**30) / 2**30, sizes)


@pytest.mark.parametrize("skewed", [False, True])
def test_it_is_scipys_but_for_the_widening_for_few_groups(skewed) -> None:
    data = some(groups=400, skewed=skewed)
    theirs = stats.bootstrap(
        (data.sums, data.sizes), lambda sums, sizes, axis: sums.sum(axis=axis) / sizes.sum(axis=axis), paired=True,
        vectorized=True, method="BCa", n_resamples=20_000, confidence_level=0.9, rng=np.random.default_rng(1),
    )  # fmt: skip
    ours = Bca(data, 20_000, 0)
    interval = theirs.confidence_interval
    noise = 0.04 * (interval.high - interval.low)
    assert float(ours.low(0.05)) == pytest.approx(interval.low, abs=noise)
    assert float(ours.high(0.05)) == pytest.approx(interval.high, abs=noise)
    few = Bca(some(groups=41, skewed=skewed), 20_000, 0)
    plain = np.quantile(few._means, 0.05) - few.mean
    assert float(few.low(0.05) - few.mean) < float(plain)


def test_one_data_set_and_many_are_resampled_alike() -> None:
    one, other = some(1), some(2)
    both = Grouped(np.stack([one.sums, other.sums * 0.5]), one.sizes)
    alone = np.concatenate(list(resampled_means(one, 1500, 7)))
    together = np.concatenate(list(resampled_means(both, 1500, 7)))
    assert alone.shape == (1500,)
    assert together.shape == (1500, 2)
    assert (together[:, 0] == alone).all()
    assert Bca(both, 1500, 7).low(0.05)[0] == Bca(one, 1500, 7).low(0.05)


def test_the_seed_decides_all() -> None:
    data = some()
    lows = [float(Bca(data, 1000, seed).low(0.05)) for seed in (0, 0, 1)]
    assert lows[0] == lows[1] != lows[2]


def test_a_resample_holds_as_many_groups_as_there_are() -> None:
    ones = Grouped(np.ones(30), np.ones(30))
    assert (np.concatenate(list(resampled_means(ones, 1000, 0))) == 1).all()
    first = Grouped(np.eye(30)[0] * 30, np.ones(30))
    held = np.concatenate(list(resampled_means(first, 20_000, 0)))
    assert held.mean() == pytest.approx(1, abs=0.03)
    assert held.var() == pytest.approx(29 / 30, abs=0.05)


@given(st.integers(0, 50), st.booleans(), st.integers(-60, 60), st.floats(0.005, 0.4))
@settings(max_examples=60)
def test_p_value_and_interval_say_the_same_also_where_resamples_hit_the_threshold(seed, coarse, place, alpha) -> None:
    data = some(seed, 45)
    if coarse:  # scores of 0 and 1 in groups of five: many resamples are equal
        generator = np.random.default_rng(seed)
        data = Grouped(generator.integers(-1, 3, 45).astype(float), np.full(45, 5.0))
    one = Bca(data, 500, seed)
    threshold = float(np.sort(one._means)[250 + 4 * place])
    assert (float(one.p_value(threshold)) <= alpha) == (float(one.low(alpha)) > threshold)


@given(st.integers(0, 50), st.booleans(), st.floats(0.01, 0.3))
@settings(max_examples=40)
def test_exchanging_the_two_mirrors_the_interval(seed, skewed, alpha) -> None:
    data = some(seed, 45, skewed)
    one, other = Bca(data, 500, seed), Bca(Grouped(-data.sums, data.sizes), 500, seed)
    assert float(one.low(alpha)) == -float(other.high(alpha))
    assert float(one.low(alpha)) <= float(one.high(alpha))


def test_groups_that_are_all_alike_are_no_error() -> None:
    one = Bca(Grouped(np.zeros(50), np.ones(50)), 1000, 0)
    assert float(one.low(0.05)) == float(one.high(0.05)) == 0
    assert float(one.p_value(0.0)) == 1
    assert float(one.p_value(-0.01)) == pytest.approx(1 / 1001)
