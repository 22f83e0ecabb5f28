"""Connections to a model server: HTTP/1.1 as far as one server on the same machine or network needs it.

Each request passes here, and a general client was the largest part of what a gateway did with one; ``make bench-serve``
says what is left.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httptools

IDLE_SECONDS = 4.0
"""Less than what a model server keeps an idle connection open for (uvicorn: 5 s)."""
MOST_HEAD_BYTES = 64 * 1024
"""Of an answer's status line and headers."""
MOST_WAITING_BYTES = 256 * 1024
"""Of an answer that nobody has taken yet: above it nothing more is read from the server."""


class Closed(ConnectionError):
    """The server closed after it was asked and before a byte of its answer."""


class Cut(ConnectionError):
    """The server closed in the middle of its answer."""


class NotHttp(Exception):
    """The server sent what is no answer in HTTP/1.1."""


class Connection(asyncio.Protocol):
    """One connection, with one request at a time: ``ask``, then ``part`` until it is empty."""

    def __init__(self) -> None:
        self.reusable = False
        """Whether another request may follow: the answer was whole, and the server keeps the connection."""
        self.since = 0.0
        """When it fell idle (monotonic seconds)."""
        self.ending = False
        """Whether nothing is wanted of the answer any more but its end: it need not be closed for that."""
        self._loop = asyncio.get_running_loop()
        self._parts: deque[bytes] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self._paused = False
        self._begin()

    def _begin(self) -> None:
        self.status = self._size = self._head_bytes = 0
        self.reusable = self.ending = False
        self._parts.clear()
        self._parser = httptools.HttpResponseParser(self)
        self._in_head, self._whole, self._until_closed = True, False, True

    async def ask(self, request: bytes) -> int:
        """Sends a whole request and returns the answer's status.

        Raises Closed, Cut or NotHttp; another ConnectionError where the server was not asked.
        """
        self._begin()
        if self._lost:
            raise ConnectionError("the server closed before it was asked")
        self._transport.write(request)
        while self._in_head:
            await self._wait()
        return self.status

    async def part(self) -> bytes:
        """What came of the answer's body; empty at its end. Raises Cut or NotHttp."""
        while not self._parts:
            if self._whole:
                return b""
            await self._wait()
        data = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Closes it at once, whatever is under way."""
        self._transport.abort()

    async def _wait(self) -> None:
        if self._lost:
            raise self._lost
        self._waiting = self._loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._spoil(str(error) or type(error).__name__)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self._spoil(f"a head of more than {MOST_HEAD_BYTES} bytes")
        if self._size > MOST_WAITING_BYTES and not self._paused and not self._lost:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _spoil(self, why: str) -> None:
        """What was whole before stays; nothing more is believed."""
        self._lost, self.reusable = self._lost or NotHttp(why), False
        self._transport.abort()

    def eof_received(self) -> None:
        if not self._in_head and not self._whole and self._until_closed:
            self._whole = True

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        closed = Cut if self._head_bytes else Closed
        self._lost = self._lost or closed(str(error) if error else "the server closed the connection")
        self._wake()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._whole:  # it would be taken for the answer to the next request
            self._spoil("more than its answer")

    def on_header(self, name: bytes, _: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._until_closed = False

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # others, such as 100 Continue, come before the answer
            self.status, self._in_head = status, False

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)

    def on_message_complete(self) -> None:
        if not self._in_head and not self._lost:
            self._whole, self.reusable = True, self._parser.should_keep_alive()


class Pool:
    """The connections to one address; an idle one is used again."""

    def __init__(self, address: str) -> None:
        """``address`` is ``http://HOST:PORT`` or ``https://…``, with or without a path that all paths follow."""
        parts = urlsplit(address)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._base, self._name = parts.path, parts.netloc.rpartition("@")[2]
        self._idle: list[Connection] = []

    def request(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """A POST with a JSON body, as it is sent."""
        given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return (
            f"POST {self._base}{path} HTTP/1.1\r\nhost: {self._name}\r\ncontent-type: application/json\r\n"
            f"accept-encoding: identity\r\ncontent-length: {len(body)}\r\n{given}\r\n"
        ).encode("latin-1") + body

    @asynccontextmanager
    async def asked(self, request: bytes) -> AsyncIterator[Connection]:
        """A connection whose answer has begun. Raises OSError, also ``Closed`` and ``Cut``, and NotHttp."""
        connection = self._kept() or await self._connected()
        try:
            await connection.ask(request)
            yield connection
        finally:
            if connection.reusable or connection.ending:
                connection.since = time.monotonic()
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Closes the idle ones."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> Connection | None:
        """The one that was used last: those that are not needed fall out of use, and are closed here."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle and (self._idle[0].since < oldest or not self._idle[0].reusable):
            self._idle.pop(0).close()
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()  # its end has not come, and nobody waits for it any more
        return None

    async def _connected(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._host, self._port, ssl=self._tls)
        return connection
