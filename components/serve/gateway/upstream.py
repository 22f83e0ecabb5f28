"""The model server, as the gateway reaches it.

While no byte of an answer has come, a connection that is refused or closed is tried again: the supervisor restarts
servers. Whoever calls sets the time; a request that servers close on is not what takes all of them down, one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from components.serve.gateway.connection import Closed, Connection, Cut, NotHttp, Pool
from components.serve.gateway.errors import ApiError

PATHS = {"chat": "/v1/chat/completions", "completion": "/v1/completions"}
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds before the first further try; doubled for each one after, up to the longest."""
MOST_DEATHS = 3
"""Servers that may close on one request: it outlives two that were killed for another reason."""
MOST_BYTES = 16 * 1024**2
MOST_EVENT_BYTES = 1024**2
"""Of an answer, and of one event: more is a server that has gone wrong, not an answer of ``max_tokens`` tokens."""
READY_SECONDS = 30.0
DONE = b"[DONE]"


class Upstream:
    """One model server. ``ready`` is whether the last that was heard of it was an answer."""

    def __init__(self, address: str, model: str, tried_again: Callable[[], object]) -> None:
        self._pool = Pool(address)
        self._model, self._tried_again = model, tried_again
        self._probe: asyncio.Task[bool] | None = None
        self.ready = False

    async def close(self) -> None:
        """Closes what is open."""
        if self._probe:
            self._probe.cancel()
        self._pool.close()

    async def whole(self, kind: str, body: bytes, headers: Mapping[str, str], trouble: list[str]) -> bytes:
        """The answer's body. Raises ApiError for an error of the server's and for what is no HTTP.

        ``trouble`` gets a sentence for each try that failed.
        """
        tries = _Tries(trouble)
        while True:
            try:
                async with self._post(kind, body, headers) as response:
                    data = await _read(response)
                _check(response.status, data)
                self.ready = True
                return data
            except OSError as error:
                await self._wait(error, tries)
            except NotHttp as error:
                raise garbage(f"no HTTP: {error}") from error

    async def events(
        self, kind: str, body: bytes, headers: Mapping[str, str], trouble: list[str]
    ) -> AsyncGenerator[list[bytes], None]:
        """The data of a stream's events, those that came at once together, ``[DONE]`` included.

        Raises ApiError as ``whole`` does.
        """
        tries = _Tries(trouble)
        while True:
            try:
                async with self._post(kind, body, headers) as response:
                    if response.status != 200:
                        _check(response.status, await _read(response))
                    async for together in _split(response):
                        self.ready = True
                        response.ending = together[-1] == DONE
                        yield together
                    return
            except OSError as error:
                await self._wait(error, tries)
            except NotHttp as error:
                raise garbage(f"no HTTP: {error}") from error

    async def answers(self) -> bool:
        """Whether it answers. Tried with one token, then believed until a connection fails."""
        if not self.ready:
            if self._probe is None or self._probe.done():
                self._probe = asyncio.create_task(self._try())
            await asyncio.wait([self._probe])
        return self.ready

    async def _try(self) -> bool:
        """One token, as a conversation or, of a model that has no template for these, as a completion."""
        given = {"model": self._model, "max_tokens": 1}
        asked: dict[str, dict[str, object]] = {
            "chat": {"messages": [{"role": "user", "content": "Hello"}]},
            "completion": {"prompt": "Hello"},
        }
        for kind, words in asked.items():
            try:
                async with (
                    asyncio.timeout(READY_SECONDS),
                    self._post(kind, to_json({**given, **words}), {}) as response,
                ):
                    data = await _read(response)
                    if response.status == 200 and from_json(data).get("choices"):
                        self.ready = True
                        return True
            except (OSError, NotHttp, ValueError, AttributeError, ApiError):
                return False  # whoever asks for readiness asks again
        return False

    async def _wait(self, error: OSError, tries: _Tries) -> None:
        """Waits until a request may be tried again. Raises ApiError (502) where it may not."""
        self.ready = False
        if isinstance(error, Cut):
            raise ApiError(502, "the model server closed in the middle of its answer", "upstream_cut") from error
        tries.trouble.append(f"{type(error).__name__}: {error}"[:200])
        tries.deaths += isinstance(error, Closed)
        if tries.deaths >= MOST_DEATHS:
            message = f"the model server closed {MOST_DEATHS} times on this request; ask for something else"
            raise ApiError(502, message, "upstream_closed") from error
        self._tried_again()
        await asyncio.sleep(tries.pause)
        tries.pause = min(2 * tries.pause, LONGEST_PAUSE)

    def _post(self, kind: str, body: bytes, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Connection]:
        return self._pool.asked(self._pool.request(PATHS[kind], body, headers))


@dataclass
class _Tries:
    """Those of one request."""

    trouble: list[str]
    """Why each one failed."""
    deaths: int = 0
    """How many reached a server that closed without an answer."""
    pause: float = FIRST_PAUSE


def garbage(what: str) -> ApiError:
    """The server answered, and nobody can use it."""
    return ApiError(502, f"the model server answered {what}; ask whoever runs it", "upstream_garbage")


async def _read(response: Connection) -> bytes:
    parts, size = [], 0
    while part := await response.part():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise garbage(f"more than {MOST_BYTES} bytes")
    return b"".join(parts)


def _check(status: int, data: bytes) -> None:
    """Raises ApiError for another status than 200: of the same class, with the server's words where it has some."""
    if status == 200:
        return
    if 400 <= status < 500:
        raise ApiError(
            429 if status == 429 else 400, f"the model server refused it: {_words(data)}", "upstream_refused"
        )
    known = status if status in (503, 504) else 502
    raise ApiError(known, f"the model server failed with status {status}: {_words(data)}", "upstream_failed")


def _words(data: bytes) -> str:
    """What a server says is wrong, in one of the shapes that servers say it."""
    try:
        said = from_json(data)
    except ValueError:
        return "it does not say why"
    for name in ("error", "message", "detail"):
        said = said.get(name, said) if isinstance(said, dict) else said
    return said[:500] if isinstance(said, str) else "it does not say why"


async def _split(response: Connection) -> AsyncIterator[list[bytes]]:
    """The data of server-sent events (WHATWG HTML, section 9.2); comments and other fields are left out."""
    rest, lines = b"", list[bytes]()
    while part := await response.part():
        events = list[bytes]()
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                lines.append(line[5:].removeprefix(b" "))
            elif not line and lines:
                events.append(b"\n".join(lines))
                lines = []
        if events:
            yield events
        if len(rest) + sum(map(len, lines)) > MOST_EVENT_BYTES:
            raise garbage(f"an event of more than {MOST_EVENT_BYTES} bytes")
    if lines:
        yield [b"\n".join(lines)]
