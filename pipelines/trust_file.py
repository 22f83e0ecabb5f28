"""The trust roots, changed by one at a time and written whole: a file here, or an object of a bucket."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from components.core.alone import alone
from components.core.errors import Conflict, Failed, InvalidInput
from components.core.trust import TrustedKey, TrustRoots, read_trust
from components.core.whole_file import sync_folder, whole_file
from pipelines.environment import Environment
from pipelines.typed import typed

Change = Callable[[TrustRoots], tuple[TrustedKey, ...]]
BUCKETS = ("gs://", "s3://")


class TrustPlace(Protocol):
    """Where trust roots lie."""

    place: str

    def exists(self) -> bool:
        """Whether there are any."""

    @property
    def roots(self) -> TrustRoots:
        """What they say; no key, where there are none yet."""

    def alone(self) -> AbstractContextManager[None]:
        """While the block lasts, nobody else changes them without one of the two being told."""

    def write(self, change: Change) -> None:
        """Writes the keys that ``change`` makes of the present roots. Raises InvalidInput for what cannot be."""


class _Objects(Protocol):
    """Objects of a bucket, written in the place of the version that was read."""

    def read(self, name: str) -> tuple[bytes, Any]:
        """An object's bytes and its version, which is false where there is none."""

    def write(self, name: str, data: bytes, version: Any) -> None:
        """Writes an object whole in the place of that version. Raises ChangedMeanwhile where it is another by now."""


class TrustFile:
    """The trust roots of an environment, where they are a file on this machine."""

    def __init__(self, address: str) -> None:
        self.place, self.path = address, Path(address)

    def exists(self) -> bool:
        """Whether there is one."""
        return self.path.exists()

    @property
    def roots(self) -> TrustRoots:
        """What it says; no key, where there is no file yet."""
        return read_trust(self.place) if self.path.exists() else TrustRoots()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While the block lasts, nobody else changes the file or makes keys beside it."""
        with ExitStack() as stack:
            with _explained(self.path):
                stack.enter_context(alone(self.path))
            yield

    def write(self, change: Change) -> None:
        """Writes the keys that ``change`` makes of the present roots. Raises InvalidInput for what cannot be."""
        data = _changed(self.place, self.roots, change)
        with _explained(self.path):
            self._replace(data)

    def _replace(self, data: bytes) -> None:
        """A reader sees the old file or the new one, and after a power cut there is one of the two."""
        with whole_file(self.path) as part, open(part, "xb", opener=_for_its_owner) as file:
            file.write(data)
        sync_folder(self.path.parent)


class TrustObject:
    """The trust roots of an environment, where they are an object of Cloud Storage or S3."""

    def __init__(self, address: str, environment: str) -> None:
        scheme, _, rest = address.partition("://")
        bucket, _, self._name = rest.partition("/")
        if not bucket or not self._name:
            raise InvalidInput(
                f"trust roots {address}: is no object of a bucket; write `trust: {scheme}://BUCKET/NAME`"
            )
        self.place, self._environment = address, environment
        self._objects = _open_objects(scheme, bucket, address)
        self._begun: tuple[TrustRoots, Any] | None = None

    def exists(self) -> bool:
        """Whether there is one."""
        return bool(self._look()[1])

    @property
    def roots(self) -> TrustRoots:
        """What it says; no key, where there is no object yet."""
        return self._look()[0]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """All of the block rests on what the object says at its beginning: whoever else writes first has won."""
        self._begun = self._look()
        try:
            yield
        finally:
            self._begun = None

    def write(self, change: Change) -> None:
        """Writes the keys that ``change`` makes of the roots. Raises Conflict where somebody else was first."""
        from components.core.gcs_objects import ChangedMeanwhile

        roots, version = self._look()
        data = _changed(self.place, roots, change)
        try:
            self._objects.write(self._name, data, version)
        except ChangedMeanwhile as error:
            if self._objects.read(self._name)[0] != data:  # an answer that was lost made the client try again
                raise Conflict(
                    f"trust roots {self.place}: somebody else changed them meanwhile; nothing was changed: look at"
                    f" them with `{typed('keys list', self._environment)}`, and run again"
                ) from error

    def _look(self) -> tuple[TrustRoots, Any]:
        """What the object says, and its version, false where there is none; within ``alone`` as it was at the start."""
        if self._begun is not None:
            return self._begun
        data, version = self._objects.read(self._name)
        return (TrustRoots.read(data, self.place) if version else TrustRoots()), version


def open_trust(environment: Environment) -> TrustPlace:
    """The trust roots of an environment, to change them. Raises InvalidInput where that cannot be done from here."""
    address = environment.trust
    if not address:
        raise InvalidInput(f"environment {environment.name}: names no trust roots; add `trust: PATH` to its file")
    if address.startswith(BUCKETS):
        return TrustObject(address, environment.name)
    if "://" in address:
        raise InvalidInput(
            f"environment {environment.name}: its trust roots lie at {address}, where they cannot be changed; name a"
            " file, gs://BUCKET/NAME or s3://BUCKET/NAME as `trust`"
        )
    return TrustFile(address)


def _open_objects(scheme: str, bucket: str, address: str) -> _Objects:
    where = f"trust roots {address}"
    if scheme == "s3":
        from components.core.s3_objects import S3Objects

        return S3Objects(bucket, where, "trust")
    from components.core.gcs_objects import GcsObjects

    return GcsObjects(bucket, where, "trust")


def _changed(place: str, roots: TrustRoots, change: Change) -> bytes:
    try:
        return TrustRoots(keys=change(roots)).to_bytes() + b"\n"
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"trust roots {place}: {message}; nothing was changed") from error


def _for_its_owner(path: str, flags: int) -> int:
    """Never writable by others, whatever the umask is."""
    return os.open(path, flags, 0o644)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(
            f"trust roots {path}: cannot be written: {error.strerror}; nothing was changed: free some space, or give"
            " this user the right to write there"
        ) from error
