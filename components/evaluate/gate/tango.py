"""Tango's score interval for the difference of two paired proportions.

T. Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
design", Statistics in Medicine 17:891-908. The variance is that under the hypothesis, with the probability of a loss at
its maximum likelihood; so it is not zero where the two never differ, and the interval stays within -1 and 1.

The score itself is only asymptotically right: where differences are rare and all of one kind, its error of 5 % becomes
8.9 % (150 questions, a gain of 0.02, 3 % of answers differing). So the gate takes one question off the numerator,
the correction of A. L. Edwards 1948 (Psychometrika 13:185-187) to McNemar's test, of which this is the general form;
with it no error above 4.7 % was found among 20 to 2000 questions (counted out, not simulated).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from components.evaluate.gate.bounds import Floats, Numbers

HALVINGS = 60
"""Of an interval of length 2: more than a double can tell apart."""
TINY = 1e-300


def tango_score(wins: Numbers, losses: Numbers, questions: Numbers, difference: Numbers, off: Numbers) -> Floats:
    """Tango's Z for wins, losses and all questions, against a true ``difference`` in [-1, 1].

    ``off`` is taken off the numerator (questions); 0 is the published score.
    """
    linear = (2 * questions - wins + losses) * difference - wins - losses
    constant = -losses * difference * (1 - difference)
    root = np.sqrt(np.maximum(linear**2 - 8 * questions * constant, 0))
    loss = np.maximum((root - linear) / (4 * questions), np.maximum(0, -np.asarray(difference)))
    variance = questions * (2 * loss + difference * (1 - difference))
    score: Floats = (wins - losses - questions * difference - off) / np.sqrt(np.maximum(variance, TINY))
    return score


@dataclass(frozen=True)
class Tango:
    """The interval of (wins - losses) / questions; the three may be fractions of questions, and arrays.

    ``off`` is the correction (questions), ``freedom`` the degrees of freedom of the quantile: infinite is the normal's.
    """

    wins: Numbers
    losses: Numbers
    questions: Numbers
    off: Numbers
    freedom: float = np.inf
    name: str = "tango"

    @property
    def mean(self) -> Floats:
        """The difference that was measured."""
        return np.asarray((self.wins - self.losses) / self.questions, dtype=np.float64)

    def low(self, alpha: float) -> Floats:
        """The difference at which the score is the quantile; it falls as the difference rises, so halving finds it."""
        quantile = stats.t.isf(alpha, self.freedom)
        bottom = np.full(np.shape(self.wins), -1.0)
        top = self.mean
        for _ in range(HALVINGS):
            middle = (bottom + top) / 2
            above = self._score(middle) > quantile
            bottom, top = np.where(above, middle, bottom), np.where(above, top, middle)
        return bottom

    def high(self, alpha: float) -> Floats:
        """The low end with the two sides exchanged."""
        mirrored = Tango(self.losses, self.wins, self.questions, self.off, self.freedom)
        return -mirrored.low(alpha)

    def p_value(self, threshold: float) -> Floats:
        """Of the score against ``threshold``."""
        found: Floats = stats.t.sf(self._score(threshold), self.freedom)
        return found

    def _score(self, difference: Numbers) -> Floats:
        return tango_score(self.wins, self.losses, self.questions, difference, self.off)
