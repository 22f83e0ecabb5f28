"""Errors that a client is told, always in OpenAI's shape."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

TYPES = {401: "authentication_error", 429: "rate_limit_error"}
CLIENT_LEFT = 499
"""What the log says of a client that left; nobody is told (nginx's number, for HTTP has none)."""


class ApiError(Exception):
    """An error with the status that the client gets. ``message`` says what to do."""

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = headers or {}

    @property
    def document(self) -> dict[str, Any]:
        """OpenAI's error object."""
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def body(self) -> bytes:
        """The error as the body of an answer."""
        return to_json(self.document, inf_nan_mode="null", serialize_unknown=True)

    @property
    def event(self) -> bytes:
        """The error as an event of a stream."""
        return b"data: " + self.body + b"\n\n"
