"""Redacts long rows beside the event loop, so that no API key's texts hold up another one's for long."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from queue import PriorityQueue
from threading import Thread

from components.core.columns import Row
from components.serve.log.redaction import Known, Redaction, length

SHORT = 65_536
"""Characters; longer rows have a thread of their own, and shorter ones never wait for them."""
_Work = Callable[[], Known]


class Redactor:
    """Two threads, for short rows and for long ones. In each, that row comes first whose key has least to redact."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._short, self._long = _Lane("redaction"), _Lane("redaction-long")
        self._asked: Counter[str] = Counter()
        """By key, the characters that wait or are being redacted."""

    async def look(self, row: Row, known: Known) -> Known:
        """What ``Redaction.look`` returns; a row that waits is dropped when whoever asked is cancelled."""
        key, size = row.get("key") or "", length(row, known)
        self._asked[key] += size
        lane = self._short if size <= SHORT else self._long
        try:
            return await asyncio.wrap_future(lane.add(self._asked[key], lambda: self._redaction.look(row, known)))
        finally:
            self._asked[key] -= size
            self._asked += Counter()  # forgets the keys that have nothing left

    def close(self) -> None:
        """Ends the threads, after all that waits."""
        self._short.close()
        self._long.close()


class _Lane:
    """A thread, and what waits for it: first what has the lowest rank, of equal ones the first."""

    def __init__(self, name: str) -> None:
        self._waiting: PriorityQueue[tuple[float, int, _Work | None, Future[Known]]] = PriorityQueue()
        self._numbers = itertools.count()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, rank: float, work: _Work | None) -> Future[Known]:
        done: Future[Known] = Future()
        self._waiting.put((rank, next(self._numbers), work, done))
        return done

    def close(self) -> None:
        self.add(math.inf, None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            _, _, work, done = self._waiting.get()
            if work is None:
                return
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(work())
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                done.set_exception(error)
