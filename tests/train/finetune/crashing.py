"""Trains and is killed: ``python -m tests.train.finetune.crashing``, a list of cases as JSON on standard input.

A case names a store, the manifests in it, settings and when to die: ``{"upload": n}``, in the middle of the n-th upload
of a checkpoint's file; ``{"marker": n}``, before the n-th marker; ``{"marked": n, "seconds": s}``, so long after the
n-th marker, at whatever the training does then. The process imports once and forks for each case,
before any thread of PyTorch has started.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from components.core.attempt import Attempt
from components.core.manifest import Manifest
from components.core.store import Store
from components.train.finetune import checkpoints
from components.train.finetune.finetune import finetune
from components.train.finetune.settings import Finetune


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_in_upload(number: int) -> None:
    """Half of a file of a checkpoint gets written."""
    left, whole = iter(range(number - 1, -1, -1)), Store.upload

    def upload(self: Store, source: Path, key: str) -> str:
        if key.startswith(checkpoints.FOLDER) and next(left) == 0:
            data = source.read_bytes()
            self.write(key, data[: len(data) // 2])
            _die()
        return whole(self, source, key)

    Store.upload = upload  # type: ignore[method-assign]


def _kill_at_marker(number: int) -> None:
    left, whole = iter(range(number - 1, -1, -1)), Store.write

    def write(self: Store, key: str, data: bytes) -> None:
        if key.endswith(checkpoints.MARKER) and next(left) == 0:
            _die()
        whole(self, key, data)

    Store.write = write  # type: ignore[method-assign]


def _kill_later(number: int, seconds: float) -> None:
    left, whole = iter(range(number - 1, -1, -1)), Store.write

    def write(self: Store, key: str, data: bytes) -> None:
        whole(self, key, data)
        if key.endswith(checkpoints.MARKER) and next(left, None) == 0:
            threading.Timer(seconds, _die).start()

    Store.write = write  # type: ignore[method-assign]


def _train(case: dict[str, Any]) -> None:
    store = Store(case["store"])
    tokens, model = (Manifest.read(store.read(case[name]), case[name]) for name in ("tokens", "model"))
    plan = case["die"]
    if "upload" in plan:
        _kill_in_upload(plan["upload"])
    if "marker" in plan:
        _kill_at_marker(plan["marker"])
    if "marked" in plan:
        _kill_later(plan["marked"], plan["seconds"])
    finetune(Attempt(store, "finetune"), tokens, model, "", Finetune.decode(case["settings"]))


def _run(case: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        _train(case)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    print(json.dumps([_run(case) for case in json.load(sys.stdin)]))
