"""Years of a model that serves, window by window, as figures that ``decide`` looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.special import ndtr

from components.core.decision import Verdict
from components.monitor.drift.compare import holm
from components.monitor.drift.settings import Drift
from components.monitor.figures import Figures, Score, Shift
from components.monitor.retraining.rule import Answer, History, Retrained, decide
from components.monitor.retraining.settings import Retraining

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
WEEKS = 52
REQUESTS = 2_000
ACCURACY = 0.9
FEATURES, REFERENCES = 12, ("training", "release")
ALIKE = 0.5
"""Correlation of the two comparisons of one feature: they share the window."""
ONCE = 0.25
"""CPU-hours of one retraining."""
DRIFT = Drift()
LEAST_EFFECT = 0.1

Generator = np.random.Generator


@dataclass(frozen=True)
class World:
    """What is true: accuracy by week since the release, and which share of the answers people speak about."""

    feedback: float
    fall: float = 0.0
    begins: int = WEEKS
    """The first week with less accuracy."""
    takes: int = 1
    """Weeks until all of the fall is there; 1: at once."""
    weeks: int = WEEKS

    def accuracy(self, week: int) -> float:
        """In a week, the first after the release being 0."""
        return ACCURACY - self.fall * min(max(week - self.begins + 1, 0) / self.takes, 1.0)


def no_shifts(generator: Generator, requests: int = REQUESTS) -> tuple[Shift, ...]:
    """What drift finds where nothing drifted: p-values even on 0 to 1, each with the distance that it belongs to."""
    window = generator.normal(size=(FEATURES, 1))
    mixed = np.sqrt(ALIKE) * window + np.sqrt(1 - ALIKE) * generator.normal(size=(FEATURES, len(REFERENCES)))
    p = ndtr(-mixed.ravel()).clip(1e-300, 1.0)
    effects = np.sqrt(-np.log(p / 2) / requests).clip(0, 1)  # of Kolmogorov and Smirnov, both sides of this size
    return tuple(
        Shift(
            feature=f"feature-{number // len(REFERENCES)}",
            against=REFERENCES[number % len(REFERENCES)],
            test="Kolmogorov-Smirnov",
            p=one,
            adjusted=adjusted,
            effect=effect,
            measure="distance",
            least=LEAST_EFFECT,
            n=requests,
            n_reference=requests,
            drifted=adjusted <= DRIFT.alpha and effect >= LEAST_EFFECT,
        )
        for number, (one, adjusted, effect) in enumerate(
            zip(p.tolist(), holm(p.tolist()), effects.tolist(), strict=True)
        )
    )


def window(generator: Generator, world: World, week: int, reference: Score) -> Figures:
    """One week of traffic as figures."""
    labelled = int(generator.binomial(REQUESTS, world.feedback))
    correct = int(generator.binomial(labelled, world.accuracy(week)))
    quality = Score(correct=correct, labelled=labelled)
    return Figures(
        endpoint="helpdesk",
        model="a" * 64,
        released=START.isoformat(),
        since=(START + week * WEEK).isoformat(),
        until=(START + (week + 1) * WEEK).isoformat(),
        requests=REQUESTS,
        units=400,
        answered=REQUESTS,
        corrections=labelled - correct,
        quality=quality,
        reference=reference if week else quality,
        shifts=no_shifts(generator) if week else no_shifts(generator)[:: len(REFERENCES)],
    )


def answers(seed: int, world: World, policy: Retraining) -> Iterator[Answer]:
    """What is decided week by week.

    The same model goes on after a retraining, as where the gate finds nothing better: the worst case, for the evidence
    that misled once is still there when the cool-down is over.
    """
    generator = np.random.default_rng(seed)
    windows: list[Figures] = []
    retrainings: tuple[Retrained, ...] = ()
    for week in range(world.weeks):
        figures = window(generator, world, week, windows[0].quality if windows else Score())
        until = windows[-1].until if windows else ""
        kept = tuple(windows[-policy.look_back :])
        history = History(kept, len(kept) == len(windows), until, retrainings, ONCE)
        answer = decide(figures, policy, history)
        windows.append(figures)
        if answer.verdict is Verdict.RETRAIN:
            retrainings = (*retrainings, Retrained(START + (week + 1) * WEEK, ONCE))
        yield answer
