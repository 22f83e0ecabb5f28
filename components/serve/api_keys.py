"""API keys of an endpoint's clients: a file with their hashes, changed by the command line, read by the gateways.

A key is 32 random bytes: SHA-256 without a salt is enough, for there is nothing to guess (unlike a password). It is
shown once, when it is made.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from components.core.alone import alone
from components.core.canonical import sha256
from components.core.contract import Contract
from components.core.errors import Conflict, InvalidInput, did_you_mean
from components.core.whole_file import whole_file

PREFIX = "sk-"
LOOK_SECONDS = 0.5
"""How often a gateway looks whether the file has changed (seconds)."""


class ApiKey(BaseModel):
    """Who may ask; the key itself is nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Whose it is; it stands in the log.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the key.")
    trusted: bool = Field(default=False, description="Whether its corrections count without anybody's agreement.")
    per_minute: int | None = Field(default=None, ge=1, description="Requests a minute; none for the gateway's limit.")
    made: str = Field(description="UTC, ISO 8601.")
    revoked: str = Field(default="", description="UTC, ISO 8601; empty for a key that counts.")


class ApiKeys(Contract):
    """All keys that ever were made: a name is used once, for the log names it."""

    keys: tuple[ApiKey, ...] = ()


def read_keys(path: Path) -> ApiKeys:
    """The keys in a file; none, where there is no file. Raises InvalidInput for a file that holds something else."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ApiKeys()
    return ApiKeys.read(data, str(path))


def new_key(path: Path, name: str, *, trusted: bool = False, per_minute: int | None = None) -> str:
    """Makes a key and returns it; the file keeps its hash alone.

    Raises InvalidInput for a name that is none, Conflict for one that is used.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    try:
        made = ApiKey(name=name, sha256=sha256(key), trusted=trusted, per_minute=per_minute, made=_now())
    except ValueError as error:
        raise InvalidInput(
            f"API key {name!r}: a name has letters, digits, dots, dashes and at most 64 of them; requests a minute are"
            " at least 1"
        ) from error

    def added(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if any(other.name == name for other in keys):
            raise Conflict(f"API key {name}: there is one of that name in {path}; take another name")
        return (*keys, made)

    _change(path, added)
    return key


def revoke_key(path: Path, name: str) -> ApiKey:
    """Ends a key; gateways refuse it within a second. Raises InvalidInput where no key that counts has that name."""

    def without(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        active = [key.name for key in keys if not key.revoked]
        if name not in active:
            raise InvalidInput(f"API key {name}: {path} has no such key that counts{did_you_mean(name, active)}")
        return tuple(key.model_copy(update={"revoked": _now()}) if key.name == name else key for key in keys)

    return next(key for key in _change(path, without).keys if key.name == name)


class KeyRing:
    """The keys as a gateway knows them: the file is looked at again every half second."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self._clock = path, clock
        self._looked = -LOOK_SECONDS
        self._seen: tuple[int, int, int] | None = None
        self._by_hash: dict[str, ApiKey] = {}
        self.trouble = ""
        """Why no key counts, where the file cannot be read; it is not guessed which were revoked."""

    @property
    def empty(self) -> bool:
        """Whether no key counts."""
        self._look()
        return not self._by_hash

    def find(self, key: str) -> ApiKey | None:
        """Whose key that is; None for a key that does not count. How long it takes tells nothing of other keys."""
        self._look()
        digest = sha256(key.encode("utf-8", "replace"))
        return self._by_hash.get(digest)

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        seen: tuple[int, int, int] | None = (0, 0, 0)
        try:
            about = self.path.stat()
            seen = (about.st_mtime_ns, about.st_ino, about.st_size)
        except FileNotFoundError:
            pass  # no file, no key
        except OSError:
            seen = None
        if seen is None or seen != self._seen:
            # What could not be read is tried again, though nothing about the file has changed.
            self._seen = seen if self._read() else None

    def _read(self) -> bool:
        """Reads the file; whether that could be done, whatever it holds."""
        self._by_hash, self.trouble = {}, ""
        try:
            keys = read_keys(self.path).keys
        except OSError as error:
            self.trouble = f"{self.path} cannot be read: {error.strerror}"
            return False
        except InvalidInput as error:
            self.trouble = str(error)
        else:
            self._by_hash = {key.sha256: key for key in keys if not key.revoked}
        return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _change(path: Path, change: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]]) -> ApiKeys:
    with alone(path):
        keys = ApiKeys(keys=change(read_keys(path).keys))
        with whole_file(path) as part, open(part, "xb", opener=_for_its_owner) as file:
            file.write(keys.to_bytes() + b"\n")
    return keys


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
