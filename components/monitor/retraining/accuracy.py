"""Whether accuracy fell since the release, by what people said of the answers.

Each comparison is Fisher's exact test, one-sided, of a later stretch of windows against all windows before it: the
reference's own uncertainty is part of it (Fisher 1935, The Design of Experiments, §21). When a slow fall began nobody
knows, so every moment since the release is tried, and the smallest p-value is multiplied by their number: the
change-point model of statistical process control (Hawkins, Qiu and Kang 2003, Journal of Quality Technology 35),
with Bonferroni's bound in place of a simulated limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.monitor.figures import Score, pooled
from components.monitor.retraining.settings import Retraining


@dataclass(frozen=True)
class Comparison:
    """A later stretch of windows beside all before it."""

    before: Score
    after: Score
    windows: int
    """Windows of the later stretch; they are the last ones."""
    p: float
    """One-sided, against no fall; over all stretches that were tried."""

    @property
    def drop(self) -> float:
        """How far accuracy fell (fraction); negative where it rose."""
        return self.before.share - self.after.share


@dataclass(frozen=True)
class Fall:
    """How accuracy fell, and what shows it; ``code`` is `in_one_window`, `in_a_row` or `over_time`."""

    code: str
    shown: Comparison
    limit: float
    """What the p-value was held against."""


def compare(before: Score, after: Score, windows: int, tried: int = 1) -> Comparison:
    """Fisher's exact test, one-sided; ``tried`` is how many comparisons this one was chosen from."""
    from scipy.stats import hypergeom

    right = before.correct + after.correct
    p = float(hypergeom.cdf(after.correct, before.labelled + after.labelled, right, after.labelled))
    return Comparison(before, after, windows, min(1.0, tried * p))


def fall(scores: Sequence[Score], policy: Retraining) -> Fall | None:
    """The first that shows: in one window, in windows in a row, over time. ``scores`` are the windows, in order."""
    return _in_one_window(scores, policy) or _in_a_row(scores, policy) or _over_time(scores, policy)


def latest(scores: Sequence[Score], policy: Retraining) -> Comparison | None:
    """The shortest last stretch with enough labels beside all before it; None where labels are too few for that."""
    for windows in range(1, len(scores)):
        after = pooled(scores[-windows:])
        if after.labelled >= policy.least_labelled:
            before = pooled(scores[:-windows])
            return compare(before, after, windows) if before.labelled >= policy.least_labelled else None
    return None


def _in_one_window(scores: Sequence[Score], policy: Retraining) -> Fall | None:
    found = _against(scores[:-1], scores[-1:], policy)
    return Fall("in_one_window", found, policy.extreme) if found and found.p <= policy.extreme else None


def _in_a_row(scores: Sequence[Score], policy: Retraining) -> Fall | None:
    """Each of the last windows alone against all before the first of them; the weakest one is shown."""
    row = policy.windows_in_a_row
    weakest: Comparison | None = None
    for score in scores[-row:]:
        found = _against(scores[:-row], [score], policy)
        if found is None or found.p > policy.suspicious:
            return None
        weakest = found if weakest is None or found.p > weakest.p else weakest
    return Fall("in_a_row", weakest, policy.suspicious) if weakest else None


def _against(before: Sequence[Score], after: Sequence[Score], policy: Retraining) -> Comparison | None:
    """The comparison, where both sides have labels enough and the fall is large enough to matter."""
    old, new = pooled(before), pooled(after)
    if min(old.labelled, new.labelled) < policy.least_labelled or old.share - new.share < policy.least_drop:
        return None
    return compare(old, new, len(after))


def _over_time(scores: Sequence[Score], policy: Retraining) -> Fall | None:
    """Every moment at which a fall may have begun, by the score test; the clearest one is then tested exactly."""
    right = np.cumsum([score.correct for score in scores], dtype=float)[:-1]
    labelled = np.cumsum([score.labelled for score in scores], dtype=float)[:-1]
    if not len(labelled):
        return None
    total, all_right = labelled[-1] + scores[-1].labelled, right[-1] + scores[-1].correct
    enough = (labelled >= policy.least_labelled) & (total - labelled >= policy.least_labelled)
    if not enough.any():
        return None
    right, labelled = right[enough], labelled[enough]
    drops = right / labelled - (all_right - right) / (total - labelled)
    spread = np.sqrt((1 / labelled + 1 / (total - labelled)) * _variance(all_right / total))
    clearest = int(np.argmax(np.where(drops >= policy.least_drop, drops / spread, -np.inf)))
    if drops[clearest] < policy.least_drop:
        return None
    begun = int(np.flatnonzero(enough)[clearest]) + 1
    found = compare(pooled(scores[:begun]), pooled(scores[begun:]), len(scores) - begun, len(labelled))
    return Fall("over_time", found, policy.cumulative) if found.p <= policy.cumulative else None


def _variance(share: float) -> float:
    """Of one answer; a little more than nothing where all are alike, so that nothing is divided by it."""
    return max(share * (1 - share), 1e-12)
