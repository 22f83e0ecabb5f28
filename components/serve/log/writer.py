"""Makes rows durable: one ``fdatasync`` for all that wait, and a new segment when one is old, full or broken.

Group commit as in DeWitt et al., Implementation Techniques for Main Memory Database Systems, SIGMOD 1984, section 5.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from components.core.errors import Failed
from components.serve.log.recovery import closed_name, shut
from components.serve.log.reserve import Reserve
from components.serve.log.segment import Name, Place, Segment
from components.serve.settings import LogSettings

SEGMENT_BYTES = 32 * 1024 * 1024
"""A segment is closed above it, so that sealing one takes little memory."""
_LOG = logging.getLogger(__name__)
_Waiting = list[asyncio.Future[None]]


class Writer:
    """The segment that rows are written to, and the ones after it. Made and used in one event loop.

    Whoever finds no ``fdatasync`` under way begins one, in a thread; who comes meanwhile shares the next. Few turns of
    the loop lie between a row and its answer, for each may wait behind other requests.
    """

    def __init__(
        self,
        segment: Segment,
        gateway: str,
        settings: LogSettings,
        *,
        reserve: Reserve,
        cut: Callable[[], None],
        closed: Callable[[Path], None],
    ) -> None:
        """``cut`` writes again what has been cut off, if something was; ``closed`` takes the path of a segment that
        ended. What is written has been taken from ``reserve`` before, and is given back by whoever took it."""
        self.trouble = ""
        """Why nothing can be written, in a sentence; empty where it can."""
        self._segment, self._number, self._gateway, self._settings = segment, segment.number, gateway, settings
        self._reserve, self._cut, self._closed = reserve, cut, closed
        self._loop = asyncio.get_running_loop()
        self._to_sync: SimpleQueue[tuple[Segment, _Waiting] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._sync_all, name="journal", daemon=True)
        self._thread.start()
        self._waiting: _Waiting = []
        self._ended: list[Path] = []
        """Segments that ended and are not handed over yet."""
        self._turning = self._ending = False
        self._wake, self._quiet = asyncio.Event(), asyncio.Event()
        self._quiet.set()
        self._since = time.monotonic()
        self._task = asyncio.create_task(self._run())

    @property
    def size(self) -> int:
        """Bytes of the segment that is written to."""
        return self._segment.size

    def write(self, frames: bytes, rows: int = 0) -> Place:
        """Writes frames, not yet durably. Raises Failed, and has written nothing then."""
        try:
            try:
                self._segment.append(frames, rows)
            except Failed:  # such as on a disk that others filled
                self._reserve.make_way(len(frames))
                self._segment.append(frames, rows)
        except Failed as error:
            self._break(error)
            raise
        return Place(self._segment, self._segment.size)

    def durable(self, frames: bytes) -> asyncio.Future[None]:
        """Writes a row and returns what is done when it is durable. Raises Failed, at once or there."""
        self.write(frames, rows=1)
        done = self._loop.create_future()
        self._waiting.append(done)
        if self._quiet.is_set() and not self._turning:
            self._begin_sync()
        return done

    async def end(self, frames: bytes, rows: int) -> None:
        """Writes the last rows and closes the segment. Raises Failed; the next start goes on from there then."""
        self._ending = True
        self._wake.set()
        await self._task
        await self._quiet.wait()
        try:
            if self.trouble:
                await self._turn_over()
            self.write(frames, rows)
            error = await asyncio.to_thread(shut, self._segment)
            self._ended.append(self._segment.path)
            await self._hand_over()
            if error:
                raise error
        finally:
            self._to_sync.put(None)
            self._thread.join()

    def _break(self, error: Failed) -> None:
        self.trouble = str(error)
        self._wake.set()

    def _begin_sync(self) -> None:
        """Makes durable what waits."""
        waiting, self._waiting = self._waiting, []
        self._quiet.clear()
        self._to_sync.put((self._segment, waiting))

    def _sync_all(self) -> None:
        """In the thread, which is our own: an executor would make a future and take locks for each row."""
        while asked := self._to_sync.get():
            segment, waiting = asked
            trouble = None
            try:
                segment.sync()
            except Failed as error:
                trouble = error
            self._loop.call_soon_threadsafe(self._synced, waiting, trouble)

    def _synced(self, waiting: _Waiting, error: Failed | None) -> None:
        if error:
            # What was written meanwhile is cut off too: no row may stay in the log whose answer became an error.
            waiting, self._waiting = waiting + self._waiting, []
            self._segment.cut()
            self._break(error)
        _answer(waiting, error)
        if self._is_due():
            self._wake.set()
        if self._waiting and not self._turning:
            self._begin_sync()
        else:
            self._quiet.set()

    async def _run(self) -> None:
        """Begins a new segment when the old one is due or broken; looks at the clock from time to time."""
        while not self._ending:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(1.0, self._settings.seal_seconds / 4))
            self._wake.clear()
            if self.trouble or self._is_due():
                await self._turn_over()
            elif self._ended:
                await self._hand_over()

    def _is_due(self) -> bool:
        segment, settings = self._segment, self._settings
        old = segment.rows > 0 and time.monotonic() - self._since >= settings.seal_seconds
        return old or segment.rows >= settings.seal_rows or segment.size >= SEGMENT_BYTES

    async def _turn_over(self) -> None:
        """Goes on in a new segment and closes the old one; where that fails, the clock tries again."""
        self._number += 1
        try:
            # In another thread: rows become durable meanwhile.
            new = await asyncio.to_thread(Segment, self._segment.path.with_name(str(Name(self._number))))
        except Failed as error:
            self.trouble = str(error)
            return
        self._turning = True
        await self._quiet.wait()
        try:
            await self._swap(new)
        finally:
            self._turning = False
            if self._waiting:
                self._begin_sync()

    async def _swap(self, new: Segment) -> None:
        old, waiting = self._segment, self._waiting
        self._segment, self._waiting = new, []
        self.trouble, self._since = "", time.monotonic()
        self._write_again()
        error = await asyncio.to_thread(shut, old)
        _answer(waiting, error)  # whatever its name will be: they are in the log, or cut off
        self._write_again()
        self._ended.append(old.path)
        await self._hand_over()

    async def _hand_over(self) -> None:
        """Hands over what ended, in order; where a name cannot be given, the clock tries again."""
        try:
            while self._ended:
                self._closed(await asyncio.to_thread(closed_name, self._ended[0], self._gateway))
                self._ended.pop(0)
        except Failed as error:
            _LOG.warning("%s; it is tried again", error)

    def _write_again(self) -> None:
        try:
            self._cut()
        except Failed:  # its trouble is noted
            self._wake.clear()  # the clock tries again: a full disk would have us make segments without a pause


def _answer(waiting: _Waiting, error: Failed | None) -> None:
    for done in waiting:
        if done.done():  # whoever waited for it was cancelled
            continue
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)
