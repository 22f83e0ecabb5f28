"""The cluster-robust t interval, corrected for skewness where that is more careful.

The variance is the jackknife's over groups (CR3), the degrees of freedom are Bell and McCaffrey's (``grouped``). Plain
t errs too often where a few groups lose much and most do not (12 % instead of 5 % with 100 groups); P. Hall's cubic
transformation takes out the first effect of skewness (1992, "On the removal of skewness by transformation", J. R.
Statist. Soc. B 54:221-228). Where the skewness is to the other side, plain t counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from components.evaluate.gate.bounds import Floats
from components.evaluate.gate.grouped import Grouped

TINY = 1e-12


@dataclass(frozen=True)
class ClusterT:
    """The interval of the mean over questions."""

    data: Grouped
    name: str = "cluster_t"

    @property
    def mean(self) -> Floats:
        """The mean that was measured."""
        return self.data.mean

    def low(self, alpha: float) -> Floats:
        """The lower of plain and corrected."""
        quantile = stats.t.isf(alpha, self.data.freedom)
        low: Floats = self.data.mean - np.maximum(quantile, self._untransformed(quantile)) * self.data.error
        return low

    def high(self, alpha: float) -> Floats:
        """The low end of what is mirrored."""
        return -ClusterT(Grouped(-self.data.sums, self.data.sizes, self.data.counts)).low(alpha)

    def p_value(self, threshold: float) -> Floats:
        """The larger of plain and corrected."""
        distance = self.data.mean - threshold
        ratio = distance / np.where(self.data.error > 0, self.data.error, 1.0)
        ratio = np.where(self.data.error > 0, ratio, np.where(distance > 0, np.inf, -np.inf))
        corrected = np.where(np.isfinite(ratio), self._transformed(np.where(np.isfinite(ratio), ratio, 0.0)), ratio)
        found: Floats = stats.t.sf(np.minimum(ratio, corrected), self.data.freedom)
        return found

    def _transformed(self, ratio: Floats) -> Floats:
        """Hall's g: nearer to t than the ratio of mean and standard error is."""
        skew = self.data.skew
        return ratio + skew * ratio**2 / 3 + skew**2 * ratio**3 / 27 + skew / 6

    def _untransformed(self, quantile: float) -> Floats:
        skew = np.where(np.abs(self.data.skew) > TINY, self.data.skew, TINY)
        moved = skew * (quantile - skew / 6)
        root = np.where(moved > -0.5, np.expm1(np.log1p(np.maximum(moved, -0.5)) / 3), np.cbrt(1 + moved) - 1)
        return 3 / skew * root
