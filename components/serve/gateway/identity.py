"""Names that a gateway gives out: ids of requests that it knows again, and users without their names.

Both are keyed with a secret that all gateways of an endpoint share, so that no table of given-out ids is needed, and
nobody who reads the log can try out users' names.
"""

from __future__ import annotations

import hmac
import os
import uuid
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from components.core.errors import InvalidInput
from components.core.whole_file import beside

SECRET_BYTES = 32
TAG_DIGITS = 16
PREFIXES = {"chat": "chatcmpl-", "completion": "cmpl-"}
"""What OpenAI's own ids begin with, by the kind of the answer."""


class Identity:
    """What a secret makes of ids and users."""

    def __init__(self, secret: bytes, endpoint: str) -> None:
        self._secret, self._endpoint = secret, endpoint

    def request_id(self, router: str) -> str:
        """The id of a request: a UUID (the router's, where it sent one) and the tag that proves it is ours."""
        number = _uuid(router) or uuid.uuid4().hex
        return f"{number}-{self._tag(number)}"

    def known(self, request_id: str) -> str | None:
        """The id without OpenAI's prefix, if a gateway of this endpoint gave it out; None otherwise."""
        for prefix in PREFIXES.values():
            request_id = request_id.removeprefix(prefix)
        number, _, tag = request_id.partition("-")
        ours = hmac.compare_digest(tag.encode("utf-8", "replace"), self._tag(number).encode())
        return request_id if ours and _uuid(number) == number else None

    def unit(self, user: str | None, key: str) -> str:
        """The user, hashed; the API key stands for a user that no request names. 32 hexadecimal digits."""
        return self._digest(f"user|{user}" if user else f"key|{key}")

    def _tag(self, number: str) -> str:
        return self._digest(f"request|{self._endpoint}|{number}")[:TAG_DIGITS]

    def _digest(self, text: str) -> str:
        """Keyed BLAKE2b (RFC 7693, section 2.9), which needs no HMAC around it."""
        return blake2b(text.encode("utf-8", "replace"), key=self._secret, digest_size=16).hexdigest()


def read_secret(path: Path) -> bytes:
    """The secret in a file; one is made, for this user alone, where there is none.

    Of two gateways that make it at once both have the same. Raises InvalidInput for a file that is no secret.
    """
    with suppress(FileNotFoundError):
        return _checked(path, path.read_bytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    part = beside(path)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(part)  # unlike a rename, it does not take the place of another's
    finally:
        part.unlink(missing_ok=True)
    return _checked(path, path.read_bytes())


def _checked(path: Path, secret: bytes) -> bytes:
    if len(secret) != SECRET_BYTES:
        raise InvalidInput(
            f"{path}: holds {len(secret)} bytes and not {SECRET_BYTES}; remove it, and the gateway makes one: feedback"
            " for requests from before is refused then"
        )
    return secret


def _uuid(text: str) -> str:
    """The digits of a UUID; empty for what is none."""
    if len(text) not in (32, 36):
        return ""
    try:
        return uuid.UUID(text).hex
    except ValueError:
        return ""
