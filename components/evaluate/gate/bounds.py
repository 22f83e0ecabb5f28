"""``Bounds``: what every method says about a mean or a difference, and the most careful of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
"""Numbers of one data set, or of many at once: then the first axis counts the data sets."""
Numbers = Floats | float


class Bounds(Protocol):
    """One-sided bounds of a mean at any level, and the test that belongs to them.

    ``p_value(threshold) <= alpha`` exactly where ``low(alpha) > threshold``.
    """

    @property
    def name(self) -> str:
        """The method, as evidence names it."""

    @property
    def mean(self) -> Floats:
        """What was measured."""

    def low(self, alpha: float) -> Floats:
        """What the mean exceeds, but for an error of ``alpha``."""

    def high(self, alpha: float) -> Floats:
        """What the mean stays below, but for an error of ``alpha``."""

    def p_value(self, threshold: float) -> Floats:
        """One-sided, against the mean being ``threshold`` or less."""


@dataclass(frozen=True)
class MostCareful:
    """Of several methods the one that claims the least, at each end by itself.

    Where each method errs with at most alpha, so does this; where one of them errs more often, another may hold it.
    """

    methods: Sequence[Bounds]

    @property
    def name(self) -> str:
        """All methods; ``binding`` says which one counts."""
        return "+".join(method.name for method in self.methods)

    @property
    def mean(self) -> Floats:
        """What was measured, the same by all."""
        return self.methods[0].mean

    def binding(self, alpha: float) -> str:
        """The method whose low end counts, for one data set."""
        return min(self.methods, key=lambda method: float(method.low(alpha))).name

    def low(self, alpha: float) -> Floats:
        """The lowest of the low ends."""
        return np.asarray(np.minimum.reduce([method.low(alpha) for method in self.methods]))

    def high(self, alpha: float) -> Floats:
        """The highest of the high ends."""
        return np.asarray(np.maximum.reduce([method.high(alpha) for method in self.methods]))

    def p_value(self, threshold: float) -> Floats:
        """The largest of the p-values."""
        return np.asarray(np.maximum.reduce([method.p_value(threshold) for method in self.methods]))
