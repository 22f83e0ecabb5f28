"""The interval of a share that a person is shown beside it."""

from __future__ import annotations

import math

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: two-sided 95 %."""


def wilson_interval(right: float, asked: int) -> tuple[float, float]:
    """The 95 % interval of a share, ``right`` of ``asked`` (E. B. Wilson 1927, doi:10.1080/01621459.1927.10502953).

    It stays within 0 and 1 and is not empty when all or none are right. It assumes independent questions: where
    they come in groups it is too narrow. Without any question it is (0, 1).
    """
    if not asked:
        return 0.0, 1.0
    share, square = right / asked, Z * Z / asked
    middle = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / asked + square / asked / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)
