"""What was read from the store and hashed: each object once, in streams, and counted."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import pyarrow as pa

from components.core.canonical import sha256
from components.core.errors import SluiceError
from components.core.manifest import Shard
from components.core.store import Store, stream_digest
from pipelines.proof.tree import Broken, short

DAMAGE: tuple[type[Exception], ...] = (
    Broken,
    SluiceError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    OSError,
    EOFError,
    RecursionError,
    MemoryError,
    NotImplementedError,
    pa.ArrowException,
    zlib.error,
)
"""What damaged or hostile input makes libraries raise: a break in the tree, never a traceback."""
MOST_DOCUMENT = 256_000_000
"""Documents are read whole; a larger one (bytes) is none of ours."""
MOST_ROWS_SHARD = 1_000_000_000
"""So are the shards of rows, which are written with about 32 MB."""


@dataclass
class Ledger:
    """Reads objects by digest and remembers what it hashed."""

    store: Store
    length: int = 0
    """Bytes that were hashed."""
    hashed: dict[str, str] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)

    @property
    def objects(self) -> int:
        """How many objects and files were hashed."""
        return len(self.hashed) + len(self.outside)

    def count(self, path: str, length: int) -> None:
        """Counts a file outside the store that was hashed."""
        if path not in self.outside:
            self.outside.add(path)
            self.length += length

    def document(self, key: str, digest: str) -> bytes:
        """A document, checked against its digest. Raises Broken when it is gone, changed or too large to be one."""
        data = self._whole(key, MOST_DOCUMENT)
        self._compare(key, self._note(key, data), digest)
        return data

    def named_by_itself(self, key: str) -> bytes:
        """A document whose digest nothing names, such as a report or an envelope; its content has to tell."""
        data = self._whole(key, MOST_DOCUMENT)
        self._note(key, data)
        return data

    def rows(self, shard: Shard) -> bytes:
        """A shard of rows, checked against length and digest."""
        self._length(shard)
        data = self._whole(shard.uri, MOST_ROWS_SHARD)
        self._compare(shard.uri, self._note(shard.uri, data), shard.sha256)
        return data

    def file(self, shard: Shard) -> None:
        """Checks an object of any length against length and digest, as a stream."""
        self._length(shard)
        if shard.uri not in self.hashed:
            with self.store.open(shard.uri) as file:
                self.hashed[shard.uri] = stream_digest(file)
            self.length += shard.bytes
        self._compare(shard.uri, self.hashed[shard.uri], shard.sha256)

    def _whole(self, key: str, most: int) -> bytes:
        length = self.store.size(key)
        if length is None:
            raise Broken(f"{key} is gone; bring it back from a copy of the store")
        if length > most:
            raise Broken(f"{key} has {length} bytes, more than Sluice ever writes there")
        return self.store.read(key)

    def _note(self, key: str, data: bytes) -> str:
        if key not in self.hashed:
            self.hashed[key] = sha256(data)
            self.length += len(data)
            return self.hashed[key]
        return sha256(data)

    def _length(self, shard: Shard) -> None:
        length = self.store.size(shard.uri)
        if length is None:
            raise Broken(f"{shard.uri} is gone; bring it back from a copy of the store")
        if length != shard.bytes:
            raise Broken(f"{shard.uri} has {length} bytes, its manifest says {shard.bytes}: it was changed or cut")

    @staticmethod
    def _compare(key: str, found: str, expected: str) -> None:
        if found != expected:
            raise Broken(f"{key} was changed: its SHA-256 is {short(found)}, and what names it says {short(expected)}")
