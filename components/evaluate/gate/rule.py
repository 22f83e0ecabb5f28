"""Which method is used when. Decided by simulation at the margin, one-sided 5 %; ``make bench-gate`` repeats it.

- Scores of 0 and 1, one question a group: they are independent, and Tango's score interval (with one question's
  correction) or, for a floor, the exact one counts. Both are right at any number of questions.
- All else rests on groups, and the most careful of three counts: **cluster_t**, corrected for skewness, **bca**, and
  Tango's or the exact one on as many questions as the grouped ones are worth (of scores other than 0 and 1 only where
  fewer than eight groups differ). None alone holds its level everywhere. With 100 groups of five and a correlation of
  .5, scores of 0 and 1, a true loss at the margin of 0.02 with 5 % differing passed in 7.7 % (t), 8.8 % (BCa) and 4 %
  (Tango), and a floor of 0.95 in 11 % by t without its correction; a floor of 0.95 for scores spread over 0 to 1, in
  5.8 % by BCa and by t with the skewness as measured. Together: no more than 5.2 % was found, of even and of uneven
  groups. Where scores spread evenly the three agree, and being careful costs a point or two of power.
- From fewer than 40 groups (of one size, or as many as are worth that) skewness cannot be told, and none holds its
  level: the claim is refused as resting on too few.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.evaluate.gate.bca import Bca
from components.evaluate.gate.bounds import Bounds, Floats, MostCareful
from components.evaluate.gate.clopper_pearson import ClopperPearson
from components.evaluate.gate.cluster_t import ClusterT
from components.evaluate.gate.effective import EffectiveClopperPearson, EffectiveTango
from components.evaluate.gate.grouped import Grouped, group_sums
from components.evaluate.gate.tango import Tango

FEWEST_GROUPS = 40
"""Groups of one size, or as many as are worth that, which the methods for groups need."""
ONE_QUESTION = 1.0

Codes = npt.NDArray[np.int64]


def of_difference(candidate: Floats, incumbent: Floats, groups: Codes, resamples: int, seed: int) -> Bounds:
    """Bounds of the mean of candidate - incumbent, from scores (questions) in [0, 1] and groups 0, 1, … of each."""
    difference = candidate - incumbent
    wins, losses = np.maximum(difference, 0), np.maximum(-difference, 0)
    binary = is_binary(candidate) and is_binary(incumbent)
    if binary and stand_alone(groups):
        return Tango(float(wins.sum()), float(losses.sum()), len(groups), ONE_QUESTION)
    data = Grouped.of(difference, groups)
    of_wins, of_losses = group_sums(wins, groups), group_sums(losses, groups)
    return MostCareful(
        (ClusterT(data), Bca(data, resamples, seed), EffectiveTango(of_wins, of_losses, data.sizes, binary))
    )


def of_score(scores: Floats, groups: Codes, resamples: int, seed: int) -> Bounds:
    """Bounds of the mean of scores (questions) in [0, 1], with the groups 0, 1, … of each."""
    if is_binary(scores) and stand_alone(groups):
        return ClopperPearson(float(scores.sum()), len(groups))
    data = Grouped.of(scores, groups)
    exact = EffectiveClopperPearson(data, is_binary(scores))
    return MostCareful((ClusterT(data), Bca(data, resamples, seed), exact))


def is_binary(scores: Floats) -> bool:
    """Whether all scores are 0 or 1."""
    return bool(np.isin(scores, (0.0, 1.0)).all())


def stand_alone(groups: Codes) -> bool:
    """Whether each group has one question."""
    return bool(np.bincount(groups).max(initial=0) <= 1)
