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
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from components.core.columns import Row
from components.core.errors import Failed, InvalidInput
from components.core.request_log import RequestLog, Table
from components.serve.log.recovery import RESERVE, locked, lost, recover, withheld
from components.serve.log.redaction import COLUMNS, Known, Redaction, length, redacted
from components.serve.log.redactor import Redactor
from components.serve.log.reserve import Reserve
from components.serve.log.sealing import Sealer
from components.serve.log.segment import Mark, Place, check, failed, frame
from components.serve.log.writer import Writer
from components.serve.settings import LogSettings

ON_THE_LOOP = 4096
"""Characters that are redacted at once; more go to a thread, for hostile text costs 4 µs a character."""
MORE_BYTES = 8192
"""Of an end, besides what was asked and answered: what went wrong, in the words of a server, and numbers."""
LOOK_SECONDS = 0.1
"""How long the last look at the room counts, and the pause of what waits for a disk that takes nothing."""
_LOG = logging.getLogger(__name__)
_Key = tuple[str, int]


@dataclass
class _Begun:
    """A request that was accepted and has no end yet."""

    row: Row
    """As it was noted last: redacted."""
    place: Place
    """Where that was."""
    reserved: int
    """Bytes that it may still write."""
    known: Known = field(default_factory=dict)
    redacting: asyncio.Future[None] | None = None
    """What is to wait for, where it is still being redacted."""
    ended: bool = False
    """Whether its end came; that is not durable yet."""


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
        self._withheld: list[_Begun] = []
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
            self._reserve = Reserve(self._folder / RESERVE)
            found = recover(self._folder, self._gateway)
        except OSError as error:
            raise failed(self._folder, error) from error
        self._redaction = Redaction(self._settings.redact)
        self._redactor = Redactor(self._redaction)
        self._sealer = Sealer(self._log, self._endpoint, found.closed, self._oldest)
        self._writer = Writer(
            found.segment,
            self._gateway,
            self._settings,
            reserve=self._reserve,
            cut=self._note_again,
            closed=self._sealer.add,
        )
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

    def begin(self, row: Row, answer_bytes: int = 0) -> None:
        """Notes a request before it is worked on: should this process end before ``finish``, it is logged as lost.

        Room for all that it may still write, an answer of so many bytes included, is reserved on the disk. Raises
        InvalidInput for a row that the table cannot hold or that began before, Failed when there is no such room or
        it cannot be written.
        """
        self._check_running()
        check(row, Table.REQUESTS)
        key = _key(row)
        if key in self._open:
            raise InvalidInput(f"request log: {key[0]}, attempt {key[1]}, began before; each attempt begins once")
        if length(row, {}) > ON_THE_LOOP:
            # That it began is noted at once: this process may be gone before its texts are redacted.
            texts = len(frame(Mark.BEGUN, row)) * 7 // 6  # `a@b.co` becomes `<EMAIL>`, and nothing else gets longer
            begun = self._open[key] = self._begin({**row, **dict.fromkeys(COLUMNS)}, 2 * texts + answer_bytes)
            begun.redacting = asyncio.create_task(self._begin_long(row, begun))
            return
        known = self._redaction.look(row, {})
        begun = self._open[key] = self._begin(redacted(row, known), answer_bytes)
        begun.known = known

    async def look(self, row: Row) -> None:
        """Redacts what a request that began is to end with: ``finish`` has nothing left to do then.

        When it is cancelled, the row as begun is noted without its texts, where these were not redacted yet.
        """
        begun = self._begun(_key(row))
        if begun.redacting is not None:
            await begun.redacting
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
            self._fit(begun, len(frames))
            durable = self._writer.durable(frames)
        except Exception:
            if not begun.ended:
                self._withhold(begun)
            raise
        begun.ended = True
        durable.add_done_callback(partial(self._on_end, begun))
        await asyncio.shield(durable)

    async def feedback(self, row: Row, seconds: float | None = None) -> None:
        """Writes a person's word; it is durable when this returns.

        Raises InvalidInput and Failed as ``finish``, TimeoutError where redacting it takes longer than that.
        """
        self._check_running()
        check(row, Table.FEEDBACK)
        async with asyncio.timeout(seconds):
            known = await self._looked_at(row, {})
        self._check_running()
        frames = frame(Mark.FEEDBACK, redacted(row, known))
        self._take(len(frames))
        try:
            durable = self._writer.durable(frames)
        finally:
            self._reserve.give(len(frames))
        await durable

    async def close(self) -> None:
        """Ends: what began and has no end is lost, and all rows go into partitions.

        What the request log does not take stays in the folder for the next start. A second call does nothing.
        """
        if not self._running:
            return
        self._running, self._looked = False, -math.inf
        late = [self._settling, *(begun.redacting for begun in self._open.values())]
        await asyncio.gather(*(task for task in late if task is not None), return_exceptions=True)
        rows = [withheld(begun.row) for begun in self._withheld]
        rows += [lost(begun.row) for begun in self._open.values() if not begun.ended]
        try:
            await self._writer.end(b"".join(frame(Mark.REQUEST, row) for row in rows), len(rows))
            self._open.clear()
        except Failed as error:
            _LOG.warning("%s; the next start goes on from there", error)
        await self._sealer.close()
        self._redactor.close()
        self._reserve.close()
        self._lock.close()

    def _check_running(self) -> None:
        if not self._running:
            raise Failed("request log: the journal is not open; start the gateway again")

    def _begun(self, key: _Key) -> _Begun:
        begun = self._open.get(key)
        if begun is None or begun.ended:
            raise InvalidInput(f"request log: {key[0]}, attempt {key[1]}, did not begin, or has ended already")
        return begun

    async def _as_frames(self, row: Row, begun: _Begun) -> bytes:
        """An end as it is written."""
        if begun.redacting is not None:
            await asyncio.shield(begun.redacting)  # before all else: what is withheld is withheld as redacted
        check(row, Table.REQUESTS)
        return frame(Mark.REQUEST, redacted(row, await self._looked_at(row, begun.known)))

    def _on_end(self, begun: _Begun, durable: asyncio.Future[None]) -> None:
        if durable.exception():
            self._withhold(begun)
        else:
            self._forget(begun)

    def _forget(self, begun: _Begun) -> None:
        self._open.pop(_key(begun.row), None)
        self._reserve.give(begun.reserved)
        self._sealer.ended(begun.place.segment.number)

    def _withhold(self, begun: _Begun) -> None:
        """Notes that a request failed because its answer could not be logged."""
        begun.ended = True
        self._withheld.append(begun)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        """Writes what was withheld, once the disk takes it; what still waits when the journal closes is its last."""
        while self._running and self._withheld:
            if self._writer.trouble:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            begun = self._withheld[0]
            try:
                await self._writer.durable(frame(Mark.REQUEST, withheld(begun.row)))
            except Failed as error:
                _LOG.warning("%s", error)
            else:
                self._forget(self._withheld.pop(0))

    def _begin(self, row: Row, more: int) -> _Begun:
        """Notes a redacted row, with so much more room than this itself needs once more at its end."""
        frames = frame(Mark.BEGUN, row)
        left = len(frames) + more + MORE_BYTES
        self._take(len(frames) + left)
        try:
            place = self._writer.write(frames)
        except Failed:
            self._reserve.give(left)
            raise
        finally:
            self._reserve.give(len(frames))
        return _Begun(row, place, left)

    def _note(self, begun: _Begun, row: Row) -> None:
        """Notes a redacted row, in the place of what was noted before."""
        frames = frame(Mark.BEGUN, row)
        self._fit(begun, len(frames))
        begun.place, begun.row = self._writer.write(frames), row
        begun.reserved -= len(frames)
        self._reserve.give(len(frames))

    def _note_again(self) -> None:
        """Notes once more what was cut off with a broken segment."""
        for begun in self._open.values():
            if not begun.place.stands:
                before = begun.reserved
                self._note(begun, begun.row)
                self._fit(begun, before)

    def _fit(self, begun: _Begun, count: int) -> None:
        """Has at least so many bytes reserved for a request: it may get longer than anybody thought."""
        if count > begun.reserved:
            self._take(count - begun.reserved)
            begun.reserved = count

    def _take(self, count: int) -> None:
        """Reserves room. Raises Failed where the disk would not have as much once more: what is written here goes into
        a partition before it is removed, and that may lie on the same disk."""
        copy = max(self._sealer.largest, self._writer.size) + self._reserve.taken + count
        self._reserve.take(count, self._settings.least_free_bytes + copy)

    def _oldest(self) -> float:
        """The number of the first segment in which something began that has no end."""
        return min((begun.place.segment.number for begun in self._open.values()), default=math.inf)

    async def _begin_long(self, row: Row, begun: _Begun) -> None:
        """Redacts a long request in a thread. Where it cannot be noted, the writer is in trouble and lets nobody in."""
        try:
            begun.known = await self._redactor.look(row, {})
            self._note(begun, redacted(row, begun.known))
        except Failed as error:
            _LOG.warning("%s", error)
        except Exception as error:  # noqa: BLE001 - whatever it was: what was not redacted is never written
            _LOG.error("request log: a request could not be redacted and is noted without its texts: %s", error)
        finally:
            begun.redacting = None

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
        most = self._settings.most_bytes
        waiting = self._sealer.bytes + self._writer.size + self._reserve.taken
        if waiting > most:
            where = f"in {self._folder} for {self._log.store.uri}"
            return f"{waiting} bytes wait or are reserved {where}, more than most_bytes = {most}"
        free, least = shutil.disk_usage(self._folder).free, self._settings.least_free_bytes
        if free < least:
            return f"{free} bytes are free on the disk of {self._folder}, fewer than least_free_bytes = {least}"
        return ""


def _key(row: Row) -> _Key:
    name, attempt = row.get("request_id"), row.get("attempt")
    if not name or attempt is None:
        raise InvalidInput("request log: a row of requests needs request_id and attempt")
    return name, attempt
