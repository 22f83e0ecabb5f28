"""A gateway on loopback before the stub model, both in this process, with a journal in memory."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from components.core.columns import Row
from components.core.errors import Failed, InvalidInput
from components.serve.api_keys import new_key
from components.serve.gateway.config import GatewayConfig
from components.serve.gateway.gateway import Gateway
from components.serve.gateway.identity import read_secret
from components.serve.gateway.server import server_of
from components.serve.processes import free_port
from components.serve.settings import Limits
from tests.contract.stub_model import StubModel

ENDPOINT, MODEL = "helpdesk", "a" * 64
MANY = Limits(per_minute=1_000_000, burst=1_000_000, request_seconds=20)


@dataclass
class FakeJournal:
    """What would be in the request log; ``broken`` makes its writes fail, ``has_room`` false refuses requests."""

    has_room: bool = True
    broken: bool = False
    begun: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    words: list[Row] = field(default_factory=list)
    closed: bool = False
    redacting: float = 0
    """How long that takes (seconds)."""
    before_finish: Callable[[], None] = lambda: None

    def begin(self, row: Row, answer_bytes: int) -> None:
        self._check()
        if any(other["request_id"] == row["request_id"] for other in self.begun[len(self.rows) :]):
            raise InvalidInput("request log: it began before")
        self.begun.append(dict(row))

    async def look(self, row: Row) -> None:
        await asyncio.sleep(self.redacting)

    async def finish(self, row: Row) -> None:
        self.before_finish()
        await asyncio.sleep(0)
        self._check()
        self.rows.append(dict(row))

    async def feedback(self, row: Row, seconds: float | None = None) -> None:
        self._check()
        async with asyncio.timeout(seconds):
            await asyncio.sleep(self.redacting)
        self.words.append(dict(row))

    async def close(self) -> None:
        self.closed = True

    def _check(self) -> None:
        if self.broken:
            raise Failed("request log: the disk is full")


@dataclass
class Case:
    """A running gateway, and what a test may ask of it."""

    port: int
    gateway: Gateway
    journal: FakeJournal
    stub: StubModel
    keys: Path
    key: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """One call; ``body`` is bytes, or a value that is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {"authorization": f"Bearer {self.key if key is None else key}", **(headers or {})}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, given)
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def chat(self, prompt: str, **more: Any) -> Reply:
        """A conversation of one message."""
        messages = [{"role": "user", "content": prompt}]
        return self.ask("POST", "/v1/chat/completions", {"model": ENDPOINT, "messages": messages, **more})

    def wait_for_rows(self, count: int = 1) -> list[Row]:
        """The rows, once there are so many: what a client that left is logged as comes after it left."""
        wait_until(lambda: len(self.journal.rows) >= count)
        return self.journal.rows


@dataclass
class Reply:
    """An answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error, whose shape is checked."""
        return error_code(self.json)

    @property
    def events(self) -> list[Any]:
        """The data of the events of a stream; ``[DONE]`` as text."""
        data = [block.removeprefix("data: ") for block in self.body.decode().split("\n\n") if block]
        return [one if one == "[DONE]" else json.loads(one) for one in data]


def error_code(document: Any) -> str:
    """The code of an error in OpenAI's shape."""
    assert set(document) == {"error"}
    error = document["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["code"], str)
    return error["code"]


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Waits for what happens in another thread."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


@contextmanager
def running(
    folder: Path, limits: Limits = MANY, *, upstream: str = "", journal: FakeJournal | None = None
) -> Iterator[Case]:
    """A gateway and a stub model until the block ends; another ``upstream`` takes the stub's place."""
    stub, log, ports = StubModel(), journal or FakeJournal(), (free_port(), free_port())
    config = GatewayConfig(
        endpoint=ENDPOINT, model=MODEL, upstream=upstream or f"http://127.0.0.1:{ports[1]}", upstream_model="stub",
        port=ports[0], keys=str(folder / "keys.json"), secret=str(folder / "secret"), limits=limits,
        requests=str(folder / "requests"), journal=str(folder / "journal"), name="g1",
    )  # fmt: skip
    key = new_key(Path(config.keys), "app")
    thread = _Thread(config, log, stub, ports[1])
    thread.start()
    try:
        assert thread.up.wait(20)
        yield Case(ports[0], thread.gateway, log, stub, Path(config.keys), key)
    finally:
        thread.stop()
        thread.join(20)


class _Thread(threading.Thread):
    def __init__(self, config: GatewayConfig, journal: FakeJournal, stub: StubModel, stub_port: int) -> None:
        super().__init__(daemon=True)
        self.gateway = Gateway(config, journal, read_secret(Path(config.secret)))
        self.up = threading.Event()
        self._config, self._stub, self._stub_port = config, stub, stub_port

    def run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(setattr, self._server, "should_exit", True)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        stub = web.AppRunner(self._stub.application(), shutdown_timeout=0.1)
        await stub.setup()
        await web.TCPSite(stub, "127.0.0.1", self._stub_port).start()
        self._server = server_of(self.gateway)
        listening = socket.create_server((self._config.host, self._config.port))
        self._loop.call_soon(self.up.set)
        await self._server.serve(sockets=[listening])
        await self.gateway.close()
        await stub.cleanup()
