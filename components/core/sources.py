"""Pinned sources: the files that a run reads, each fixed by its digest, and their rows as streams.

Formats: JSONL, CSV with a header, Parquet, plain text (one document a paragraph); each also compressed with gzip,
Zstandard, bzip2 or xz, in a folder, ``gs://``, ``s3://`` or whatever else fsspec opens.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal, cast

import fsspec
from pydantic import Field, TypeAdapter, ValidationError

from components.core.errors import Failed, InvalidInput, did_you_mean
from components.core.manifest import Part, Source
from components.core.readers import CHUNK, MAX_LINE_BYTES, TEXT_READERS, Fault, Line, chunks, read_parquet

Role = Literal["train", "benchmark"]
Format = Literal["jsonl", "csv", "parquet", "text"]
FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
}
COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")
_IN_MEMORY = 64 * 1024 * 1024


class PinnedSource(Part):
    """One file, fixed by the digest of its bytes."""

    uri: str = Field(description="An absolute path, or an address that fsspec opens.")
    role: Role = Field(description="What it is for: rows to train on, or questions of a benchmark.")
    name: str = Field(description="Name of the source; a benchmark's suite id.")
    format: Format
    licence: str = ""
    bytes: int = Field(ge=0)
    sha256: str = Field(description="SHA-256 of the file's bytes, compressed if it is.")
    generation: str = Field(default="", description="An object store's generation or tag; empty for a file.")

    def as_source(self) -> Source:
        """What a manifest keeps of it."""
        return Source(uri=self.uri, generation=self.generation, sha256=self.sha256, licence=self.licence)


def pinned_sources(text: str) -> tuple[PinnedSource, ...]:
    """The sources that ``resolve`` pinned, from its canonical JSON string, sorted by address.

    Raises InvalidInput when the text is not such a list.
    """
    try:
        found = TypeAdapter(tuple[PinnedSource, ...]).validate_python(json.loads(text))
    except (ValueError, ValidationError, RecursionError) as error:
        raise InvalidInput(f"sources {text[:80]!r}: not what `resolve` hands on; pass its output unchanged") from error
    return tuple(sorted(found, key=lambda source: source.uri))


def read_source(
    source: PinnedSource, needs: Collection[str] = (), max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[Line | Fault]:
    """The rows of a source in their order, a ``Fault`` for each that cannot be read.

    ``needs`` names columns that at least one row must have. Raises InvalidInput when the file is missing, empty, not
    UTF-8, damaged, without a needed column, or not the one that was pinned; the last is known once all is read.
    """
    with _opened(source.uri) as file:
        raw = _HashingFile(file)
        try:
            yield from _with_columns(_rows(raw, source, max_line_bytes), needs, source)
        except InvalidInput:
            _check_unchanged(raw, source)  # what was damaged on the way is first of all not what was pinned
            raise
        _check_unchanged(raw, source)


def digest_of(uri: str) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file, read as a stream."""
    with _opened(uri) as file:
        raw = _HashingFile(file)
        raw.drain()
        return raw.size, raw.sha256


def format_of(name: str) -> Format | None:
    """The format that a file's name tells, None when it tells none."""
    return FORMATS.get(PurePosixPath(plain_name(name)).suffix.lower())


def plain_name(name: str) -> str:
    """A file's name without the suffix of its compression."""
    return name[: -len(_compression(name))] if _compression(name) else name


class _HashingFile:
    """A binary file that is read once from start to end, and the digest of what was read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size, self.closed = file, 0, False
        self._ended = False  # from then on the file may be read again from elsewhere, as Parquet is
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self._ended = size != 0 and not data
        self._digest.update(data)
        self.size += len(data)
        return data

    def drain(self) -> None:
        while not self._ended:
            self.read(CHUNK)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


@contextmanager
def _opened(uri: str) -> Iterator[BinaryIO]:
    try:
        opened = fsspec.open(uri, "rb").open()
    except FileNotFoundError as error:
        raise InvalidInput(f"{uri}: there is no such file; put it back, or take it out of the recipe") from error
    except IsADirectoryError as error:
        raise InvalidInput(f"{uri}: a folder; name its files, such as {uri}/*.jsonl") from error
    except (ImportError, ValueError) as error:
        raise InvalidInput(f"{uri}: {error}; use a path, gs://… or s3://…") from error
    except OSError as error:
        raise Failed(f"{uri}: cannot be read: {error.strerror or error}; give this user the right to") from error
    with opened:
        yield cast(BinaryIO, opened)


def _rows(raw: _HashingFile, source: PinnedSource, max_line_bytes: int) -> Iterator[Line | Fault]:
    stream = chunks(_decompressed(raw, source.uri), source.uri)
    if source.format != "parquet":
        yield from TEXT_READERS[source.format](stream, source.uri, max_line_bytes)
    elif _compression(source.uri):
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as whole:
            for chunk in stream:
                whole.write(chunk)
            yield from read_parquet(cast(BinaryIO, whole), source.uri)
    else:
        raw.drain()  # Parquet is read from its end: the digest is taken first, over the same open file
        if not raw.size:
            raise InvalidInput(f"{source.uri}: empty; give a file with rows, or take it out of the recipe")
        raw.file.seek(0)
        yield from read_parquet(raw.file, source.uri)


def _compression(name: str) -> str:
    return next((suffix for suffix in COMPRESSIONS if name.lower().endswith(suffix)), "")


def _decompressed(raw: _HashingFile, uri: str) -> BinaryIO:
    file: Any = raw
    match _compression(uri):
        case ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=file))
        case ".bz2":
            return cast(BinaryIO, bz2.BZ2File(file))
        case ".xz":
            return cast(BinaryIO, lzma.LZMAFile(file))
        case ".zst":
            import pyarrow as pa

            return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))
        case _:
            return cast(BinaryIO, file)


def _with_columns(rows: Iterator[Line | Fault], needs: Collection[str], source: PinnedSource) -> Iterator[Line | Fault]:
    missing, seen, empty = set(needs), dict[str, None](), True
    for item in rows:
        empty = False
        if missing and isinstance(item, Line):
            seen.update(dict.fromkeys(item.row))
            missing -= item.row.keys()
            if missing and source.format != "jsonl":
                break
        yield item
    if missing and seen:
        name = min(missing)
        columns = ", ".join(seen)
        raise InvalidInput(
            f"{source.uri}: no column {name}; it has {columns}{did_you_mean(name, seen) or '; name the right one'}"
        )
    if empty:
        raise InvalidInput(f"{source.uri}: empty: no rows; give a file with rows, or take it out of the recipe")


def _check_unchanged(raw: _HashingFile, source: PinnedSource) -> None:
    raw.drain()
    if (raw.size, raw.sha256) != (source.bytes, source.sha256):
        raise InvalidInput(
            f"{source.uri}: changed since it was resolved ({raw.size} bytes with SHA-256 {raw.sha256[:12]}…, pinned"
            f" were {source.bytes} with {source.sha256[:12]}…); run again so that it is resolved anew"
        )
