"""What the path to a model costs, and whether anything is lost on it. ``make bench-serve`` prints it.

First latency: whole path (Envoy, gateway, request log) beside its parts and the bare server, taken in turn. Then swaps,
an Envoy hot restart and killed model servers under load: what clients saw is held against the request log.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks.serve_endpoint import ENDPOINT, Endpoint
from benchmarks.serve_load import Kind, Load, Outcome, prompts
from components.core.columns import Row
from components.core.partitions import batches
from components.core.request_log import Status, Table, one_a_request
from components.serve.processes import Processes, free_port
from components.serve.router import Router
from components.serve.settings import Serving

RATE = 200.0
"""Requests a second."""
MEDIAN_MS, P99_MS = 3.0, 10.0
"""What the whole path may add."""
ROUNDS = 6
SHOWN = 5
"""Most lost requests that are shown in full."""
MOST_OPEN = 64
"""Requests that are open at once under the swaps: a machine that is slow for a while must not drown in what is due."""
SLOW = 0.05
"""Share of slow streams under the swaps, so that some are open at every moment."""


@dataclass(frozen=True)
class Line:
    """One line of a table: what it is, what was seen, what is asked for, and whether it holds."""

    name: str
    seen: str
    target: str = ""
    holds: bool = True

    def __str__(self) -> str:
        return f"  {self.name:44} {self.seen:>28}  {self.target:12} {'' if self.holds else 'MISSED'}".rstrip()


def flush_ms(folder: Path, times: int = 50) -> list[float]:
    """What it costs to make 1 kB durable on the disk that the journal lies on."""
    path, found = folder / "flush", []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for _ in range(times):
            os.write(file, b"x" * 1024)
            began = time.perf_counter()
            os.fdatasync(file)
            found.append(1000 * (time.perf_counter() - began))
            time.sleep(1 / RATE)
    finally:
        os.close(file)
        path.unlink()
    return found


def share(values: list[float], part: float) -> float:
    """The quantile ``part`` of some values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def latency(endpoint: Endpoint, seconds: float) -> list[Line]:
    """Times of each way to the server, in turn, ``seconds`` of load in all for each."""
    server, gateway = endpoint.process("server"), endpoint.process("gateway")
    assert server
    assert gateway
    folder = endpoint.folder / "peer"
    folder.mkdir()
    serving = Serving(port=free_port(), folder=str(folder))
    router = Router(serving, folder, Processes(folder))
    bare = f"http://127.0.0.1:{server.port}"
    ways = {
        "server": bare,
        "Envoy, server": f"http://127.0.0.1:{serving.port}",
        "gateway with log, server": f"http://127.0.0.1:{gateway.port}",
        "Envoy, gateway with log, server": endpoint.address,
    }
    times: dict[str, list[float]] = {name: [] for name in (*ways, "flush")}
    await router.start()
    try:
        await router.add({"bare": ("127.0.0.1", server.port)})
        await router.lead({"champion": ("bare", 1)})
        for number in range(-1, ROUNDS):  # the first one warms up
            for name, address in ways.items():
                count = max(20, int(RATE * seconds / ROUNDS)) if number >= 0 else 100
                load = Load(address, endpoint.key, ENDPOINT)
                outcomes = await load.run(prompts(f"{name} {number}", count, RATE))
                _check_all_answered(name, outcomes)
                if number >= 0:
                    times[name] += [outcome.ms for outcome in outcomes]
            times["flush"] += flush_ms(endpoint.folder)
    finally:
        await router.end()
    return _latency_lines(times)


def _check_all_answered(name: str, outcomes: list[Outcome]) -> None:
    wrong = [outcome for outcome in outcomes if outcome.kind is not Kind.ANSWERED]
    if wrong:
        raise SystemExit(f"bench-serve: {len(wrong)} requests by way of {name} were not answered: {wrong[0]}")


def _latency_lines(times: dict[str, list[float]]) -> list[Line]:
    lines = []
    for name, values in times.items():
        shown = "fdatasync of the journal's disk" if name == "flush" else name
        lines.append(Line(shown, f"median {statistics.median(values):6.2f} p99 {share(values, 0.99):6.2f} ms"))
    lines.append(Line("others on this machine (load average, cores)", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()}"))
    whole, bare = times["Envoy, gateway with log, server"], times["server"]
    median = statistics.median(whole) - statistics.median(bare)
    p99 = share(whole, 0.99) - share(bare, 0.99)
    lines.append(
        Line("the whole path adds at the median", f"{median:.2f} ms", f"<= {MEDIAN_MS:g} ms", median <= MEDIAN_MS)
    )
    lines.append(Line("the whole path adds at p99", f"{p99:.2f} ms", f"<= {P99_MS:g} ms", p99 <= P99_MS))
    return lines


@dataclass(frozen=True)
class Trial:
    """How much load, and what happens under it."""

    requests: int
    rate: float
    swaps: int
    restarts: int
    kills: int

    def events(self, endpoint: Endpoint) -> list[tuple[int, str, Callable[[], Awaitable[None]]]]:
        """What happens after how many requests: spread evenly, the rarer things in the middle."""
        swap = ("swap", endpoint.swap)
        rare = [("hot restart", endpoint.replace_router)] * self.restarts + [
            ("kill", endpoint.kill_server)
        ] * self.kills
        order = [swap] * self.swaps
        for number, event in enumerate(rare, 1):
            order.insert(number * (len(order) + 1) // (len(rare) + 1), event)
        return [(round(self.requests * at / (len(order) + 1)), *event) for at, event in enumerate(order, 1)]


async def under_change(endpoint: Endpoint, trial: Trial) -> tuple[list[Outcome], Counter[str]]:
    """Puts load on an endpoint while it changes; what clients saw, and what happened how often."""
    load, happened = Load(endpoint.address, endpoint.key, ENDPOINT), Counter[str]()

    async def change() -> None:
        for after, name, happen in trial.events(endpoint):
            while load.sent < after:
                await asyncio.sleep(0.02)
            await happen()
            happened[name] += 1

    changing = asyncio.create_task(change())
    outcomes = await load.run(prompts("load", trial.requests, trial.rate, slow=SLOW), most=MOST_OPEN)
    await changing
    return outcomes, happened


def held_against(outcomes: list[Outcome], rows: list[Row]) -> list[Line]:
    """What clients saw beside what the log says."""
    counts = Counter(outcome.kind for outcome in outcomes)
    answers = Counter(row["request_id"] for row in rows if row["status"] == Status.ANSWERED)
    logged = one_a_request(rows)
    answered = [outcome for outcome in outcomes if outcome.kind is Kind.ANSWERED]
    missing = [outcome for outcome in answered if answers[outcome.request_id] != 1]
    prompts_answered = Counter(
        row["messages"][0]["content"] for row in logged.values() if row["status"] == Status.ANSWERED
    )
    twice = sum(count > 1 for count in prompts_answered.values())
    cut = [outcome for outcome in outcomes if outcome.kind is Kind.CUT]
    cut_logged = sum(logged.get(outcome.request_id, {}).get("status") == Status.CUT for outcome in cut)
    return [
        Line("sent", str(len(outcomes))),
        Line("answered", str(len(answered))),
        Line("failed before a byte", str(counts[Kind.FAILED]), "0", not counts[Kind.FAILED]),
        Line("wrong words, or words twice", str(counts[Kind.WRONG]), "0", not counts[Kind.WRONG]),
        Line("streams cut, each ended by an error", str(len(cut))),
        Line("  of them logged as cut", str(cut_logged), str(len(cut)), cut_logged == len(cut)),
        Line("answered twice", str(twice), "0", not twice),
        Line("answered, and not in the log exactly once", str(len(missing)), "0", not missing),
        Line("rows of the log", ", ".join(f"{count} {name}" for name, count in _statuses(logged).items())),
    ]


def _statuses(logged: dict[str, Row]) -> dict[str, int]:
    return dict(sorted(Counter(row["status"] for row in logged.values()).items()))


def measured(folder: Path, trial: Trial, seconds: float) -> list[Line]:
    """All lines, printed as they come."""
    endpoint, lines = Endpoint(folder), list[Line]()
    with endpoint.running():
        if seconds:
            print(f"\nLatency at {RATE:g} requests a second, from when a request was due to its last byte", flush=True)
            lines += _print(uvloop.run(latency(endpoint, seconds)))
        print(f"\n{trial.requests} requests at {trial.rate:g} a second while everything changes", flush=True)
        before = set(endpoint.log.partitions(ENDPOINT, Table.REQUESTS))
        outcomes, happened = uvloop.run(under_change(endpoint, trial))
    lost = [outcome for outcome in outcomes if outcome.kind in (Kind.FAILED, Kind.WRONG)]
    for outcome in lost[:SHOWN]:
        print(f"  {outcome.kind}: {outcome.prompt.text}: {outcome.said}")
    asked = {"swap": trial.swaps, "hot restart": trial.restarts, "kill": trial.kills}
    names = {"swap": "swaps", "hot restart": "hot restarts of Envoy", "kill": "kills of the model server"}
    done = [
        Line(names[name], str(happened[name]), str(count), happened[name] == count) for name, count in asked.items()
    ]
    new = [key for key in endpoint.log.partitions(ENDPOINT, Table.REQUESTS) if key not in before]
    rows = [row for batch in batches(endpoint.log, new, Table.REQUESTS) for row in batch.to_pylist()]
    ours = [row for row in rows if row["messages"] and "load " in row["messages"][0]["content"]]
    return lines + _print(done + held_against(outcomes, ours))


def _print(lines: list[Line]) -> list[Line]:
    print("\n".join(map(str, lines)), flush=True)
    return lines


def main() -> int:
    """Prints the tables; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second while everything changes")
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--restarts", type=int, default=1, help="hot restarts of Envoy")
    parser.add_argument("--kills", type=int, default=2, help="kills of the model server")
    parser.add_argument("--seconds", type=float, default=30, help="load for each line of the latency; 0 leaves it out")
    parser.add_argument("--folder", type=Path, help="where all that was written is left to look at")
    asked = parser.parse_args()
    trial = Trial(asked.requests, asked.rate, asked.swaps, asked.restarts, asked.kills)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="bench-serve-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lines = measured(folder, trial, asked.seconds)
    finally:
        if not asked.folder:
            shutil.rmtree(folder)
    missed = [line for line in lines if not line.holds]
    print(f"\n{'all targets met' if not missed else f'{len(missed)} targets missed'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
