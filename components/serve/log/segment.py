"""A segment: an append-only file of framed rows, from which a crash can take nothing that was synced.

A frame is a mark that no UTF-8 text holds, the kind of the record, the length of its JSON, and a CRC-32 over kind and
JSON (write-ahead logging with checksummed records, as in Mohan et al., ARIES, 1992, and every journal since). A reader
takes whole frames only and looks for the next mark behind what is torn, so damage costs the rows that it hit.
"""

from __future__ import annotations

import json
import logging
import os
import re
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from components.core.columns import Cell, Row
from components.core.errors import Failed, InvalidInput
from components.core.request_log import COLUMNS, MOMENT, Table
from components.core.whole_file import sync_folder

MAGIC = b"\xffSLC"  # 0xff stands in no UTF-8 text
AT_ONCE = 64
"""Records that are read before other threads get their turn: the interpreter would let an event loop wait 5 ms."""
_LOG = logging.getLogger(__name__)
_HEAD = struct.Struct(">4scII")
_NAME = re.compile(r"(\d{9})(?:\.(\d{8}T\d{6}\.\d{6})Z-([\w.-]+)\.(sealed|kept)|\.open)")


class Mark(Enum):
    """What a record is."""

    BEGUN = b"b"
    REQUEST = b"r"
    FEEDBACK = b"f"


TABLES = {Mark.REQUEST: Table.REQUESTS, Mark.FEEDBACK: Table.FEEDBACK}


@dataclass(frozen=True)
class Name:
    """What the name of a segment's file says; a closed one's is also where its partitions will lie."""

    number: int
    closed: datetime | None = None
    gateway: str = ""
    kept: bool = False
    """Its rows are in partitions; what began in it and is open still needs it."""

    def __str__(self) -> str:
        if self.closed is None:
            return f"{self.number:09d}.open"
        return f"{self.number:09d}.{self.closed:{MOMENT}}Z-{self.gateway}.{'kept' if self.kept else 'sealed'}"

    @property
    def partition(self) -> str:
        """The end of the partitions' names."""
        return f"{self.gateway}-{self.number:09d}"

    @classmethod
    def of(cls, path: Path) -> Name | None:
        """The name of a segment's file, None for another file."""
        match = _NAME.fullmatch(path.name)
        if not match:
            return None
        closed = datetime.strptime(match[2], MOMENT).replace(tzinfo=UTC) if match[2] else None
        return cls(int(match[1]), closed, match[3] or "", match[4] == "kept")


@dataclass(frozen=True)
class Records:
    """The whole records of a segment, as JSON, and how many bytes belong to none."""

    of: dict[Mark, list[bytes]]
    torn: int


class Segment:
    """A segment that is written to. Its methods are called by one thread at a time, but for ``sync``."""

    def __init__(self, path: Path) -> None:
        """Makes a new file. Raises Failed."""
        name = Name.of(path)
        assert name
        self.path, self.number, self.size, self.synced, self.rows = path, name.number, 0, 0, 0
        self.broken = False
        """Whether it was cut, and takes nothing more."""
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            sync_folder(path.parent)
        except OSError as error:
            raise failed(path, error) from error

    def append(self, frames: bytes, rows: int = 0) -> None:
        """Writes whole frames, not yet durably. Raises Failed, and has written nothing then."""
        try:
            if self.broken:
                raise OSError("it was cut")
            written = os.write(self._file, frames)
            if written != len(frames):
                raise OSError(f"only {written} of {len(frames)} bytes could be written")
        except OSError as error:
            self._truncate(self.size)
            raise failed(self.path, error) from error
        self.size += len(frames)
        self.rows += rows

    def sync(self) -> None:
        """Makes durable what was written before the call. Raises Failed."""
        size = self.size
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise failed(self.path, error) from error
        self.synced = max(self.synced, size)

    def cut(self) -> None:
        """Takes away what is not durable, as far as the disk lets it; nothing more is written here then."""
        self.broken = True
        self._truncate(self.synced)

    def _truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            _LOG.warning("request log: %s cannot be cut to %d bytes: %s", self.path, size, error)
        self.size = size

    def close(self) -> None:
        """Ends the writing; what was not synced may be gone after a loss of power."""
        os.close(self._file)


@dataclass(frozen=True)
class Place:
    """Where a frame was written."""

    segment: Segment
    end: int

    @property
    def stands(self) -> bool:
        """Whether the frame is still there; one that was not durable may have been cut off."""
        return self.end <= self.segment.size


def frame(mark: Mark, row: Row) -> bytes:
    """A row as a frame; absent cells are left out. ``check`` it first."""
    there = {name: value for name, value in row.items() if value is not None}
    try:
        data = to_json(there)
    except PydanticSerializationError:
        # A lone surrogate, which a client's JSON may hold, is no UTF-8; it becomes a question mark.
        data = json.dumps(there, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return _HEAD.pack(MAGIC, mark.value, len(data), zlib.crc32(data, zlib.crc32(mark.value))) + data


def read(path: Path) -> Records:
    """The whole records of a segment. A file that was removed meanwhile has none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    found: dict[Mark, list[bytes]] = {mark: [] for mark in Mark}
    marks = {mark.value: found[mark] for mark in Mark}
    at, whole, count = 0, 0, 0
    while 0 <= at <= len(data) - _HEAD.size:
        magic, kind, length, crc = _HEAD.unpack_from(data, at)
        start, end = at + _HEAD.size, at + _HEAD.size + length
        text = data[start:end]
        if magic == MAGIC and len(text) == length and kind in marks and crc == zlib.crc32(text, zlib.crc32(kind)):
            marks[kind].append(text)
            whole += end - at
            at = end
            count += 1
            if count % AT_ONCE == 0:
                time.sleep(0)
        else:
            at = data.find(MAGIC, at + 1)
    return Records(found, len(data) - whole)


def check(row: Row, table: Table) -> None:
    """Raises InvalidInput for a row that the table cannot hold: it would stop all rows of its segment later."""
    columns = COLUMNS[table]
    for name, value in row.items():
        cell = columns.get(name)
        if cell is None:
            raise InvalidInput(f"request log: {table} has no column {name!r}; it has {', '.join(columns)}")
        if value is not None and not _FITS[cell](value):
            raise InvalidInput(f"request log: {table}.{name} cannot be {repr(value)[:80]}; it is {cell}")


def failed(path: Path, error: OSError) -> Failed:
    """What the disk said, as a sentence."""
    return Failed(
        f"request log: {path} cannot be written: {error.strerror or error}; free some space on its disk, or give"
        " `serving.folder` in the environment file another place"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(message, dict)
        and message.keys() <= {"role", "content"}
        and all(text is None or isinstance(text, str) for text in message.values())
        for message in value
    )


_FITS: dict[Cell, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "int32": lambda value: type(value) is int and -(2**31) <= value < 2**31,
    "float64": _is_number,
    "bool": lambda value: isinstance(value, bool),
    "messages": _are_messages,
}
