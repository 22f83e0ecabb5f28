"""What the gate's statistics are worth: error rates, power, speed. ``make bench-gate`` prints it.

Errors are counted at the margin, where they are most likely: the candidate loses exactly as much as may not be lost.
Power is foretold first, then counted. The bootstrap's time stands beside SciPy's, taken in turn on the same machine.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from benchmarks.gate_answers import (
    ALPHA,
    RESAMPLES,
    Generator,
    Trial,
    Values,
    copied,
    grouped_difference,
    grouped_share,
    independent_difference,
    independent_share,
    mixed,
)
from components.evaluate.gate import rule
from components.evaluate.gate.bounds import Floats
from components.evaluate.gate.power import Plan

MOST_ERRORS = 0.055
RUNS, RUNS_OF_POWER, BLOCK = 20_000, 10_000, 1_000
NEAR = 0.02
"""How far foretold and counted power may be apart."""
SUITES, QUESTIONS, GROUPS, SECONDS = 10, 14_000, 1_400, 10.0
SIZE = 5
"""Questions of a group."""


@dataclass(frozen=True)
class Scenario:
    """A claim and a truth; where there is a plan, its power at ``distance`` is foretold."""

    name: str
    trial: Trial
    runs: int = RUNS
    plan: Plan | None = None
    distance: float = 0.0

    def rate(self) -> tuple[float, float]:
        """In which share of runs the claim was shown, and the upper 95 % bound of that (Clopper and Pearson)."""
        generator = np.random.default_rng(20_261_124)
        shown = sum(int(self.trial(generator, BLOCK).sum()) for _ in range(self.runs // BLOCK))
        return shown / self.runs, float(stats.beta.ppf(0.95, shown + 1, self.runs - shown))


def even(mean: float) -> Values:
    """Differences of two scores that spread over all of 0 to 1, with this mean."""

    def values(generator: Generator, shape: tuple[int, ...]) -> Floats:
        scores = [generator.beta(4 * share, 4 * (1 - share), shape) for share in (0.7 + mean, 0.7)]
        return scores[0] - scores[1]

    return values


def rare(mean: float) -> Values:
    """Differences that are mostly none, and now and then a heavy loss."""

    def values(generator: Generator, shape: tuple[int, ...]) -> Floats:
        return np.where(generator.random(shape) < -2 * mean, -generator.beta(2, 2, shape), 0.0)

    return values


def score(mean: float) -> Values:
    """Scores that spread over all of 0 to 1, with this mean."""
    return lambda generator, shape: generator.beta(3 * mean, 3 * (1 - mean), shape)


def at_the_margin() -> Iterator[Scenario]:
    """Candidates that must not pass, but only just."""
    for questions in (200, 500, 2000):
        for threshold, discordance in (
            (-0.02, 0.03),
            (-0.02, 0.2),
            (-0.05, 0.06),
            (-0.05, 0.3),
            (0, 0.05),
            (0.02, 0.03),
        ):
            won, lost = (discordance + threshold) / 2, (discordance - threshold) / 2
            name = f"{questions} alone, difference {threshold:+.2f}, {discordance:.0%} differ"
            yield Scenario(name, independent_difference(questions, won, lost, threshold), 10 * RUNS)
        for floor in (0.1, 0.5, 0.9, 0.98):
            yield Scenario(f"{questions} alone, floor {floor:g}", independent_share(questions, floor, floor), 10 * RUNS)
    for groups in (100, 400):
        for correlation in (0.2, 0.5):
            yield from _in_groups(
                np.full(groups, float(SIZE)), correlation, f"{groups} x {SIZE}, r .{correlation * 10:.0f}"
            )
    # A tenth of them hold a quarter of the questions: as much is told of a variance by 63 groups of one size.
    sizes = np.ceil(np.exp(np.random.default_rng(1).normal(1.3, 0.8, 400))).clip(1, 30)
    yield from _in_groups(sizes, 0.5, "400 of 1 to 30, r .5")


def _in_groups(sizes: Floats, correlation: float, name: str) -> Iterator[Scenario]:
    for threshold, discordance in ((-0.02, 0.03), (-0.05, 0.1), (-0.05, 0.3), (0.0, 0.1), (0.02, 0.05)):
        won, lost = (discordance + threshold) / 2, (discordance - threshold) / 2
        trial = grouped_difference(mixed(sizes, won, lost, correlation), threshold)
        yield Scenario(f"{name}, 0 or 1, difference {threshold:+.2f}, {discordance:.0%} differ", trial)
    for what, values in (("even", even), ("rare heavy losses", rare)):
        trial = grouped_difference(copied(sizes, values(-0.05), correlation), -0.05)
        yield Scenario(f"{name}, 0 to 1, difference -0.05, {what}", trial)
    for floor in (0.5, 0.9, 0.97):
        trial = grouped_share(mixed(sizes, floor, 1 - floor, correlation), floor)
        yield Scenario(f"{name}, 0 or 1, floor {floor:g}", trial)
    for floor in (0.8, 0.95):
        yield Scenario(
            f"{name}, 0 to 1, floor {floor:g}", grouped_share(copied(sizes, score(floor), correlation), floor)
        )


def beyond_the_margin() -> Iterator[Scenario]:
    """Candidates that should pass, and how likely they do."""
    alone = Plan(np.ones(500), True, False, -0.02, ALPHA, 0.05, 0.3, 0.2)
    for questions, threshold, discordance in (
        (200, -0.05, 0.1),
        (500, -0.03, 0.1),
        (2000, -0.02, 0.1),
        (2000, 0.0, 0.2),
    ):
        plan = replace(alone, sizes=np.ones(questions), threshold=threshold, discordance=discordance)
        distance = -threshold or 0.03
        truth = threshold + distance
        trial = independent_difference(questions, (discordance + truth) / 2, (discordance - truth) / 2, threshold)
        name = f"{questions} alone, difference above {threshold:+.2f}, true {truth:+.2f}"
        yield Scenario(name, trial, RUNS, plan, distance)
    for questions, floor, distance in ((200, 0.8, 0.07), (1000, 0.95, 0.02)):
        plan = replace(alone, sizes=np.ones(questions), floor=True, threshold=floor)
        trial = independent_share(questions, floor + distance, floor)
        yield Scenario(f"{questions} alone, floor {floor:g}, true {floor + distance:g}", trial, RUNS, plan, distance)
    for groups in (100, 400):
        for correlation in (0.2, 0.5):
            yield from _beyond_in_groups(groups, replace(alone, correlation=correlation, discordance=0.1))


def _beyond_in_groups(groups: int, plan: Plan) -> Iterator[Scenario]:
    plan = replace(plan, sizes=np.full(groups, float(SIZE)))
    name = f"{groups} x {SIZE}, r .{plan.correlation * 10:.0f}"
    loss = 0.06 if groups == 100 else 0.03
    trial = grouped_difference(mixed(plan.sizes, 0.05, 0.05, plan.correlation), -loss)
    given = replace(plan, threshold=-loss)
    yield Scenario(f"{name}, 0 or 1, difference above {-loss:+.2f}, true 0", trial, RUNS_OF_POWER, given, loss)
    gain = 0.05 if groups == 100 else 0.025
    trial = grouped_difference(mixed(plan.sizes, 0.05 + gain / 2, 0.05 - gain / 2, plan.correlation), 0.0)
    given = replace(plan, threshold=0.0)
    yield Scenario(f"{name}, 0 or 1, difference above 0, true {gain:+.3f}", trial, RUNS_OF_POWER, given, gain)
    distance = 0.06 if groups == 100 else 0.03
    trial = grouped_share(mixed(plan.sizes, 0.85 + distance, 0.15 - distance, plan.correlation), 0.85)
    given = replace(plan, floor=True, threshold=0.85)
    yield Scenario(f"{name}, 0 or 1, floor 0.85, true {0.85 + distance:g}", trial, RUNS_OF_POWER, given, distance)
    trial = grouped_difference(copied(plan.sizes, even(0.0), plan.correlation), -loss)
    given = replace(plan, binary=False, threshold=-loss, spread=float(np.sqrt(2 * 0.21 / 5)))
    yield Scenario(f"{name}, 0 to 1, difference above {-loss:+.2f}, true 0", trial, RUNS_OF_POWER, given, loss)


def print_errors() -> bool:
    """Error rates; whether all are small enough."""
    print(f"\nFalse promotions at the margin, one-sided {ALPHA:.0%}; upper 95 % bound at most {MOST_ERRORS:.1%}")
    print(f"{'answers':<62} {'runs':>8} {'rate':>7} {'bound':>7}")
    sound = True
    for scenario, (rate, bound) in _counted(at_the_margin()):
        sound &= bound <= MOST_ERRORS
        print(
            f"{scenario.name:<62} {scenario.runs:8,} {rate:7.2%} {bound:7.2%} {_tick(bound <= MOST_ERRORS)}", flush=True
        )
    return sound


def print_power() -> bool:
    """Power as foretold and as counted; whether they agree."""
    print(f"\nPower, foretold before an answer was read; counted within {100 * NEAR:.0f} points of it")
    print(f"{'answers':<62} {'runs':>8} {'foretold':>8} {'counted':>8}")
    sound = True
    for scenario, (counted, _) in _counted(beyond_the_margin()):
        assert scenario.plan is not None
        foretold = scenario.plan.chance(scenario.distance)
        near = abs(foretold - counted) <= NEAR
        sound &= near
        print(f"{scenario.name:<62} {scenario.runs:8,} {foretold:8.1%} {counted:8.1%} {_tick(near)}", flush=True)
    return sound


def print_speed() -> bool:
    """Seconds for ten suites, ours beside SciPy's; whether ours are few enough."""
    generator = np.random.default_rng(0)
    ours = theirs = 0.0
    print(f"\n{SUITES} suites x {QUESTIONS:,} questions in {GROUPS:,} groups, scores 0 to 1, {RESAMPLES:,} resamples")
    for _ in range(SUITES):
        groups = np.concatenate([np.arange(GROUPS), generator.integers(0, GROUPS, QUESTIONS - GROUPS)])
        candidate, incumbent = generator.beta(3, 1, QUESTIONS), generator.beta(3, 1, QUESTIONS)
        begun = time.perf_counter()
        bounds = rule.of_difference(candidate, incumbent, groups, RESAMPLES, 0)
        low = float(bounds.low(ALPHA))
        bounds.high(ALPHA), bounds.p_value(-0.02)
        ours += time.perf_counter() - begun
        begun = time.perf_counter()
        other = _scipy_low(candidate - incumbent, groups)
        theirs += time.perf_counter() - begun
        print(f"  low end: ours {100 * low:+.3f} points (the most careful of three), SciPy's BCa {100 * other:+.3f}")
    print(f"{'ours, all three methods':<40} {ours:6.2f} s of {SECONDS:.0f} {_tick(ours <= SECONDS)}")
    print(f"{'scipy.stats.bootstrap, BCa alone':<40} {theirs:6.2f} s, {theirs / ours:.1f} times ours")
    return ours <= SECONDS


def _scipy_low(difference: Floats, groups: rule.Codes) -> float:
    sums, sizes = np.bincount(groups, weights=difference), np.bincount(groups).astype(float)
    found = stats.bootstrap(
        (sums, sizes),
        lambda sums, sizes, axis: sums.sum(axis=axis) / sizes.sum(axis=axis),
        paired=True,
        vectorized=True,
        method="BCa",
        n_resamples=RESAMPLES,
        confidence_level=1 - 2 * ALPHA,
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low)


def _counted(scenarios: Iterable[Scenario]) -> Iterator[tuple[Scenario, tuple[float, float]]]:
    """Each scenario with its rate and bound, in their order, simulated by two threads: NumPy draws outside the lock."""
    listed = list(scenarios)
    with ThreadPoolExecutor(2) as threads:
        yield from zip(listed, threads.map(Scenario.rate, listed), strict=True)


def _tick(good: bool) -> str:
    return "✓" if good else "✗"


def main() -> None:
    """Prints the tables; exits with 1 where a figure is not what it should be."""
    begun = time.perf_counter()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, NumPy {np.__version__}")
    sound = [print_speed(), print_errors(), print_power()]
    print(f"\n{time.perf_counter() - begun:.0f} s in all")
    sys.exit(0 if all(sound) else 1)


if __name__ == "__main__":
    main()
