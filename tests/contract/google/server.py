"""A server on loopback that plays Google's services, as far as ``Service``s are mounted on it.

Each request is held against the service's own description first; one that does not fit is answered 400 and kept in
``wrong``, which a test fails on. ``fail`` makes an operation fail in one of the ways that a network and a cloud have.
It does not imitate: who may do what (any token is taken unless ``fail`` says otherwise), quotas, and propagation times.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

from aiohttp import web

from tests.contract.google.discovery import Discovery, Operation, Wrong, discovery

STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}  # fmt: skip


class ApiError(Exception):
    """An error as Google's services answer it (google.rpc.Status)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Request:
    """A request that fits its operation. ``body`` is JSON, or bytes where the operation takes media."""

    operation: Operation
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    path: str

    @property
    def names(self) -> dict[str, str]:
        """What is filled into the path, decoded."""
        return {name: unquote(value) for name, value in self.operation.path.items()}


class Service(Protocol):
    """A service's behaviour. ``documents`` names the descriptions that it goes by."""

    documents: tuple[str, ...]

    def answer(self, request: Request) -> Any:
        """What an operation gives: JSON, or a ``web.Response``. Raises ApiError."""


@dataclass
class Fault:
    """How the next requests of an operation fail."""

    how: int | str
    """A status; or ``drop before`` or ``drop after`` the request was taken; or ``slow``, answered after ``seconds``."""
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = ""
    seconds: float = 0.0


class Server:
    """The fake. ``address`` is where it listens; ``requests`` what came in, ``wrong`` what did not fit."""

    def __init__(self, *services: Service) -> None:
        self._services = [(discovery(name), service) for service in services for name in service.documents]
        self._faults: dict[str, list[Fault]] = {}
        self.requests: list[Request] = []
        self.wrong: list[str] = []
        self.address = ""

    def fail(self, operation: str, how: int | str, **more: Any) -> None:
        """Makes the next requests of an operation fail; the end of its name will do: ``schedules.create``."""
        self._faults.setdefault(operation, []).append(Fault(how, **more))

    def asked(self, operation: str) -> list[Request]:
        """The requests of an operation that came in, the failed ones too."""
        return [one for one in self.requests if _is_named(one.operation.id, operation)]

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Listens, in a thread, while the block runs; fails at its end for requests that did not fit."""
        loop, up = asyncio.new_event_loop(), threading.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._serve(up)), daemon=True)
        self._loop, self._stopped = loop, asyncio.Event()
        thread.start()
        assert up.wait(20)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(self._stopped.set)
            thread.join(20)
            loop.close()
        assert not self.wrong, "requests that the service's description does not have:\n" + "\n".join(self.wrong)

    async def _serve(self, up: threading.Event) -> None:
        application = web.Application(client_max_size=64 * 1024**2)
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        up.set()
        await self._stopped.wait()
        await runner.cleanup()

    async def _answer(self, came: web.Request) -> web.StreamResponse:
        data = await came.read()
        try:
            service, request = self._understood(came, data)
        except Wrong as error:
            self.wrong.append(str(error))
            return _error(ApiError(400, str(error)))
        self.requests.append(request)
        fault = self._fault(request.operation.id)
        if fault and fault.how == "drop before":
            return _dropped(came)
        if fault and isinstance(fault.how, int):
            message = fault.message or f"{HTTPStatus(fault.how).phrase}: the fake was told to say so"
            return _error(ApiError(fault.how, message), fault.headers)
        try:
            found = service.answer(request)
        except ApiError as error:
            return _error(error)
        except Wrong as error:  # what only the service can hold against its description: media with its metadata
            self.wrong.append(str(error))
            return _error(ApiError(400, str(error)))
        if fault and fault.how == "drop after":
            return _dropped(came)
        if fault:
            await asyncio.sleep(fault.seconds)
        return found if isinstance(found, web.StreamResponse) else web.json_response(found)

    def _understood(self, came: web.Request, data: bytes) -> tuple[Service, Request]:
        query, path = dict(came.query), came.raw_path.partition("?")[0]
        for description, service in self._services:
            try:
                operation = description.operation(came.method, path, query)
            except Wrong as error:
                if description is self._services[-1][0] or "there is no parameter" in str(error):
                    raise
                continue
            body = _body(description, operation, came, data, query)
            return service, Request(operation, query, dict(came.headers), body, path)
        raise Wrong(f"no service has {came.method} {path}")

    def _fault(self, operation: str) -> Fault | None:
        for name, faults in self._faults.items():
            if _is_named(operation, name) and faults:
                fault = faults[0]
                fault.times -= 1
                if fault.times <= 0:
                    faults.pop(0)
                return fault
        return None


def _is_named(operation: str, name: str) -> bool:
    return operation == name or operation.endswith("." + name)


def _body(description: Discovery, operation: Operation, came: web.Request, data: bytes, query: dict[str, str]) -> Any:
    if "upload" in came.path or not data:
        if not data:
            description.check(operation, {}, query)
        return data
    try:
        body = json.loads(data)
    except ValueError as error:
        raise Wrong(f"{operation.id}: the body is no JSON") from error
    description.check(operation, body, query)
    return body


def _error(error: ApiError, headers: dict[str, str] | None = None) -> web.Response:
    document = {"code": error.code, "message": error.message, "status": STATUS.get(error.code, "UNKNOWN")}
    return web.json_response({"error": document}, status=error.code, headers=headers)


def _dropped(came: web.Request) -> web.StreamResponse:
    """Closes the connection without a word."""
    assert came.transport
    came.transport.abort()
    return web.Response()
