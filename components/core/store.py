"""Where the bytes lie: a folder, ``gs://…`` or ``s3://…``, all through fsspec.

Every object appears whole or not at all and is never changed: a local file is written beside its place and
renamed, an object store's upload is atomic by itself. A key is a path relative to the store's root, so a store can be
copied elsewhere and stays valid.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4

from fsspec.implementations.local import LocalFileSystem

from components.core.errors import Failed, InvalidInput
from components.core.store_clients import opened
from components.core.store_errors import told
from components.core.whole_file import SUFFIX, beside, whole_file

_REMEDY = {
    errno.ENOSPC: "free some space or point `store` in the environment file elsewhere",
    errno.EDQUOT: "raise the quota or point `store` in the environment file elsewhere",
    errno.EROFS: "the file system is read-only: mount it writable or point `store` elsewhere",
    errno.EACCES: "give this user the right to write there or point `store` elsewhere",
}
CHUNK = 8 * 1024 * 1024


class Entry(NamedTuple):
    """An object as the store lists it; also one that is not whole yet, which readers never see."""

    key: str
    bytes: int
    modified: datetime


class Store:
    """Objects by key under one root address."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        try:
            self._fs, root = opened(self.uri)
        except (ImportError, ValueError) as error:
            raise InvalidInput(f"store {uri}: {error}; use a folder, gs://… or s3://…") from error
        except Exception as error:
            sentence = told(self.uri, "cannot be opened", error)
            if sentence is None:
                raise
            raise sentence from error
        self._root = root.rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)

    def read(self, key: str) -> bytes:
        """The whole object. Raises InvalidInput when there is none."""
        with self._explained("read", key):
            data: bytes = self._fs.cat_file(self._path(key))
            return data

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """The object as a stream, for what memory should not bound. Raises InvalidInput when there is none."""
        with self._explained("read", key), self._fs.open(self._path(key), "rb") as file:
            yield file

    def exists(self, key: str) -> bool:
        """Whether an object has been written under ``key``."""
        with self._explained("look up", key):
            path = self._path(key)
            if self._local:
                return bool(self._fs.exists(path))
            try:
                self._fs.info(path)  # `exists` of an object store says no where it may not look
            except FileNotFoundError:
                return False
            return True

    def size(self, key: str) -> int | None:
        """The object's length in bytes; None where there is none."""
        with self._explained("look up", key):
            try:
                return int(self._fs.size(self._path(key)))
            except FileNotFoundError:
                return None

    def list(self, prefix: str) -> list[str]:
        """The keys of all objects below ``prefix`` (of all, where it is empty), sorted."""
        with self._explained("list", prefix):
            found = self._fs.find(self._path(prefix) if prefix else self._root)
        start = len(self._root) + 1
        return sorted(path[start:] for path in found if not path.endswith(SUFFIX))

    def entries(self, prefix: str) -> Sequence[Entry]:
        """What lies below ``prefix``, sorted by key, with lengths and times by the store's own clock (UTC).

        Objects that are not whole yet are among it: they are what a killed writer leaves.
        """
        root = self._path(prefix) if prefix else self._root
        with self._explained("list", prefix):
            found = _local_files(root) if self._local else self._fs.find(root, detail=True).items()
            start = len(self._root) + 1
            return sorted(Entry(path[start:], int(about["size"]), _modified(about)) for path, about in found)

    def write(self, key: str, data: bytes) -> None:
        """Writes an object whole; a reader sees all of it or none."""
        with self._explained("write", key):
            if self._local:
                with self._beside(key) as part:
                    part.write_bytes(data)
            else:
                self._fs.pipe_file(self._path(key), data)

    def create(self, key: str, data: bytes) -> bool:
        """Writes an object unless there is one already; says whether it did. Only one of many callers wins."""
        with self._explained("create", key):
            try:
                if self._local:
                    self._create_local(key, data)
                elif self.uri.startswith("gs://"):
                    return self._create_google(self._path(key), data)
                else:
                    self._fs.pipe_file(self._path(key), data, mode="create")
            except FileExistsError:
                return False
            return True

    def remove(self, prefix: str) -> None:
        """Removes all objects below ``prefix``; none is no error. Only for what nothing committed names."""
        with self._explained("remove", prefix):
            path = self._path(prefix)
            if self._fs.exists(path):
                self._fs.rm(path, recursive=True)

    def upload(self, source: Path, key: str) -> str:
        """Copies a local file into the store, streaming, and returns its SHA-256."""
        with self._explained("write", key):
            digest = _file_digest(source)
            if self._local:
                with self._beside(key) as part:
                    shutil.copyfile(source, part)
            else:
                self._fs.put_file(str(source), self._path(key))
            return digest

    def download(self, key: str, target: Path, sha256: str) -> None:
        """Copies an object to a local file and checks its SHA-256.

        Raises InvalidInput when the bytes are not those that the digest names.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._explained("read", key):
            self._fs.get_file(self._path(key), str(target))
        self.verify(key, _file_digest(target), sha256)

    def read_verified(self, key: str, sha256: str) -> bytes:
        """The whole object, checked against its digest."""
        data = self.read(key)
        self.verify(key, hashlib.sha256(data).hexdigest(), sha256)
        return data

    def check(self, key: str, sha256: str) -> None:
        """Hashes an object as a stream. Raises InvalidInput when it is gone or not the one that the digest names."""
        with self.open(key) as file:
            self.verify(key, stream_digest(file), sha256)

    def verify(self, key: str, found: str, expected: str) -> None:
        """Raises InvalidInput when an object is not the one that its manifest names."""
        if found != expected:
            raise InvalidInput(
                f"store {self.uri}: {key} was changed after it was written (SHA-256 {found[:12]}…, its manifest"
                f" says {expected[:12]}…); run the step that made it again with --from"
            )

    def _path(self, key: str) -> str:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts:
            raise InvalidInput(f"store {self.uri}: {key!r} leaves the store; a key is a path below its root")
        return f"{self._root}/{key}"

    @contextmanager
    def _beside(self, key: str) -> Iterator[Path]:
        """A file to write beside its place; it takes its place, durably, when the block ends well."""
        path = Path(self._path(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            yield part

    def _create_local(self, key: str, data: bytes) -> None:
        path = Path(self._path(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        part = beside(path)
        try:
            part.write_bytes(data)
            os.link(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _create_google(self, path: str, data: bytes) -> bool:
        """Creates an object; one whose answer was lost, and whose second try lost to the first, counts as created."""
        writer = uuid4().hex
        try:
            self._fs.pipe_file(path, data, mode="create", metadata={"writer": writer})
        except FileExistsError:
            about = self._fs.info(path).get("metadata") or {}
            return bool(about.get("writer") == writer)
        return True

    @contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        """Turns what a file system raises into a sentence."""
        try:
            yield
        except FileNotFoundError as error:
            if not self._local and verb in ("write", "create", "list"):
                raise InvalidInput(
                    f"store {self.uri}: cannot {verb} {key}: there is no such bucket; create it, or correct `store`"
                    " in the environment file"
                ) from error
            if not self._local and verb == "read":  # it may be the bucket that is not there
                with self._explained("list", key):
                    self._fs.find(self._path(key))
            raise InvalidInput(
                f"store {self.uri}: there is no {key}; it was removed or never finished:"
                " run the step that makes it again"
            ) from error
        except FileExistsError:
            raise
        except Exception as error:
            sentence = told(self.uri, f"cannot {verb} {key}", error)
            if sentence is None and isinstance(error, OSError):
                remedy = _REMEDY.get(error.errno or 0, "look at the cause and run again; nothing half-written is read")
                sentence = Failed(f"store {self.uri}: cannot {verb} {key}: {error.strerror or str(error)}; {remedy}")
            if sentence is None:  # a fault of ours, or a caller's own error
                raise
            raise sentence from error


def stream_digest(file: BinaryIO) -> str:
    """The SHA-256 of what a stream still holds."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _local_files(root: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Files below a folder. One that vanishes meanwhile is none; a folder that cannot be read is no empty one."""

    def complain(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for folder, _, names in os.walk(root, onerror=complain):
        for name in names:
            path = f"{folder}/{name}"
            try:
                about = Path(path).stat()
            except FileNotFoundError:
                continue
            yield path, {"size": about.st_size, "mtime": about.st_mtime}


def _modified(about: dict[str, Any]) -> datetime:
    """When an object was written, as the file system says it: in seconds, as ISO 8601, or as a moment."""
    # Local files, Google Cloud Storage, S3, and fsspec's memory, in this order.
    said = next(about[name] for name in ("mtime", "updated", "LastModified", "created") if about.get(name))
    if isinstance(said, (int, float)):
        return datetime.fromtimestamp(said, UTC)
    moment = said if isinstance(said, datetime) else datetime.fromisoformat(said)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
