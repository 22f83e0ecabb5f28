"""Simulated answers for ``benchmarks.gate``, and whether the gate's rule shows a claim on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.evaluate.gate.bca import Bca
from components.evaluate.gate.bounds import Bounds, Floats, MostCareful
from components.evaluate.gate.clopper_pearson import ClopperPearson
from components.evaluate.gate.cluster_t import ClusterT
from components.evaluate.gate.effective import EffectiveClopperPearson, EffectiveTango
from components.evaluate.gate.grouped import Grouped
from components.evaluate.gate.rule import ONE_QUESTION
from components.evaluate.gate.tango import Tango

ALPHA = 0.05
RESAMPLES = 10_000

Shown = npt.NDArray[np.bool_]
Generator = np.random.Generator
Trial = Callable[[Generator, int], Shown]
"""Simulates so many runs and says in which of them the claim was shown."""
Draw = Callable[[Generator, int], "Answers"]
Values = Callable[[Generator, tuple[int, ...]], Floats]
"""Draws scores, or differences of scores, of one question each."""


@dataclass(frozen=True)
class Answers:
    """Many runs' answers, summed by group: what was won and what was lost, (runs, groups)."""

    won: Floats
    lost: Floats
    sizes: Floats
    binary: bool


def independent_difference(questions: int, won: float, lost: float, threshold: float) -> Trial:
    """A comparison of questions that stand alone; ``won`` and ``lost`` are probabilities."""

    def trial(generator: Generator, runs: int) -> Shown:
        counts = generator.multinomial(questions, [won, lost, 1 - won - lost], size=runs).astype(np.float64)
        return Tango(counts[:, 0], counts[:, 1], questions, ONE_QUESTION).p_value(threshold) <= ALPHA

    return trial


def independent_share(questions: int, share: float, floor: float) -> Trial:
    """A floor for questions that stand alone."""

    def trial(generator: Generator, runs: int) -> Shown:
        right = generator.binomial(questions, share, size=runs).astype(np.float64)
        return ClopperPearson(right, questions).p_value(np.nextafter(floor, 0)) <= ALPHA

    return trial


def grouped_difference(draw: Draw, threshold: float) -> Trial:
    """A comparison of questions in groups."""

    def trial(generator: Generator, runs: int) -> Shown:
        answers = draw(generator, runs)
        tango = EffectiveTango(answers.won, answers.lost, answers.sizes, answers.binary)
        return _shown(Grouped(answers.won - answers.lost, answers.sizes), tango, threshold)

    return trial


def grouped_share(draw: Draw, floor: float) -> Trial:
    """A floor for questions in groups."""

    def trial(generator: Generator, runs: int) -> Shown:
        answers = draw(generator, runs)
        data = Grouped(answers.won, answers.sizes)
        return _shown(data, EffectiveClopperPearson(data, answers.binary), float(np.nextafter(floor, 0)))

    return trial


def mixed(sizes: Floats, won: float, lost: float, correlation: float) -> Draw:
    """Answers that are won, lost or neither, with shares that vary from group to group (Dirichlet-multinomial)."""
    precision = 1 / correlation - 1

    def draw(generator: Generator, runs: int) -> Answers:
        shape = (runs, len(sizes))
        parts = [_gamma(generator, precision * share, shape) for share in (won, lost, 1 - won - lost)]
        whole = np.maximum(parts[0] + parts[1] + parts[2], 1e-300)
        wins = generator.binomial(sizes.astype(np.int64), np.clip(parts[0] / whole, 0, 1))
        rest = np.maximum(parts[1] + parts[2], 1e-300)
        losses = generator.binomial(sizes.astype(np.int64) - wins, np.clip(parts[1] / rest, 0, 1))
        return Answers(wins.astype(np.float64), losses.astype(np.float64), sizes, binary=True)

    return draw


def copied(sizes: Floats, values: Values, correlation: float, binary: bool = False) -> Draw:
    """Answers of any distribution, each of which copies that of its group's lead with the root of the correlation."""

    def draw(generator: Generator, runs: int) -> Answers:
        shape = (runs, len(sizes))
        lead = values(generator, shape)
        won, lost = np.zeros(shape), np.zeros(shape)
        for place in range(int(sizes.max())):
            longer = np.flatnonzero(sizes > place)
            copies = generator.random((runs, len(longer))) < np.sqrt(correlation)
            value = np.where(copies, lead[:, longer], values(generator, copies.shape))
            won[:, longer] += np.maximum(value, 0)
            lost[:, longer] += np.maximum(-value, 0)
        return Answers(won, lost, sizes, binary)

    return draw


def _gamma(generator: Generator, shape: float, size: tuple[int, int]) -> Floats:
    return generator.standard_gamma(shape, size) if shape > 0 else np.zeros(size)


def _shown(data: Grouped, effective: Bounds, threshold: float) -> Shown:
    """By the rule. All its methods must show a claim, so the bootstrap is asked only where the others do."""
    shown = np.asarray(MostCareful((ClusterT(data), effective)).p_value(threshold) <= ALPHA)
    left = Grouped(data.sums[shown], data.sizes)
    shown[shown] = Bca(left, RESAMPLES, 0).p_value(threshold) <= ALPHA
    return shown
