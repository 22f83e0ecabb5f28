"""The gateway's process: its socket, its connections, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from components.core.errors import Failed, InvalidInput
from components.core.request_log import RequestLog
from components.serve.gateway.config import GatewayConfig
from components.serve.gateway.errors import ApiError
from components.serve.gateway.gateway import Application, Gateway
from components.serve.gateway.identity import read_secret
from components.serve.log.journal import Journal
from components.serve.settings import Limits

IDLE_SECONDS = 300
"""How long a connection without a request stays open: longer than a router's pool pauses."""
MOST_HEAD_BYTES = 64 * 1024
"""Of a request's line and headers; Envoy's own limit is 60 KiB."""
GARBAGE = 20_000
"""Objects, made and not freed yet, after which cycles among them are looked for."""
SWITCH_SECONDS = 0.0005
"""How long a thread waits for the interpreter: that a row is durable must not wait 5 ms behind other requests."""
LOOK_SECONDS, PARTING_SECONDS = 0.02, 2
_LOG = logging.getLogger(__name__)


def run(config: GatewayConfig) -> None:
    """Serves until SIGTERM. Raises InvalidInput or Failed for what keeps it from starting."""
    sys.setswitchinterval(SWITCH_SECONDS)
    listening = _listen(config)
    with listening, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, listening))


async def _serve(config: GatewayConfig, listening: socket.socket) -> None:
    secret = read_secret(Path(config.secret))
    journal = Journal(Path(config.journal), RequestLog(config.requests), config.endpoint, config.name, config.log)
    journal.start()
    gateway = Gateway(config, journal, secret)
    server = server_of(gateway)
    # What is there now stays: looking through it again would hold up requests, each time for longer than one takes.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    ending = _Ending(gateway, server, config.drain_seconds)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.told)
    try:
        await server.serve(sockets=[listening])
    finally:
        await gateway.close()


def server_of(gateway: Gateway) -> uvicorn.Server:
    """The HTTP server of a gateway; it takes no signals."""
    return _Server(
        uvicorn.Config(
            Application(gateway),
            http=_protocol(gateway.config.limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=PARTING_SECONDS,
        )
    )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to ``_Ending``: uvicorn would end with the signal and not with 0."""
        yield


class _Ending:
    """At the first signal, open answers end; at the second one, or when their time is over, they are cut."""

    def __init__(self, gateway: Gateway, server: uvicorn.Server, seconds: float) -> None:
        self._gateway, self._server, self._seconds = gateway, server, seconds
        self._waiting: asyncio.Task[None] | None = None

    def told(self) -> None:
        """A signal came."""
        if self._gateway.draining:
            self._server.should_exit = self._server.force_exit = True
            return
        self._gateway.draining = True
        self._waiting = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while self._gateway.in_flight:
                    await asyncio.sleep(LOOK_SECONDS)
        self._server.should_exit = True


def _listen(config: GatewayConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        where = f"gateway: {config.host}:{config.port}"
        if error.errno == errno.EADDRINUSE:
            raise Failed(f"{where} is taken by another process; end that, or take another port") from error
        raise InvalidInput(f"{where}: cannot listen there: {error}; take another address") from error


class _OneWrite:
    """A transport for one answer: its head goes with what comes next. Each write wakes the client for itself."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head = transport, b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Writes, or keeps a head back; to a client that has gone, nothing."""
        if self.is_closing():
            return
        if self._head or not data.startswith(b"HTTP/1.1 ") or data.startswith(b"HTTP/1.1 100"):
            self._transport.write(self._head + data)
            self._head = b""
        else:
            self._head = data

    def close(self) -> None:
        """Closes once all is written."""
        if not self.is_closing():
            self._transport.write(self._head)
            self._transport.close()


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol with what it leaves out: limits of a head's size and time, and errors in OpenAI's shape."""

    seconds = 0.0
    """How long a head, or what is left of a body, may take."""
    head_bytes = 0
    in_head, in_body = True, False
    timer: asyncio.TimerHandle | None = None
    on_lost: Callable[[], None] | None = None
    answered: RequestResponseCycle | None = None
    refusal: tuple[int, str, str] | None = None
    """What is wrong with what came behind requests that are still being answered; nothing more is read then."""

    @property
    def lost(self) -> bool:
        """Whether the client has gone."""
        return self.transport.is_closing()

    @property
    def behind(self) -> bool:
        """Whether the client does not read, so that a write would have to wait."""
        return self.flow.write_paused

    def abort(self) -> None:
        """Drops the connection with what was not sent yet; what is still said on it is said to nobody."""
        if self.answered:
            self.answered.disconnected = True
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.answered = cycle  # of pipelined ones, ``cycle`` is the last that came in
        if cycle.scope["http_version"] < "1.1":
            _end_by_closing(cycle)
        super()._start_asgi_task(cycle, app)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        super().connection_lost(exc)
        if self.answered:
            self.answered.disconnected = True
        if self.on_lost:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        if self.refusal:
            return
        super().data_received(data)
        if self.in_head:
            self.head_bytes += len(data)
            if self.head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(431, f"the headers are longer than {MOST_HEAD_BYTES} bytes", "headers_too_long")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["connection"] = self
        self.in_head, self.head_bytes = True, 0
        self._expect(self._too_slow)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()  # raises for a target that is no URL: the head is not behind us then
        self.in_head, self.in_body = False, True
        self._expect(None)
        if self.scope["method"] != "HEAD":  # there nothing comes next
            self.cycle.transport = _OneWrite(self.transport)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        self.in_body = False
        self._expect(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.refusal and not self.transport.is_closing():
            self._refuse(*self.refusal)
        elif self.in_body:  # what comes now is dropped, for a while: the client reads its answer afterwards
            self._expect(self.abort)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg, "invalid_http")

    @property
    def _answering(self) -> bool:
        """Whether a request is being answered that was whole."""
        if self.answered is None or self.answered.response_complete:
            return False
        return not (self.in_body and self.answered is self.cycle)

    def _too_slow(self) -> None:
        if self.head_bytes:
            self._refuse(408, f"the headers took longer than {self.seconds:g} s", "headers_too_slow")
        else:
            self.transport.close()

    def _expect(self, otherwise: Callable[[], Any] | None) -> None:
        """Calls ``otherwise`` unless what is to come has come in time."""
        if self.timer:
            self.timer.cancel()
        self.timer = self.loop.call_later(self.seconds, otherwise) if otherwise else None

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Refuses what is being read, and closes; what came before it is answered first."""
        self._expect(None)
        if self.in_body and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()  # it is its own body that is wrong, and its turn has not come
        if self._answering:
            self.refusal = self.refusal or (status, message, code)
            self.flow.resume_reading()  # what lies unread when we close would reset the connection, and the answer
            return
        if not (self.in_body and self.cycle.response_started):  # it has had its one answer
            body = ApiError(status, message, code).body
            head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()


def _end_by_closing(cycle: RequestResponseCycle) -> None:
    """Has an answer end with its connection: a client of HTTP/1.0 knows neither chunks nor 100 Continue."""
    send = cycle.send

    async def unchunked(message: Any) -> None:
        cycle.expected_content_length = len(message.get("body", b""))  # each piece is as long as it is
        await send(message)

    cycle.send = unchunked  # type: ignore[method-assign]
    cycle.chunked_encoding = cycle.keep_alive = cycle.waiting_for_100_continue = False


def _protocol(limits: Limits) -> type[HttpToolsProtocol]:
    """The protocol for these limits; uvicorn takes a class and makes its connections itself."""
    return type("Connection", (_Connection,), {"seconds": limits.body_seconds})
