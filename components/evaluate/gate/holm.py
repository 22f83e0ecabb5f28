"""Holm's correction among alternatives, of which one would do.

S. Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6:65-70.
Claims that must all hold need no correction: each is shown at alpha (R. L. Berger 1982, Technometrics 24:295-300,
intersection-union tests).
"""

from __future__ import annotations

from collections.abc import Sequence


def holm_levels(p_values: Sequence[float], alpha: float) -> list[float]:
    """What each p-value is held against, in their order.

    The smallest against alpha over their number, the next against alpha over one less, and so on; once one is above its
    level, that level holds for all that follow.
    """
    levels = [0.0] * len(p_values)
    stopped: float | None = None
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: (p_values[place], place))):
        level = alpha / (len(p_values) - rank) if stopped is None else stopped
        levels[place] = level
        if p_values[place] > level:
            stopped = level
    return levels
