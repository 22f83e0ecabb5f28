"""Answers that come in groups: a conversation, a customer, a document. Only groups are independent of each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.evaluate.gate.bounds import Floats


@dataclass(frozen=True)
class Grouped:
    """Sums and sizes of groups; the mean over questions is a ratio of two means over groups.

    ``sums`` has the shape (groups) or (data sets, groups), ``sizes`` (groups). With ``counts`` each entry stands for so
    many equal groups: (groups) or (data sets, groups), the same number in each data set. There are two groups at least.
    """

    sums: Floats
    sizes: Floats
    counts: Floats | None = None

    @classmethod
    def of(cls, values: Floats, groups: npt.NDArray[np.int64]) -> Grouped:
        """From a value a question and the number of its group, 0, 1, …"""
        return cls(group_sums(values, groups), group_sums(np.ones(len(groups)), groups))

    def total(self, values: Floats) -> Floats:
        """The sum over groups of a value a group."""
        found: Floats = (values if self.counts is None else self.counts * values).sum(axis=-1)
        return found

    @cached_property
    def count(self) -> int:
        """How many groups there are."""
        return round(float(np.max(self.total(np.ones_like(self.sizes)))))

    @cached_property
    def questions(self) -> float:
        """How many questions there are."""
        return float(np.max(self.total(self.sizes)))

    @cached_property
    def largest_effect(self) -> float:
        """How many questions of a group are worth one where all of a group are answered alike (design effect)."""
        return float(np.max(self.total(self.sizes**2))) / self.questions

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the variance; one less than the groups where all are of one size."""
        return max(1.0, float(np.max(self.weighing(self.sizes > 0))) - 1)

    def weighing(self, chosen: npt.NDArray[np.bool_]) -> Floats:
        """How many groups of one size tell as much of a variance as the chosen ones.

        After Satterthwaite, with variances of groups as their sizes squared (R. M. Bell and D. F. McCaffrey 2002,
        Survey Methodology 28:169-181).
        """
        squares, fourths = (self.total(chosen * self.sizes**power) for power in (2, 4))
        return squares**2 / np.maximum(fourths, 1.0)

    @cached_property
    def mean(self) -> Floats:
        """Over questions."""
        return self.total(self.sums) / self.questions

    @cached_property
    def pulls(self) -> Floats:
        """By how much each group pulls the mean up: the jackknife over groups, in closed form.

        B. Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 3.
        """
        without = (self.total(self.sums)[..., None] - self.sums) / (self.questions - self.sizes)
        pulls: Floats = self.total(without)[..., None] / self.count - without
        return pulls

    @cached_property
    def error(self) -> Floats:
        """Standard error of the mean, from the jackknife: robust to any correlation within groups (CR3)."""
        return np.sqrt((self.count - 1) / self.count * self.total(self.pulls**2))

    @cached_property
    def skew(self) -> Floats:
        """Skewness of the mean: that of the groups over the square root of their number; 0 where all are equal."""
        squares, cubes = self.total(self.pulls**2), self.total(self.pulls**3)
        return np.where(squares > 0, cubes / np.maximum(squares, 1e-200) ** 1.5, 0.0)


def group_sums(values: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """The sums of a value a question, by the number of its group."""
    return np.bincount(groups, weights=values).astype(np.float64)
