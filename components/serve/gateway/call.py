"""One HTTP call of a client: its body within limits, and the one answer that it gets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from components.serve.gateway.errors import ApiError
from components.serve.settings import Limits

JSON, EVENTS = "application/json", "text/event-stream; charset=utf-8"
SLOWEST_SECONDS = 20.0
"""How long what ends an answer waits for a client that does not read."""
PARTING_SECONDS = 1.0
"""How long a client that did not read in time gets to hear that."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Connected(Protocol):
    """The client's connection; ASGI has no word for it, so it comes as ``connection`` of the scope's state."""

    on_lost: Callable[[], None] | None
    """Called once the client has gone."""

    @property
    def lost(self) -> bool:
        """Whether it has."""

    @property
    def behind(self) -> bool:
        """Whether the client does not read, so that a write would have to wait."""

    def abort(self) -> None:
        """Drops it with what was not sent yet."""


class Call:
    """A call from its headers on. ``headers`` go with whatever answer it gets."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.given: dict[bytes, bytes] = dict(scope["headers"])
        self.headers: dict[str, str] = {}
        self.began = time.perf_counter()
        self._connection: Connected = scope["state"]["connection"]
        self.status = 0
        """Of the answer; 0 before one began."""
        self.left = False
        """Whether the client has gone."""
        self._cut = False

    def header(self, name: bytes) -> str:
        """A header of the request; empty where it has none."""
        return self.given.get(name, b"").decode("latin-1")

    @property
    def seconds(self) -> float:
        """Since it came in."""
        return time.perf_counter() - self.began

    @property
    def outcome(self) -> str:
        """How it ended, to count by: the status, ``cut`` for a stream without its end, ``left`` for nobody there."""
        return "cut" if self._cut else "left" if self.left else str(self.status)

    async def body(self, limits: Limits) -> bytes:
        """The whole body. Raises ApiError: 413 as soon as it is known to be too long, 408 when it takes too long."""
        too_long = ApiError(413, f"the body is longer than {limits.body_bytes} bytes; send less", "body_too_long")
        length = self.header(b"content-length")
        if length.isdecimal() and int(length) > limits.body_bytes:
            raise too_long
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(limits.body_seconds):
                while more:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        self.left = True
                        raise ApiError(400, "the client left before its body was whole", "client_left")
                    parts.append(message.get("body", b""))
                    more, size = message.get("more_body", False), size + len(parts[-1])
                    if size > limits.body_bytes:
                        raise too_long
        except TimeoutError as error:
            message_ = f"the body took longer than {limits.body_seconds:g} s; send it faster"
            raise ApiError(408, message_, "body_too_slow", headers={"connection": "close"}) from error
        return b"".join(parts)

    @contextlib.asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """A block that ends with TimeoutError after so many seconds since the call, and when the client leaves."""
        async with asyncio.timeout(max(0.0, seconds - self.seconds)) as deadline:

            def leave() -> None:
                if not deadline.expired():
                    self.left = True
                    deadline.reschedule(0)

            self._connection.on_lost = leave
            if self._connection.lost:
                leave()
            try:
                yield
            finally:
                self._connection.on_lost = None

    async def reply(self, status: int, body: bytes, kind: str = JSON, headers: Mapping[str, str] | None = None) -> None:
        """The whole answer."""
        await self._start(status, {"content-type": kind, "content-length": str(len(body)), **(headers or {})})
        await self._write({"type": "http.response.body", "body": body})

    async def refuse(self, error: ApiError) -> None:
        """The answer that there is none: as a body, or within a stream that has begun."""
        self._cut = self.status != 0
        if self.left:
            return
        if not self.status:
            await self.reply(error.status, error.body, headers=error.headers)
            return
        try:
            async with asyncio.timeout(PARTING_SECONDS):
                await self.end(error.event)
        except TimeoutError:  # it does not read: what waits for it here is dropped
            self._connection.abort()

    async def event(self, data: bytes) -> None:
        """An event of a stream; waits while the client is behind, so that nothing piles up here."""
        if not self.status:
            await self._start(200, {"content-type": EVENTS, "cache-control": "no-cache"})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        """The last event of a stream."""
        await self._write({"type": "http.response.body", "body": data})

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        every = {**headers, **self.headers}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in every.items()]
        await self._write({"type": "http.response.start", "status": status, "headers": raw})
        self.status = status

    async def _write(self, message: MutableMapping[str, Any]) -> None:
        """Sends, and drops a client that does not read for long: it would keep its place among the requests."""
        if not self._connection.behind:
            await self._send(message)
            return
        try:
            async with asyncio.timeout(SLOWEST_SECONDS):
                await self._send(message)
        except TimeoutError:
            self.left = True
            self._connection.abort()
