"""Kills a step at every write, or at random moments, and looks at what is left. Run by ``test_crash``.

A process of its own, which forks before any library starts a thread. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from components.core.attempt import Attempt, Draft
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest
from components.core.rows import SCHEMAS, RowWriter
from components.core.settings import StepSettings
from components.core.store import Store

ROWS = 150


class KilledStore(Store):
    """A store that kills its process before or after its n-th write."""

    def __init__(self, uri: str, at: int, when: str) -> None:
        super().__init__(uri)
        self.at, self.when, self.writes = at, when, 0

    def write(self, key: str, data: bytes) -> None:
        if self.writes == self.at and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(key, data)
        if self.writes == self.at and self.when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        self.writes += 1


def step(store: Store) -> Manifest:
    """A step with many small shards, rejects, a report and a manifest."""
    attempt = Attempt(store, "step")
    writer = RowWriter(store, f"{attempt.folder}/documents", SCHEMAS[Kind.DOCUMENTS], shard_bytes=2000)
    with writer as rows:
        for index in range(ROWS):
            row = {"id": f"d{index}", "text": "word " * 20, "source": "", "licence": "", "created": None, "meta": "{}"}
            if index % 50 == 0:
                attempt.reject(row, "fiftieth")
            else:
                rows.append(row)
                rows._flush_pending()
    drafts = {"documents": Draft(Kind.DOCUMENTS, rows)}
    return attempt.commit(drafts, settings=StepSettings(), rows_in=ROWS).manifests["documents"]


def forked(work) -> int:
    """Runs ``work`` in a child; returns its pid."""
    child = os.fork()
    if child:
        return child
    work()
    os._exit(0)


def wait(child: int) -> bool:
    """Whether the child was killed."""
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def unsound(uri: str) -> list[str]:
    """Manifests in the store that do not verify."""
    store, found = Store(uri), []
    for key in store.list("step"):
        if key.endswith("manifest.json"):
            try:
                for shard in Manifest.read(store.read(key), key).shards:
                    store.read_verified(shard.uri, shard.sha256)
            except InvalidInput as error:
                found.append(f"{key}: {error}")
    return found


def committed(uri: str) -> int:
    return sum(key.endswith("manifest.json") for key in Store(uri).list("step"))


def at_every_write(folder: Path) -> dict:
    report = {"writes": 0, "killed": 0, "committed_after_kill": 0, "unsound": []}
    for when in ("before", "after"):
        for at in range(10_000):
            uri = str(folder / f"{when}-{at}")
            killed = wait(forked(lambda uri=uri, at=at, when=when: step(KilledStore(uri, at, when))))
            report["unsound"] += unsound(uri)
            if not killed:
                report["writes"] = at
                break
            report["killed"] += 1
            report["committed_after_kill"] += committed(uri)
    return report


def at_random_moments(folder: Path, times: int) -> dict:
    report = {"killed": 0, "committed_after_kill": 0, "unsound": []}
    whole = folder / "whole"
    wait(forked(lambda: step(Store(str(whole)))))
    objects = sum(path.is_file() for path in whole.rglob("*"))
    chance = random.Random(7)
    for number in range(times):
        uri = str(folder / f"random-{number}")
        child = forked(lambda uri=uri: step(Store(uri)))
        seen = chance.randrange(objects)
        while sum(path.is_file() for path in Path(uri).rglob("*")) < seen:
            time.sleep(0.0002)
        time.sleep(chance.uniform(0, 0.003))
        os.kill(child, signal.SIGKILL)
        report["killed"] += wait(child)
        report["committed_after_kill"] += committed(uri)
        report["unsound"] += unsound(uri)
    return report


if __name__ == "__main__":
    where = Path(sys.argv[2])
    result = at_every_write(where) if sys.argv[1] == "every" else at_random_moments(where, 20)
    print(json.dumps(result))
