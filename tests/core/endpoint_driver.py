"""Many writers change endpoint states at once, some are killed; prints what they were told and what is there.

Run by ``test_endpoints`` in a process of its own, which forks before any library starts a thread.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.core.endpoint import Endpoints, open_endpoints
from components.core.errors import Conflict, SluiceError

ENDPOINT = "helpdesk"


def change(endpoints: Endpoints, decision: str) -> None:
    """Makes one generation, however often somebody else is first; waits longer each time, as a crowd has to."""
    longest = 0.01
    while True:
        state = endpoints.read(ENDPOINT)
        new = state.model_copy(update={"generation": state.generation + 1, "decision": decision})
        try:
            endpoints.compare_and_set(new)
        except Conflict:
            time.sleep(random.uniform(0, longest))
            longest = min(longest * 2, 2.0)
            continue
        return


def forked(work: Callable[[], None]) -> int:
    """Runs ``work`` in a child; returns its pid."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except SluiceError as error:
        print(error, file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def drive(address: str, notes: Path, writers: int, changes: int, victims: int) -> dict[str, Any]:
    """Lets ``writers`` make ``changes`` each, beside ``victims`` that are killed while they make more and more."""
    start, go = os.pipe()
    told = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def work(name: str, count: float) -> Callable[[], None]:
        def write() -> None:
            os.close(go)
            os.read(start, 1)  # all begin when the parent lets go, on a place that nobody has used
            endpoints, number = open_endpoints(address), 0
            while number < count:
                change(endpoints, f"{name}-{number}")
                os.write(told, f"{name}-{number}\n".encode())
                number += 1

        return write

    patient = [forked(work(f"writer{index}", changes)) for index in range(writers)]
    doomed = [forked(work(f"victim{index}", float("inf"))) for index in range(victims)]
    os.close(go)
    moments = random.Random(writers)
    for child in doomed:
        before = os.fstat(told).st_size
        while os.fstat(told).st_size == before:  # each dies in the midst of the others' changes, however slow these are
            time.sleep(moments.uniform(0.01, 0.05))
        os.kill(child, signal.SIGKILL)
    killed = sum(os.WIFSIGNALED(os.waitpid(child, 0)[1]) for child in doomed)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in patient)
    history = open_endpoints(address).history(ENDPOINT)
    return {
        "killed": killed,
        "failed": failed,
        "told": notes.read_text().split(),
        "generations": [state.generation for state in history],
        "decisions": [state.decision for state in history],
    }


if __name__ == "__main__":
    address, notes, *numbers = sys.argv[1:]
    print(json.dumps(drive(address, Path(notes), *map(int, numbers))))
