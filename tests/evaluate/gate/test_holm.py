from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluate.gate.holm import holm_levels


def test_the_smallest_is_held_against_alpha_over_their_number() -> None:
    assert holm_levels([0.04, 0.001, 0.02], 0.05) == pytest.approx([0.05, 0.05 / 3, 0.025])


def test_once_one_fails_its_level_holds_for_all_that_follow() -> None:
    # .03 is not below .025; .04 would be below .05, but comes after it.
    assert holm_levels([0.04, 0.03], 0.05) == [0.025, 0.025]


def test_one_alone_needs_no_correction() -> None:
    assert holm_levels([0.04], 0.05) == [0.05]
    assert holm_levels([], 0.05) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_what_is_shown_is_what_holms_adjusted_p_values_show(p_values, alpha) -> None:
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[place])
        adjusted[place] = largest
    levels = holm_levels(p_values, alpha)
    for p_value, level, one in zip(p_values, levels, adjusted, strict=True):
        if abs(one - alpha) > 1e-9:
            assert (p_value <= level) == (one <= alpha)
