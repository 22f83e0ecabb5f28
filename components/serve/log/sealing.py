"""Turns a closed segment into partitions of the request log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from pyarrow import json

from components.core.errors import Failed, SluiceError
from components.core.request_log import SCHEMAS, RequestLog, Table
from components.core.whole_file import sync_folder
from components.serve.log.segment import TABLES, Name, read

MOST_PAUSE = 30.0
"""Longest time between two tries to write to a request log that is away (seconds)."""
_LOG = logging.getLogger(__name__)


class Sealer:
    """Seals closed segments one after the other, in a thread; what fails is tried again."""

    def __init__(self, log: RequestLog, endpoint: str, closed: Iterable[Path]) -> None:
        self._log, self._endpoint = log, endpoint
        self._closed = {path: path.stat().st_size for path in closed}
        self._thread = ThreadPoolExecutor(1, "sealer")
        self._more = asyncio.Event()

    @property
    def bytes(self) -> int:
        """Bytes of segments that are not partitions yet."""
        return sum(self._closed.values())

    def add(self, path: Path) -> None:
        """Hands over a closed segment."""
        self._closed[path] = path.stat().st_size
        self._more.set()

    async def run(self) -> None:
        """Seals what there is and what comes, until it is cancelled."""
        pause = 0.0
        while True:
            if await self.seal_all():
                pause = 0.0
                await self._more.wait()
                self._more.clear()
            else:
                pause = min(2 * pause or 1.0, MOST_PAUSE)
                await asyncio.sleep(pause)

    async def seal_all(self) -> bool:
        """Seals what there is, in order; says whether all of it was."""
        loop = asyncio.get_running_loop()
        while self._closed:
            path = next(iter(self._closed))
            try:
                await loop.run_in_executor(self._thread, seal, path, self._log, self._endpoint)
            except Exception as error:  # noqa: BLE001 - a cloud's client has errors of its own; the rows are still here
                known = isinstance(error, SluiceError)
                _LOG.warning("%s; %s stays and is tried again", error, path.name, exc_info=None if known else error)
                return False
            del self._closed[path]
        return True

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=True)


def seal(path: Path, log: RequestLog, endpoint: str) -> dict[Table, int]:
    """Writes a closed segment's rows as partitions, then removes it; returns the rows by table.

    The partitions' names come from the segment's, so one that was killed in between writes the same ones again, and
    nothing twice. Raises Failed when the request log cannot be written; the segment stays then.
    """
    name = Name.of(path)
    if name is None or name.closed is None:
        raise ValueError(f"{path} is no closed segment")
    records = read(path)
    if records.torn:
        _LOG.warning("request log: %s: %d bytes belong to no whole row and are left out", path, records.torn)
    rows = {table: records.of[mark] for mark, table in TABLES.items()}
    for table, lines in rows.items():
        key = log.key(endpoint, table, name.closed, name.partition)
        if lines and not log.store.exists(key):
            log.write(key, table, _table(path, lines, table))
    path.unlink(missing_ok=True)
    sync_folder(path.parent)
    return {table: len(lines) for table, lines in rows.items()}


def _table(path: Path, lines: list[bytes], table: Table) -> pa.Table:
    """Rows in JSON as Arrow's. Arrow's own reader lets other threads run meanwhile; ``from_pylist`` would not."""
    data = b"\n".join(lines)
    try:
        return json.read_json(
            pa.BufferReader(data),
            read_options=json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=json.ParseOptions(explicit_schema=SCHEMAS[table], unexpected_field_behavior="ignore"),
        )
    except pa.ArrowException as error:
        raise Failed(f"request log: the rows of {path} cannot be read: {error}; another version wrote them") from error
