"""What Sluice adds: to a step, to compiling, to starting the command line. ``make bench`` prints it.

Each figure stands beside what it is measured against, taken in turn on the same machine: ratios, not moments.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 5

IMPORTS = "import components.core.step"


def output(command: list[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def cpu_seconds(command: list[str]) -> float:
    """Processor seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wall_seconds(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def step_overhead() -> tuple[float, float]:
    """Medians of seconds a step in a chain of steps, and of an interpreter that only imports what a step imports."""
    steps, imports = [], []
    for _ in range(ROUNDS):
        imports.append(wall_seconds(lambda: output([sys.executable, "-c", IMPORTS])))
        steps.append(float(output([sys.executable, "-m", "benchmarks.chain"]).split()[-1]))
    return statistics.median(steps), statistics.median(imports)


def compile_cost() -> tuple[float, float]:
    """Medians of processor seconds: compiling every shipped recipe for Vertex AI, and ``import kfp``."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(Path(sys.executable).with_name("sluice")),
            "compile",
            "--all",
            "--env",
            "vertex",
            "--out",
            folder,
        ]
        for _ in range(ROUNDS):
            theirs.append(cpu_seconds([sys.executable, "-c", "import kfp, kfp.compiler"]))
            ours.append(cpu_seconds(command))
    return statistics.median(ours), statistics.median(theirs)


def start_up() -> tuple[float, float]:
    """Medians of processor seconds: ``sluice --help``, and an interpreter that does nothing."""
    sluice = str(Path(sys.executable).with_name("sluice"))
    ours = [cpu_seconds([sluice, "--help"]) for _ in range(ROUNDS)]
    theirs = [cpu_seconds([sys.executable, "-c", "pass"]) for _ in range(ROUNDS)]
    return statistics.median(ours), statistics.median(theirs)


def main() -> None:
    """Prints the table."""
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, medians of {ROUNDS}")
    print(f"{'what':<44} {'ours':>8} {'against':>8}   budget")
    step, imports = step_overhead()
    print(
        f"{'a local step / its imports alone (s)':<44} {step:8.2f} {imports:8.2f}   {step - imports:.2f} of 0.15 over"
    )
    ours, theirs = compile_cost()
    print(f"{'compile all / import kfp (CPU s)':<44} {ours:8.2f} {theirs:8.2f}   {ours:.2f} of {2 * theirs + 2:.2f}")
    ours, theirs = start_up()
    print(f"{'sluice --help / bare python (CPU s)':<44} {ours:8.2f} {theirs:8.2f}   {ours:.2f} of 0.40")


if __name__ == "__main__":
    main()
