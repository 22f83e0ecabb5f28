"""How often a claim about scores of 0 and 1 is shown, under a given truth: counted out, or simulated for groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from components.evaluate.gate.bounds import Bounds, Floats
from components.evaluate.gate.clopper_pearson import ClopperPearson
from components.evaluate.gate.cluster_t import ClusterT
from components.evaluate.gate.effective import EffectiveClopperPearson, EffectiveTango
from components.evaluate.gate.grouped import Grouped
from components.evaluate.gate.rule import ONE_QUESTION
from components.evaluate.gate.tango import tango_score

Counts = npt.NDArray[np.int64]

FAR = 9.0
"""Standard deviations that are counted out; what is beyond is less than a double can add."""
CELLS = 1_000_000
"""Of simulated data sets times kinds of groups."""


def share_shown(questions: int, share: float, floor: float, alpha: float) -> float:
    """The chance that the exact interval of so many independent answers, ``share`` of them right, reaches ``floor``."""
    most = min(questions, int(questions * floor + FAR * np.sqrt(questions) + FAR))
    right = np.arange(int(questions * floor), most + 1)
    shown = ClopperPearson(right.astype(np.float64), questions).p_value(floor) <= alpha
    return float(stats.binom.sf(right[np.argmax(shown)] - 1, questions, share)) if shown.any() else 0.0


def difference_shown(questions: int, wins: float, losses: float, threshold: float, alpha: float) -> float:
    """The chance that Tango's interval of so many independent answers exceeds ``threshold``.

    ``wins`` and ``losses`` are probabilities. For every number of losses the fewest wins that show it are found, since
    the score rises with the wins.
    """
    most = min(questions, int(questions * losses + FAR * np.sqrt(questions * losses + 1) + FAR))
    lost = np.arange(most + 1, dtype=np.int64)
    needed = _fewest_wins(lost, questions, threshold, stats.norm.isf(alpha))
    others = wins / (1 - losses) if losses < 1 else 0.0
    shown = stats.binom.pmf(lost, questions, losses) * stats.binom.sf(needed - 1, questions - lost, min(others, 1.0))
    return float(shown.sum())


def _fewest_wins(lost: Counts, questions: int, threshold: float, quantile: float) -> Counts:
    """For each number of losses; more than there can be where even all do not suffice."""
    few, enough = np.full(len(lost), -1), questions - lost + 1
    while (enough - few > 1).any():
        middle = (few + enough) // 2
        score = tango_score(middle.astype(float), lost.astype(float), questions, threshold, ONE_QUESTION)
        moves = enough - few > 1
        few = np.where(moves & (score <= quantile), middle, few)
        enough = np.where(moves & (score > quantile), middle, enough)
    return enough


def grouped_share_shown(size: int, groups: int, share: float, correlation: float, floor: float, alpha: float) -> float:
    """The chance that ``groups`` of ``size`` questions show a floor, by simulated answers (beta-binomial)."""
    right = np.arange(size + 1, dtype=np.float64)
    chances = dirichlet_multinomial(np.stack([right, size - right]), np.array([share, 1 - share]), correlation)
    data = Grouped(right, np.full(size + 1, float(size)), drawn(chances, groups))
    return _shown((ClusterT(data), EffectiveClopperPearson(data, binary=True)), floor, alpha)


def grouped_difference_shown(
    size: int, groups: int, wins: float, losses: float, correlation: float, threshold: float, alpha: float
) -> float:
    """The chance that ``groups`` of ``size`` questions exceed a threshold, by simulated answers."""
    won, lost = (part.ravel().astype(np.float64) for part in np.meshgrid(np.arange(size + 1), np.arange(size + 1)))
    won, lost = won[won + lost <= size], lost[won + lost <= size]
    shares = np.array([wins, losses, 1 - wins - losses])
    counts = drawn(dirichlet_multinomial(np.stack([won, lost, size - won - lost]), shares, correlation), groups)
    sizes = np.full(len(won), float(size))
    data = Grouped(won - lost, sizes, counts)
    return _shown((ClusterT(data), EffectiveTango(won, lost, sizes, binary=True, counts=counts)), threshold, alpha)


def dirichlet_multinomial(kinds: Floats, shares: Floats, correlation: float) -> Floats:
    """The probability of each kind of group, a column of counts by outcome, where two answers correlate so.

    J. E. Mosimann 1962, Biometrika 49:65-82: the shares vary from group to group with precision 1 / correlation - 1.
    """
    possible = (kinds[shares <= 0] == 0).all(axis=0)
    kinds, shares = kinds[shares > 0], shares[shares > 0]
    size = kinds.sum(axis=0)
    ways = special.gammaln(size + 1) - special.gammaln(kinds + 1).sum(axis=0)
    if correlation <= 0:
        log = ways + (kinds * np.log(shares)[:, None]).sum(axis=0)
    else:
        precision = 1 / correlation - 1
        weights = (precision * shares)[:, None]
        log = ways + special.gammaln(precision) - special.gammaln(precision + size)
        log = log + (special.gammaln(weights + kinds) - special.gammaln(weights)).sum(axis=0)
    chances = np.where(possible, np.exp(log), 0.0)
    found: Floats = chances / chances.sum()
    return found


def drawn(chances: Floats, groups: int) -> Floats:
    """How often each kind of group occurs: (data sets, kinds), always the same for the same arguments."""
    sets = int(np.clip(CELLS / len(chances), 1000, 8000))
    return np.random.default_rng(0).multinomial(groups, chances, size=sets).astype(np.float64)


def _shown(methods: tuple[Bounds, ...], threshold: float, alpha: float) -> float:
    return float((np.maximum.reduce([method.p_value(threshold) for method in methods]) <= alpha).mean())
