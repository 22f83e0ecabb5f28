"""What a suite can see, foretold before an answer is read.

The chance to show a claim whose truth lies a distance beyond its threshold. Independent scores of 0 and 1: exact, all
outcomes are counted. Scores of 0 and 1 in groups: the rule itself is tried on simulated answers, but for the bootstrap,
which agrees with one of the other two. Other scores: the noncentral t (J. Cohen 1988, Statistical Power Analysis for
the Behavioral Sciences, section 2.2) with the design effect 1 + (m - 1) rho (L. Kish 1965, Survey Sampling, section
5.4). Groups of several sizes are planned with as groups of one size that are worth as much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import stats

from components.evaluate.gate import outcomes
from components.evaluate.gate.bounds import Floats
from components.evaluate.gate.cluster_t import skew_error, untransformed
from components.evaluate.gate.grouped import Grouped
from components.evaluate.gate.rule import FEWEST_GROUPS

HALVINGS = 10
"""Of distances: to a thousandth."""
MOST_QUESTIONS = 1_000_000
"""More than that nobody is told to ask."""


@dataclass(frozen=True)
class Plan:
    """A claim as it is planned: what it rests on, and what is expected of the answers (fractions)."""

    sizes: Floats  # questions of each group
    binary: bool
    floor: bool  # whether it is about a score, not a difference
    threshold: float
    alpha: float
    discordance: float
    spread: float
    correlation: float

    @property
    def questions(self) -> int:
        """How many it rests on."""
        return int(self.sizes.sum())

    @property
    def groups(self) -> int:
        """How many it rests on."""
        return len(self.sizes)

    @property
    def too_few_groups(self) -> bool:
        """Whether it rests on groups, and these are too few for any method."""
        return not self._independent and Grouped(self.sizes, self.sizes).freedom + 1 < FEWEST_GROUPS

    def chance(self, distance: float) -> float:
        """To show the claim where the truth is ``distance`` beyond the threshold, or as far as can be."""
        truth = min(self.threshold + distance, 1.0)
        if truth <= self.threshold or self.too_few_groups:
            return 0.0
        if not self.binary:
            return self._by_t(truth)
        if self.floor:
            return self._of_share(truth)
        return self._of_difference(truth, max(self.discordance, abs(truth)))

    def visible(self, power: float) -> float | None:
        """The smallest true distance that is seen with the chance ``power``; None where even the largest is not."""
        near, far = 0.0, 1.0 - self.threshold
        if self.chance(far) < power:
            return None
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            near, far = (near, middle) if self.chance(middle) >= power else (middle, far)
        return far

    def needed(self, distance: float, power: float) -> int | None:
        """How many questions, in groups like these, see ``distance`` with the chance ``power``; None: far too many."""
        enough = 1.0
        while self.times(enough).chance(distance) < power:
            enough *= 2
            if enough * self.questions > MOST_QUESTIONS:
                return None
        few = enough / 2
        for _ in range(HALVINGS // 2):
            middle = (few + enough) / 2
            few, enough = (few, middle) if self.times(middle).chance(distance) >= power else (middle, enough)
        return self.times(enough).questions

    def times(self, factor: float) -> Plan:
        """The same claim on so many times the groups."""
        return replace(self, sizes=np.resize(self.sizes, max(1, round(len(self.sizes) * factor))))

    @property
    def _independent(self) -> bool:
        return self.binary and bool(self.sizes.max(initial=0) <= 1)

    @cached_property
    def _equal(self) -> tuple[int, int]:
        """Groups of one size that are worth as much as these: how many questions in each, how many groups."""
        size = max(1, round(Grouped(self.sizes, self.sizes).largest_effect))
        return size, max(2, round(self.questions / size))

    def _of_share(self, truth: float) -> float:
        if self._independent:
            return outcomes.share_shown(self.questions, truth, self.threshold, self.alpha)
        return outcomes.grouped_share_shown(*self._equal, truth, self.correlation, self.threshold, self.alpha)

    def _of_difference(self, truth: float, discordance: float) -> float:
        wins, losses = (discordance + truth) / 2, (discordance - truth) / 2
        if self._independent:
            return outcomes.difference_shown(self.questions, wins, losses, self.threshold, self.alpha)
        return outcomes.grouped_difference_shown(
            *self._equal, wins, losses, self.correlation, self.threshold, self.alpha
        )

    def _by_t(self, truth: float) -> float:
        size, count = self._equal
        error = self.spread * np.sqrt((1 + (size - 1) * self.correlation) / self.questions)
        freedom = count - 1
        reached = untransformed(stats.t.isf(self.alpha, freedom), -skew_error(freedom))
        return float(stats.nct.sf(reached, freedom, (truth - self.threshold) / error))
