"""A server on loopback that plays Google's services, as far as ``Service``s are mounted on it.

Each request is held against the service's own description first; one that does not fit is answered 400 and kept in
``wrong``, which a test fails on. ``fail`` makes an operation fail in one of the ways that a network and a cloud have.
It does not imitate: who may do what (any token is taken unless ``fail`` says otherwise), quotas, and propagation times.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

from aiohttp import web

from tests.contract.google.discovery import Discovery, Operation, Wrong, discovery
from tests.contract.loopback import Loopback, dropped, is_named

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


class Server(Loopback):
    """The fake; ``requests`` is what came in and fitted."""

    def __init__(self, *services: Service) -> None:
        super().__init__()
        self._services = [(discovery(name), service) for service in services for name in service.documents]
        self.requests: list[Request] = []

    def asked(self, operation: str) -> list[Request]:
        """The requests of an operation that came in, the failed ones too."""
        return [one for one in self.requests if is_named(one.operation.id, operation)]

    async def answer(self, came: web.Request) -> web.StreamResponse:
        """What the services answer, or a fault."""
        data = await came.read()
        try:
            service, request = self._understood(came, data)
        except Wrong as error:
            self.wrong.append(str(error))
            return _error(ApiError(400, str(error)))
        self.requests.append(request)
        fault = self.fault_of(request.operation.id)
        if fault and fault.how == "drop before":
            return dropped(came)
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
            return dropped(came)
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


def _body(description: Discovery, operation: Operation, came: web.Request, data: bytes, query: dict[str, str]) -> Any:
    if came.path.startswith(("/upload/", "/resumable/")) or not data:
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
