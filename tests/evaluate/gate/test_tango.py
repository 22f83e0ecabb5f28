from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, stats

from components.evaluate.gate.outcomes import difference_shown
from components.evaluate.gate.tango import Tango, tango_score

# wins, losses, questions, confidence, low, high
PUBLISHED = [
    (
        1,
        7,
        21,
        0.95,
        -0.517,
        -0.026,
        3,
    ),  # Fagerland, Lydersen, Laake 2014, Stat. Med. 33:2850-2875 (Bentur et al. 2009)
    (6, 16, 161, 0.95, -0.1240, -0.0054, 4),  # Fagerland et al. 2017, Statistical Analysis of Contingency Tables, ch. 8
    (28, 25, 618, 0.90, -0.0148, 0.0247, 4),  # R, PropCIs::scoreci.mp
]


@st.composite
def tables(draw):
    """Wins, losses and questions."""
    questions = draw(st.integers(2, 400))
    wins = draw(st.integers(0, questions))
    return wins, draw(st.integers(0, questions - wins)), questions


@pytest.mark.parametrize(("wins", "losses", "questions", "confidence", "low", "high", "digits"), PUBLISHED)
def test_intervals_are_those_that_were_published(wins, losses, questions, confidence, low, high, digits) -> None:
    published = Tango(wins, losses, questions, off=0)
    alpha = (1 - confidence) / 2
    assert [round(float(end), digits) for end in (published.low(alpha), published.high(alpha))] == [low, high]


def test_the_score_is_that_of_tangos_own_example() -> None:
    # Tango 1998, section 4.1: soft contact lenses, 44 patients, one of whom did worse; a tenth may be lost.
    assert float(tango_score(0, 1, 44, -0.1, 0)) == pytest.approx(1.709, abs=5e-4)


@pytest.mark.parametrize(
    ("wins", "losses", "questions", "difference"),
    [(5, 9, 200, -0.05), (7, 1, 21, 0.1), (3, 0, 100, 0.05), (0, 7, 50, -0.01), (40, 20, 160, 0.0)],
)
def test_the_variance_is_that_at_the_greatest_likelihood(wins, losses, questions, difference) -> None:
    def minus_likelihood(loss):
        shares = np.array([loss + difference, loss, 1 - 2 * loss - difference])
        counts = np.array([wins, losses, questions - wins - losses])
        return -np.sum(counts[counts > 0] * np.log(shares[counts > 0]))

    least, most = max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12
    found = optimize.minimize_scalar(minus_likelihood, bounds=(least, most), method="bounded", options={"xatol": 1e-12})
    variance = questions * (2 * found.x + difference - difference**2)
    expected = (wins - losses - questions * difference) / np.sqrt(variance)
    assert float(tango_score(wins, losses, questions, difference, 0)) == pytest.approx(expected, abs=1e-5)


def test_a_difference_of_nothing_is_mcnemars_test_with_edwards_correction() -> None:
    assert float(tango_score(40, 20, 160, 0.0, 0)) == pytest.approx(20 / np.sqrt(60))
    assert float(tango_score(40, 20, 160, 0.0, 1)) == pytest.approx(19 / np.sqrt(60))


def test_at_the_margin_it_errs_no_more_often_than_it_says_whatever_differs() -> None:
    """All outcomes are counted: this is no simulation."""
    worst = 0.0
    for questions in (20, 50, 100, 200, 300, 1000):
        for threshold in (-0.1, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1):
            for discordance in (0.01, 0.03, 0.07, 0.15, 0.5):
                differ = max(discordance, abs(threshold))
                won, lost = (differ + threshold) / 2, (differ - threshold) / 2
                worst = max(worst, difference_shown(questions, won, lost, threshold, 0.05))
    assert 0.04 < worst < 0.05


def test_without_the_correction_it_would_err_too_often() -> None:
    wins = np.arange(151.0)
    shown = Tango(wins[:, None], wins[None, :], 150.0, off=0.0).p_value(0.02) <= 0.05
    chance = sum(
        stats.multinomial.pmf([won, lost, 150 - won - lost], 150, [0.025, 0.005, 0.97])
        for won, lost in np.argwhere(shown)
        if won + lost <= min(30, 150)
    )
    assert chance > 0.085


@given(tables(), st.floats(0.001, 0.2))
def test_exchanging_the_two_mirrors_the_interval(table, alpha) -> None:
    wins, losses, questions = table
    one, other = Tango(wins, losses, questions, 1.0), Tango(losses, wins, questions, 1.0)
    assert float(one.low(alpha)) == pytest.approx(-float(other.high(alpha)), abs=1e-9)
    assert -1 <= float(one.low(alpha)) <= float(one.mean) <= float(one.high(alpha)) <= 1


@given(tables(), st.integers(1, 300), st.floats(0.001, 0.2))
def test_more_questions_without_a_difference_never_widen_it(table, more, alpha) -> None:
    wins, losses, questions = table
    # Where almost all differ, the interval is cut off by what is possible at all.
    assume(2 * (wins + losses) <= questions)
    before, after = (Tango(wins, losses, count, 1.0) for count in (questions, questions + more))
    widths = [float(one.high(alpha) - one.low(alpha)) for one in (before, after)]
    assert widths[1] <= widths[0] + 1e-9


@given(tables(), st.floats(-0.5, 0.5), st.floats(0.001, 0.4))
def test_p_value_and_interval_say_the_same(table, threshold, alpha) -> None:
    wins, losses, questions = table
    one = Tango(wins, losses, questions, 1.0)
    low = float(one.low(alpha))
    assume(abs(low - threshold) > 1e-9)
    assert (float(one.p_value(threshold)) <= alpha) == (low > threshold)


@given(tables(), st.floats(-0.9, 0.8), st.floats(0, 0.1))
def test_a_wider_margin_is_never_harder_to_show(table, threshold, wider) -> None:
    wins, losses, questions = table
    one = Tango(wins, losses, questions, 1.0)
    assume(float(one.p_value(threshold)) < 0.5)
    assert float(one.p_value(threshold - wider)) <= float(one.p_value(threshold)) + 1e-12


def test_two_that_never_differ_are_not_proven_equal() -> None:
    assert -0.03 < float(Tango(0, 0, 150, 1.0).low(0.05)) < -0.02
