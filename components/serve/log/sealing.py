"""Turns closed segments into partitions of the request log, and removes them in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic_core import from_json, to_json

from components.core.errors import Failed, InvalidInput, SluiceError
from components.core.request_log import COLUMNS, RequestLog, Table
from components.core.whole_file import sync_folder
from components.serve.log.recovery import Keys, kept_name, lost_rows
from components.serve.log.segment import AT_ONCE, TABLES, Mark, Name, check, read

MOST_PAUSE = 30.0
"""Longest time between two tries to write to a request log that is away (seconds)."""
_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class Sealer:
    """Seals closed segments one after the other, in a thread; what fails is tried again.

    A sealed one stays while a request is open that began in it or before: should this process be killed, the next one
    logs it as lost from there, so nothing need be written twice, and no room be found for it.
    """

    def __init__(
        self, log: RequestLog, endpoint: str, closed: Mapping[Path, Keys], oldest: Callable[[], float]
    ) -> None:
        """``closed`` are segments with the requests that were lost; ``oldest`` gives the number of the first segment
        that is still needed, infinite where none is."""
        self._log, self._endpoint, self._oldest = log, endpoint, oldest
        self._lost = dict(closed)
        self._closed = {path: path.stat().st_size for path in closed}
        self._kept = dict[Path, int]()
        self._thread = ThreadPoolExecutor(1, "sealer")
        self._more, self._closing = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def bytes(self) -> int:
        """Bytes of all closed segments."""
        return sum(self._closed.values()) + sum(self._kept.values())

    @property
    def largest(self) -> int:
        """Bytes of the largest segment that is not in partitions yet."""
        return max(self._closed.values(), default=0)

    def add(self, path: Path) -> None:
        """Hands over a closed segment."""
        self._closed[path] = path.stat().st_size
        self._more.set()

    def ended(self, number: int) -> None:
        """Hears that a request has ended which had begun in this segment."""
        if self._kept and number <= _number(next(iter(self._kept))):
            self._more.set()

    async def _run(self) -> None:
        """Seals what there is and what comes, until it is closed."""
        pause = 0.0
        while not self._closing.is_set():
            if await self._seal_all():
                pause = 0.0
                await self._more.wait()
                self._more.clear()
            else:
                pause = min(2 * pause or 1.0, MOST_PAUSE)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause)

    async def _seal_all(self) -> bool:
        """Seals what there is, in order, and removes what nobody needs; says whether all of it was sealed."""
        await self._remove()
        while self._closed:
            path = next(iter(self._closed))
            try:
                kept = await self._in_thread(self._seal, path)
            except Exception as error:  # noqa: BLE001 - a cloud's client has errors of its own; the rows are still here
                known = isinstance(error, SluiceError)
                _LOG.warning("%s; %s stays and is tried again", error, path.name, exc_info=None if known else error)
                return False
            self._kept[kept] = self._closed.pop(path)
            await self._remove()
        return True

    async def close(self) -> None:
        """Ends, once what there is was sealed, or could not be."""
        self._closing.set()
        self._more.set()
        await self._task
        await self._seal_all()
        self._thread.shutdown(wait=True)

    def _seal(self, path: Path) -> Path:
        seal(path, self._log, self._endpoint, self._lost.get(path, frozenset()))
        return kept_name(path)

    async def _remove(self) -> None:
        """Removes what is in partitions, in order, up to the first segment that is needed."""
        while self._kept and _number(path := next(iter(self._kept))) < self._oldest():
            await self._in_thread(_unlink, path)
            self._kept.pop(path, None)

    async def _in_thread(self, work: Callable[[Path], _Result], path: Path) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, path)


def seal(path: Path, log: RequestLog, endpoint: str, lost: Keys = frozenset()) -> dict[Table, int]:
    """Writes a closed segment's rows as partitions; returns the rows by table.

    ``lost`` are requests that began in it and have no end; they get a partition of their own, for the others may have
    been in one when they were lost. The partitions' names come from the segment's, so one that was killed in between
    writes the same ones again, and nothing twice. Raises Failed when the request log cannot be written.
    """
    name = Name.of(path)
    if name is None or name.closed is None:
        raise ValueError(f"{path} is no closed segment")
    records = read(path)
    if records.torn and not name.kept:
        _LOG.warning("request log: %s: %d bytes belong to no whole row and are left out", path, records.torn)
    rows = {table: [] if name.kept else records.of[mark] for mark, table in TABLES.items()}
    for table, lines in rows.items():
        _write(path, log, table, log.key(endpoint, table, name.closed, name.partition), lines)
    if lost:
        lines = [to_json(row) for row in lost_rows(records.of[Mark.BEGUN], lost)]
        key = log.key(endpoint, Table.REQUESTS, name.closed, f"{name.partition}-lost")
        _write(path, log, Table.REQUESTS, key, lines)
    return {table: len(lines) for table, lines in rows.items()}


def _write(path: Path, log: RequestLog, table: Table, key: str, lines: list[bytes]) -> None:
    if lines and not log.store.exists(key):
        _check(path, lines, table)
        log.write(key, lines)


def _number(path: Path) -> int:
    name = Name.of(path)
    assert name
    return name.number


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def _check(path: Path, lines: list[bytes], table: Table) -> None:
    """Raises Failed for a row with which nobody could read its partition, and leaves other threads their turn."""
    for at, line in enumerate(lines, 1):
        try:
            row = from_json(line, allow_inf_nan=False)
            if not isinstance(row, dict):
                raise ValueError("one is no JSON object")
            check({name: value for name, value in row.items() if name in COLUMNS[table]}, table)
        except (ValueError, InvalidInput) as error:
            raise Failed(
                f"request log: the rows of {path} cannot be read: {error}; another version wrote them"
            ) from error
        if at % AT_ONCE == 0:
            time.sleep(0)
