"""What the decision to retrain is worth: needless retrainings, and how soon a fall is found. ``make bench-monitor``.

The simulation makes the figures of windows and asks the function that the step asks. ``--windows N`` goes the whole
way besides: request logs, observe, describe, drift with Evidently, and the same decision in the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from scipy import stats

from benchmarks.monitor_years import REQUESTS, WEEKS, World, answers
from components.core.decision import Verdict
from components.monitor.retraining.settings import Retraining

POLICY = Retraining()
MOST_NEEDLESS, LEAST_FOUND = 0.1, 0.95
FEEDBACK = (0.01, 0.1, 1.0)
FALL = 0.1
WITHIN, SLOWLY = 3, 12
"""Windows within which a fall at once is found, and that a slow one takes."""
ENOUGH = 4
"""Windows before the fall without which 200 labelled answers each are too few to be sure: told, and no target."""


@dataclass(frozen=True)
class Case:
    """A fall, and until when it is to be found; ``counts`` where that is a target."""

    name: str
    world: World
    counts: bool


def falls() -> Iterator[Case]:
    """Falls at once and slow ones, after few and after many windows to compare with."""
    for begins in (1, 4, 13):
        world = World(0.1, FALL, begins, 1, begins + WITHIN)
        yield Case(f"at once, after {begins} windows, 10% feedback", world, begins >= ENOUGH)
    for begins, feedback in ((1, 0.1), (4, 0.1), (13, 0.01), (13, 0.1), (13, 1.0)):
        world = World(feedback, FALL, begins, SLOWLY, begins + SLOWLY)
        name = f"over {SLOWLY} windows, after {begins}, {feedback:.0%} feedback"
        yield Case(name, world, begins >= ENOUGH and feedback >= 0.1)


def quiet_year(feedback: float, seed: int) -> Counter[str]:
    """What is decided in a year in which nothing changes, and why where it is not to wait."""
    counted: Counter[str] = Counter()
    for answer in answers(seed, World(feedback), POLICY):
        counted[answer.verdict] += 1
        if answer.verdict is not Verdict.WAIT:
            counted[f"{answer.verdict}: {answer.reasons[0].code}"] += 1
    return counted


def found_after(world: World, seed: int) -> int:
    """Windows from the beginning of the fall to the decision to retrain; 0 where none comes in time."""
    for week, answer in enumerate(answers(seed, world, POLICY)):
        if week >= world.begins and answer.verdict is Verdict.RETRAIN:
            return week - world.begins + 1
    return 0


def interval(hits: int, runs: int) -> tuple[float, float]:
    """95 % interval of a share (Clopper and Pearson 1934)."""
    found = stats.binomtest(hits, runs).proportion_ci(method="exact")
    return float(found.low), float(found.high)


def print_needless(workers: ProcessPoolExecutor, years: int) -> bool:
    """Retrainings and alerts a year where nothing changes; whether they are few enough."""
    print(f"\nNothing changes: {years:,} years x {WEEKS} windows x {REQUESTS:,} requests, 95 % intervals")
    print(f"{'feedback':>8} {'retrainings a year':>18} {'years with one':>24} {'alerts a year':>14}")
    sound = True
    for feedback in FEEDBACK:
        counted, needless = Counter[str](), 0
        for year in workers.map(partial(quiet_year, feedback), range(years), chunksize=20):
            counted += year
            needless += bool(year[Verdict.RETRAIN])
        mean, (low, high) = counted[Verdict.RETRAIN] / years, interval(needless, years)
        sound &= mean <= MOST_NEEDLESS
        share = f"{needless / years:.1%} [{low:.1%}, {high:.1%}]"
        alerts = counted[Verdict.ALERT] / years
        print(f"{feedback:8.0%} {mean:18.3f} {share:>24} {alerts:14.3f} {_tick(mean <= MOST_NEEDLESS)}", flush=True)
        for why in sorted(key for key in counted if ":" in key):
            print(f"{'':8} {counted[why] / years:18.3f}   {why}")
    print(f"target: at most {MOST_NEEDLESS} retrainings a year")
    return sound


def print_falls(workers: ProcessPoolExecutor, runs: int) -> bool:
    """How often a fall of ten points is found in time; whether that is often enough where it counts."""
    print(f"\nAccuracy falls from 90 % to 80 %: {runs:,} runs each; found by the end of the fall, or within {WITHIN}")
    print(f"{'fall':<48} {'found':>7} {'95 % interval':>18} {'after, median':>14}")
    sound = True
    for case in falls():
        after = list(workers.map(partial(found_after, case.world), range(runs), chunksize=20))
        hits = [windows for windows in after if windows]
        low, high = interval(len(hits), runs)
        share = len(hits) / runs
        sound &= share >= LEAST_FOUND or not case.counts
        typical = f"{median(hits):.0f} windows" if hits else "never"
        tick = _tick(share >= LEAST_FOUND) if case.counts else "(told, no target)"
        print(f"{case.name:<48} {share:7.1%} {f'[{low:.1%}, {high:.1%}]':>18} {typical:>14} {tick}", flush=True)
    print(
        f"target: at least {LEAST_FOUND:.0%}, where {ENOUGH} windows or more came before the fall, and a tenth is"
        " labelled"
    )
    return sound


def print_windows(count: int) -> bool:
    """Windows that go the whole way beside what is decided of the same draws; whether all are equal."""
    from benchmarks.monitor_windows import CHANGED, REQUESTS, SILENT, windows

    print(f"\n{count} windows of {REQUESTS:,} requests: log, observe, describe, drift with Evidently, signed decision;")
    print(f"window {SILENT} is empty, from {CHANGED} on the world is another. Beside each: decide on the same draws.")
    print(
        "Compared: verdict, codes of all reasons, requests, answered, failed, right and labelled answers, corrections."
    )
    equal, seconds, begun = 0, [], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for window in windows(Path(folder), count, POLICY):
            equal += window.equal
            seconds.append(window.seconds)
            print(f"{window.number:4} {'  '.join(window.whole)} {_tick(window.equal)}", flush=True)
            if not window.equal:
                print(f"{'':4} {'  '.join(window.simulated)} of the same draws")
    print(f"{equal} of {count} equal; {median(seconds):.1f} s a window, {max(seconds):.1f} s at most")
    print(f"{time.perf_counter() - begun:.0f} s in all, logs included")
    return equal == count


def _tick(good: bool) -> str:
    return "✓" if good else "✗"


def main() -> None:
    """Prints the tables; exits with 1 where a figure is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=1_000, help="Years in which nothing changes; 0 for none.")
    parser.add_argument("--runs", type=int, default=1_000, help="Runs of each fall; 0 for none.")
    parser.add_argument("--windows", type=int, default=0, help="Windows that go the whole way; 0 for none.")
    asked = parser.parse_args()
    begun = time.perf_counter()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with ProcessPoolExecutor(2) as workers:
        sound = [print_needless(workers, asked.years)] if asked.years else []
        sound += [print_falls(workers, asked.runs)] if asked.runs else []
    print(f"\n{time.perf_counter() - begun:.0f} s of simulation")
    sound += [print_windows(asked.windows)] if asked.windows else []
    sys.exit(0 if all(sound) else 1)


if __name__ == "__main__":
    main()
