"""The bootstrap's BCa interval over groups, corrected for bias, for skewness, and for few groups.

B. Efron 1987, "Better bootstrap confidence intervals", J. Am. Statist. Assoc. 82:171-185. Whole groups are resampled,
with both models' answers to them (A. C. Davison and D. V. Hinkley 1997, Bootstrap Methods and their Application,
section 3.8). The level is widened as t is wider than the normal (T. C. Hesterberg 2015, "What teachers should know
about the bootstrap", Am. Statist. 69:371-386, "expanded percentile").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from components.evaluate.gate.bounds import Floats
from components.evaluate.gate.grouped import Grouped

BLOCK = 1000
"""Resamples drawn at once: what is held in memory is this times the groups."""


def resampled_means(data: Grouped, resamples: int, seed: int) -> Iterator[Floats]:
    """The means of resamples of the groups, in blocks of the shape (resamples) or (resamples, data sets)."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, BLOCK):
        shape = (min(BLOCK, resamples - start), data.count)
        drawn = generator.integers(0, data.count, size=shape, dtype=np.int32)
        yield _means_of_one(data, drawn) if data.sums.ndim == 1 else _means_of_many(data, drawn)


def _means_of_one(data: Grouped, drawn: npt.NDArray[np.int32]) -> Floats:
    """Sums and sizes are looked up together, as the two parts of a complex number: that halves the time."""
    total = np.take(data.sums + 1j * data.sizes, drawn).sum(axis=1)
    return np.asarray(total.real / total.imag)


def _means_of_many(data: Grouped, drawn: npt.NDArray[np.int32]) -> Floats:
    """How often each resample holds each group does for all data sets, in one product of matrices."""
    rows = np.arange(len(drawn), dtype=np.int32)[:, None] * data.count
    held = np.bincount((drawn + rows).ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
    means: Floats = (held @ data.sums.T) / (held @ data.sizes)[:, None]
    return means


@dataclass(frozen=True)
class Bca:
    """The interval of the mean over questions."""

    data: Grouped
    resamples: int
    seed: int
    name: str = "bca"

    @property
    def mean(self) -> Floats:
        """The mean that was measured."""
        return self.data.mean

    def low(self, alpha: float) -> Floats:
        """The resampled mean at the level that BCa takes for ``alpha``."""
        rank = np.floor(self.resamples * self._level(-self._quantile(alpha))).astype(np.int64)
        return self._ranked(rank)

    def high(self, alpha: float) -> Floats:
        """The same from above."""
        rank = np.floor(self.resamples * (1 - self._level(self._quantile(alpha)))).astype(np.int64)
        return self._ranked(self.resamples - 1 - rank)

    def p_value(self, threshold: float) -> Floats:
        """The level at which the low end is ``threshold``; no smaller than the resamples can show."""
        least = 1 / (self.resamples + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            reached = special.ndtri(self._share_up_to(threshold)) - self._bias
            pace = 1 + self._acceleration * reached
            quantile = np.where(pace > 0, reached / pace, np.sign(reached) * np.inf) - self._bias
        quantile = np.where(np.isinf(reached), reached, quantile)  # beyond all resamples, on either side
        found: Floats = stats.t.cdf(quantile / self._widened, self.data.freedom)
        return np.maximum(found, least)

    @cached_property
    def _means(self) -> Floats:
        return np.concatenate(list(resampled_means(self.data, self.resamples, self.seed)))

    @cached_property
    def _sorted(self) -> Floats:
        return np.sort(self._means, axis=0)

    @cached_property
    def _bias(self) -> Floats:
        """Efron's z0; resamples that hit the mean exactly count half."""
        below = self._share_up_to(self.data.mean, or_equal=False)
        share = (below + self._share_up_to(self.data.mean)) / 2
        edge = 0.5 / self.resamples
        found: Floats = special.ndtri(np.clip(share, edge, 1 - edge))
        return found

    @property
    def _acceleration(self) -> Floats:
        return self.data.skew / 6

    @property
    def _widened(self) -> float:
        return float(np.sqrt(self.data.count / (self.data.count - 1)))

    def _quantile(self, alpha: float) -> float:
        return float(self._widened * stats.t.isf(alpha, self.data.freedom))

    def _level(self, quantile: float) -> Floats:
        """The share of resamples below the end of an interval, for a quantile of the normal distribution."""
        reached = self._bias + quantile
        pace = 1 - self._acceleration * reached
        moved = self._bias + reached / np.where(pace > 0, pace, 1.0)
        level: Floats = np.where(pace > 0, special.ndtr(moved), reached > 0)
        return level

    def _ranked(self, rank: npt.NDArray[np.int64]) -> Floats:
        kept = np.clip(rank, 0, self.resamples - 1)
        return np.asarray(np.take_along_axis(self._sorted, kept[None, ...], axis=0)[0])

    def _share_up_to(self, value: float | Floats, or_equal: bool = True) -> Floats:
        """The share of resampled means that are at most ``value``."""
        return np.asarray((self._means <= value if or_equal else self._means < value).mean(axis=0))
