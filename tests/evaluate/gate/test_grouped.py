from __future__ import annotations

import numpy as np
import pytest

from components.evaluate.gate.grouped import Grouped

RNG = np.random.default_rng(3)
SIZES = np.array([1.0, 4, 2, 7, 7, 3, 1, 5])
SUMS = RNG.normal(0.2, 1, 8) * SIZES


def test_the_closed_form_is_the_jackknife_done_by_hand() -> None:
    data = Grouped(SUMS, SIZES)
    without = np.array([np.delete(SUMS, g).sum() / np.delete(SIZES, g).sum() for g in range(8)])
    assert data.pulls == pytest.approx(without.mean() - without)
    assert float(data.error) == pytest.approx(np.sqrt(7 / 8 * np.sum((without - without.mean()) ** 2)))


def test_with_groups_of_one_the_error_is_the_ordinary_one() -> None:
    values = RNG.normal(size=50)
    data = Grouped(values, np.ones(50))
    assert float(data.error) == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert data.freedom == 49


def test_answers_that_are_copies_of_each_other_are_worth_one() -> None:
    values = RNG.normal(size=40)
    copies = Grouped.of(np.repeat(values, 6), np.repeat(np.arange(40), 6))
    assert float(copies.error) == pytest.approx(float(Grouped(values, np.ones(40)).error))
    assert copies.largest_effect == 6


def test_a_few_large_groups_are_worth_fewer() -> None:
    assert Grouped(np.zeros(50), np.full(50, 4.0)).freedom == pytest.approx(49)
    assert Grouped(np.zeros(50), np.array([100.0, *[1.0] * 49])).freedom < 2


def test_many_data_sets_at_once_are_each_their_own() -> None:
    other = SUMS[::-1].copy()
    both = Grouped(np.stack([SUMS, other]), SIZES)
    for row, sums in enumerate((SUMS, other)):
        alone = Grouped(sums, SIZES)
        for name in ("mean", "error", "skew"):
            assert getattr(both, name)[row] == pytest.approx(float(getattr(alone, name)))


def test_a_count_stands_for_so_many_equal_groups() -> None:
    counts = np.array([3.0, 1, 0, 2, 5, 1, 1, 4])
    repeated = np.repeat(np.arange(8), counts.astype(int))
    short, long = Grouped(SUMS, SIZES, counts), Grouped(SUMS[repeated], SIZES[repeated])
    for name in ("count", "questions", "largest_effect", "freedom", "mean", "error", "skew"):
        assert float(getattr(short, name)) == pytest.approx(float(getattr(long, name)))
