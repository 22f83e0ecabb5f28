"""The request log's writer in a gateway: a row is durable when its answer ends, and in a partition soon after.

Rows go to a segment on this machine first. A segment that is old or full is closed, written as partitions, and removed,
in order. Whatever ends the process, the next one takes up what it finds.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import Failed, InvalidInput
from components.core.request_log import RequestLog, Table
from components.core.rows import Row
from components.serve.log.recovery import locked, lost, recover, withheld
from components.serve.log.redaction import COLUMNS, Known, Redaction, length, redacted
from components.serve.log.redactor import Redactor
from components.serve.log.sealing import Sealer
from components.serve.log.segment import Mark, check, failed, frame
from components.serve.log.writer import Writer
from components.serve.settings import LogSettings

ON_THE_LOOP = 4096
"""Characters that are redacted at once; more go to a thread, for hostile text costs 4 µs a character."""
LOOK_SECONDS = 0.1
"""How long the last look at the room counts, and the pause of what waits for a disk that takes nothing."""
_LOG = logging.getLogger(__name__)
_Key = tuple[str, int]


@dataclass
class _Begun:
    """A request that was accepted and has no end yet."""

    row: Row
    known: Known
    written: asyncio.Future[None] | None = None
    """What is to wait for, where it is still being redacted."""


class Journal:
    """Writes the requests and the feedback of one gateway. Its methods are called in one event loop."""

    def __init__(self, folder: Path, log: RequestLog, endpoint: str, gateway: str, settings: LogSettings) -> None:
        for name in (endpoint, gateway):
            if not re.fullmatch(r"[\w-][\w.-]{0,127}", name, re.ASCII):
                raise InvalidInput(f"request log: {name!r} names no file; use letters, digits, dots and dashes")
        self.trouble = "the journal has not started"
        """Why there is no room, in a sentence; empty where there is."""
        self._folder, self._log, self._endpoint, self._gateway = folder, log, endpoint, gateway
        self._settings = settings
        self._open: dict[_Key, _Begun] = {}
        self._withheld: list[Row] = []
        self._settling: asyncio.Task[None] | None = None
        self._looked = -math.inf
        self._running = False

    def start(self) -> None:
        """Takes up what an earlier process left, and begins. Called inside the running event loop.

        Raises Refused when another process writes in this folder, Failed when the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = locked(self._folder)
            found = recover(self._folder, self._gateway)
        except OSError as error:
            raise failed(self._folder, error) from error
        self._redaction = Redaction(self._settings.redact)
        self._redactor = Redactor(self._redaction)
        self._sealer = Sealer(self._log, self._endpoint, found.closed)
        self._writer = Writer(
            found.segment, self._gateway, self._settings, carried=self._carried, closed=self._sealer.add
        )
        self._sealing = asyncio.create_task(self._sealer.run())
        self._running, self.trouble = True, ""

    @property
    def has_room(self) -> bool:
        """Whether a new request could be logged; looked at anew every 100 ms. ``trouble`` says why not."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            trouble = self._look()
            if bool(trouble) != bool(self.trouble):
                _LOG.warning("request log: %s", trouble or "there is room")
            self.trouble, self._looked = trouble, time.monotonic()
        return not self.trouble

    def begin(self, row: Row) -> None:
        """Notes a request before it is worked on: should this process end before ``finish``, it is logged as lost.

        Raises InvalidInput for a row that the table cannot hold or that began before, Failed when it cannot be
        written.
        """
        self._check_running()
        check(row, Table.REQUESTS)
        key = _key(row)
        if key in self._open:
            raise InvalidInput(f"request log: {key[0]}, attempt {key[1]}, began before; each attempt begins once")
        if length(row, {}) > ON_THE_LOOP:
            begun = self._open[key] = _Begun({**row}, {})
            begun.written = asyncio.create_task(self._begin_long(begun))
            return
        begun = _Begun(row, self._redaction.look(row, {}))
        self._note(begun)
        self._open[key] = begun

    async def look(self, row: Row) -> None:
        """Redacts what a request that began is to end with: ``finish`` has nothing left to do then.

        When it is cancelled, the row as begun is noted without its texts, where these were not redacted yet.
        """
        begun = self._begun(_key(row))
        if begun.written is not None:
            await begun.written
        begun.known = await self._looked_at(row, begun.known)

    async def finish(self, row: Row) -> None:
        """Writes a request that began, whole; it is durable when this returns.

        The end counts once: raises InvalidInput for a request that did not begin or has ended. Whatever else it raises
        (Failed when the row cannot be written, InvalidInput when the table cannot hold it), the request has ended:
        nothing of its answer is in the log, and that it failed will be, as soon as rows can be written.
        """
        self._check_running()
        key = _key(row)
        begun = self._begun(key)
        try:
            frames = await self._as_frames(row, begun)
            self._begun(key)  # it may have ended while a long answer was redacted
            self._check_running()
            durable = self._writer.durable(frames)
        except Exception:
            if self._open.pop(key, None):
                self._withhold(begun.row)
            raise
        del self._open[key]
        try:
            await durable
        except Failed:
            self._withhold(begun.row)
            raise

    async def feedback(self, row: Row, seconds: float | None = None) -> None:
        """Writes a person's word; it is durable when this returns.

        Raises InvalidInput and Failed as ``finish``, TimeoutError where redacting it takes longer than that.
        """
        self._check_running()
        check(row, Table.FEEDBACK)
        async with asyncio.timeout(seconds):
            known = await self._looked_at(row, {})
        self._check_running()
        await self._writer.durable(frame(Mark.FEEDBACK, redacted(row, known)))

    async def close(self) -> None:
        """Ends: what began and has no end is lost, and all rows go into partitions.

        What the request log does not take stays in the folder for the next start. A second call does nothing.
        """
        if not self._running:
            return
        self._running, self._looked = False, -math.inf
        late = [self._settling, *(begun.written for begun in self._open.values())]
        await asyncio.gather(*(task for task in late if task is not None), return_exceptions=True)
        rows = [*self._withheld, *(lost(begun.row) for begun in self._open.values())]
        try:
            await self._writer.end(b"".join(frame(Mark.REQUEST, row) for row in rows), len(rows))
        except Failed as error:
            _LOG.warning("%s; the next start goes on from there", error)
        self._sealing.cancel()
        await asyncio.gather(self._sealing, return_exceptions=True)
        await self._sealer.seal_all()
        self._sealer.close()
        self._redactor.close()
        self._lock.close()

    def _check_running(self) -> None:
        if not self._running:
            raise Failed("request log: the journal is not open; start the gateway again")

    def _begun(self, key: _Key) -> _Begun:
        begun = self._open.get(key)
        if begun is None:
            raise InvalidInput(f"request log: {key[0]}, attempt {key[1]}, did not begin, or has ended already")
        return begun

    async def _as_frames(self, row: Row, begun: _Begun) -> bytes:
        """An end as it is written."""
        if begun.written is not None:
            await asyncio.shield(begun.written)  # before all else: what is withheld is withheld as redacted
        check(row, Table.REQUESTS)
        return frame(Mark.REQUEST, redacted(row, await self._looked_at(row, begun.known)))

    def _withhold(self, row: Row) -> None:
        """Notes that a request, whose row as begun this is, failed because its answer could not be logged."""
        self._withheld.append(withheld(row))
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        """Writes what was withheld, once the disk takes it; what still waits when the journal closes is its last."""
        while self._running and self._withheld:
            if self._writer.trouble:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            row = self._withheld.pop(0)
            try:
                await self._writer.durable(frame(Mark.REQUEST, row))
            except Failed as error:
                _LOG.warning("%s", error)
                self._withheld.insert(0, row)

    def _note(self, begun: _Begun) -> None:
        begun.row = redacted(begun.row, begun.known)
        self._writer.write(frame(Mark.BEGUN, begun.row))

    def _carried(self) -> bytes:
        """What has no end yet begins again in a new segment: the old one is gone once it is sealed."""
        noted = [begun.row for begun in self._open.values() if begun.written is None]
        return b"".join(frame(Mark.BEGUN, row) for row in [*self._withheld, *noted])

    async def _begin_long(self, begun: _Begun) -> None:
        """Redacts a long request in a thread. Where it cannot be noted, the writer is in trouble and lets nobody in."""
        try:
            begun.known = await self._redactor.look(begun.row, {})
        except asyncio.CancelledError:
            begun.row = {**begun.row, **dict.fromkeys(COLUMNS)}
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was: what was not redacted is never written
            _LOG.error("request log: a request could not be redacted and is noted without its texts: %s", error)
            begun.row = {**begun.row, **dict.fromkeys(COLUMNS)}
        finally:
            begun.written = None
            try:
                self._note(begun)
            except Failed as error:
                _LOG.warning("%s", error)

    async def _looked_at(self, row: Row, known: Known) -> Known:
        if length(row, known) > ON_THE_LOOP:
            return await self._redactor.look(row, known)
        return self._redaction.look(row, known)

    def _look(self) -> str:
        """Why there is no room for another request, empty where there is."""
        if not self._running:
            return "the journal is closed"
        if self._writer.trouble:
            return self._writer.trouble
        waiting, most = self._sealer.bytes + self._writer.size, self._settings.most_bytes
        if waiting > most:
            return f"{waiting} bytes wait in {self._folder} for {self._log.store.uri}, more than most_bytes = {most}"
        free, least = shutil.disk_usage(self._folder).free, self._settings.least_free_bytes
        if free < least:
            return f"{free} bytes are free on the disk of {self._folder}, fewer than least_free_bytes = {least}"
        return ""


def _key(row: Row) -> _Key:
    name, attempt = row.get("request_id"), row.get("attempt")
    if not name or attempt is None:
        raise InvalidInput("request log: a row of requests needs request_id and attempt")
    return name, attempt
