"""Tango's and Clopper and Pearson's intervals for answers in groups: on as many questions as these are worth.

Answers of a group resemble each other, so n questions are worth n over the design effect: the variance that the groups
show over that of independent answers (J. N. K. Rao and A. J. Scott 1992, Biometrics 48:577-585; for shares near 0 and 1
E. L. Korn and B. I. Graubard 1998, Survey Methodology 24:193-201). It is never taken to be less than 1.

Where fewer than eight groups hold a difference (for a floor: a wrong answer), that variance cannot be measured, and the
effect is taken to be the largest possible: a group counts as one question. This holds for scores between 0 and 1 too,
since none of the same mean spread wider than those that are 0 or 1. Where scores are not 0 or 1 and more groups differ,
these methods have nothing to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.evaluate.gate.bounds import Floats
from components.evaluate.gate.clopper_pearson import ClopperPearson
from components.evaluate.gate.grouped import Grouped
from components.evaluate.gate.tango import Tango

FEW = 8
"""Groups of one size from which a variance can be told; found by simulation (``rule``)."""


def design_effect(data: Grouped, independent: Floats, rare: npt.NDArray[np.bool_]) -> Floats:
    """What a question is worth less for standing in a group, at least 1; where ``rare``, the largest it can be.

    ``independent`` is the variance that a single answer has, (data sets).
    """
    alone = np.maximum(independent, 1e-300) / data.questions
    seen = np.where(independent > 0, data.error**2 / alone, 1.0)
    return np.where(rare, data.largest_effect, np.maximum(seen, 1.0))


@dataclass(frozen=True)
class EffectiveTango:
    """The interval of a difference. Wins and losses are the sums of each group's; shapes as in ``Grouped``."""

    wins: Floats
    losses: Floats
    sizes: Floats
    binary: bool
    counts: Floats | None = None
    name: str = "tango"

    @property
    def mean(self) -> Floats:
        """The difference that was measured."""
        return self._data.mean

    def low(self, alpha: float) -> Floats:
        """Tango's on fewer questions; infinite, which is never the lowest, where there is nothing to say."""
        return np.where(self._says, self._tango.low(alpha), np.inf)

    def high(self, alpha: float) -> Floats:
        """The low end with wins and losses exchanged."""
        return -EffectiveTango(self.losses, self.wins, self.sizes, self.binary, self.counts).low(alpha)

    def p_value(self, threshold: float) -> Floats:
        """Tango's on fewer questions; 0 where there is nothing to say."""
        return np.where(self._says, self._tango.p_value(threshold), 0.0)

    @cached_property
    def _data(self) -> Grouped:
        return Grouped(self.wins - self.losses, self.sizes, self.counts)

    @cached_property
    def _rare(self) -> npt.NDArray[np.bool_]:
        return self._data.weighing(self.wins + self.losses > 0) < FEW

    @property
    def _says(self) -> npt.NDArray[np.bool_]:
        return self._rare | self.binary

    @cached_property
    def _tango(self) -> Tango:
        data = self._data
        wins, losses = data.total(self.wins), data.total(self.losses)
        independent = (wins + losses) / data.questions - data.mean**2
        effect = design_effect(data, independent, self._rare)
        one_question = np.where(self._rare, 1.0, 1 / effect)
        return Tango(wins / effect, losses / effect, data.questions / effect, one_question, data.freedom)


@dataclass(frozen=True)
class EffectiveClopperPearson:
    """The interval of a share; ``data`` holds scores of 0 to 1."""

    data: Grouped
    binary: bool
    name: str = "clopper_pearson"

    @property
    def mean(self) -> Floats:
        """The mean score."""
        return self.data.mean

    def low(self, alpha: float) -> Floats:
        """The exact one on fewer questions; infinite, which is never the lowest, where there is nothing to say."""
        return np.where(self._says, self._exact.low(alpha), np.inf)

    def high(self, alpha: float) -> Floats:
        """The low end with right and wrong exchanged."""
        wrong = Grouped(self.data.sizes - self.data.sums, self.data.sizes, self.data.counts)
        return 1 - EffectiveClopperPearson(wrong, self.binary).low(alpha)

    def p_value(self, threshold: float) -> Floats:
        """The exact one on fewer questions; 0 where there is nothing to say."""
        return np.where(self._says, self._exact.p_value(threshold), 0.0)

    @cached_property
    def _rare(self) -> npt.NDArray[np.bool_]:
        return self.data.weighing(self.data.sums < self.data.sizes) < FEW

    @property
    def _says(self) -> npt.NDArray[np.bool_]:
        return self._rare | self.binary

    @cached_property
    def _exact(self) -> ClopperPearson:
        effect = design_effect(self.data, self.data.mean * (1 - self.data.mean), self._rare)
        worth = self.data.questions / effect * few_groups(self.data)
        return ClopperPearson(self.data.mean * worth, worth)


def few_groups(data: Grouped) -> float:
    """What a variance from few groups costs, as a share of the questions (Korn and Graubard 1998, section 2)."""
    many, few = (float(stats.t.isf(0.05, freedom)) for freedom in (data.questions - 1, data.freedom))
    return (many / few) ** 2
