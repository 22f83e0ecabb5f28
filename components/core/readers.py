"""Rows of JSONL, CSV, Parquet and plain text, one at a time: no line and no file is ever held whole.

A faulty file is an InvalidInput; a faulty row is a ``Fault``, and reading goes on behind it.
"""

from __future__ import annotations

import csv
import datetime
import json
import lzma
import math
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import Failed, InvalidInput

MAX_LINE_BYTES = 16 * 1024 * 1024
CHUNK = 1024 * 1024
MOST_NESTED = 64  # lists and objects inside each other; what walks through a row later has limits of its own
_SHOWN = 200  # characters of a faulty line that are kept for a person to look at
_BATCH_ROWS = 1024
_SURROGATE = re.compile(r"[\ud800-\udfff]")

Row = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """A row and where it begins: a line's number, in Parquet the row's number, from 1."""

    number: int
    row: Row


@dataclass(frozen=True)
class Fault:
    """A row that cannot be read: why, in a word and in ``detail`` (``file:line: what``), and what is left of it."""

    number: int
    reason: str
    detail: str
    row: Row


class RawLine(NamedTuple):
    """A line without its end; ``data`` is cut where the line is longer than the reader's limit."""

    number: int
    offset: int
    size: int
    data: bytes


def chunks(file: BinaryIO, where: str) -> Iterator[bytes]:
    """The bytes of a file, decompressed by whoever opened it. Raises InvalidInput when they are damaged or none."""
    empty = True
    while True:
        try:
            chunk = file.read(CHUNK)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise InvalidInput(f"{where}: broken compression: {error}; compress it again") from error
        except OSError as error:
            if error.errno is None:
                raise InvalidInput(f"{where}: broken compression: {error}; compress it again") from error
            raise Failed(f"{where}: cannot be read: {error.strerror}; run again") from error
        if not chunk:
            break
        empty = False
        yield chunk
    if empty:
        raise InvalidInput(f"{where}: empty; give a file with rows, or take it out of the recipe")


def lines(parts: Iterator[bytes], limit: int) -> Iterator[RawLine]:
    """Lines that end in LF, each with its number, the offset of its first byte and its size; no more than ``limit``
    bytes and a chunk are held. A byte order mark of UTF-8 is left out."""
    number, offset, size, held = 1, 0, 0, bytearray()
    for part in parts:
        if not offset and not size and part.startswith(b"\xef\xbb\xbf"):
            part, offset = part[3:], 3
        *ended, rest = part.split(b"\n")
        for piece in ended:
            size += len(piece)
            yield RawLine(number, offset, size, bytes(held + piece if held else piece)[: limit + 1])
            number, offset, size = number + 1, offset + size + 1, 0
            held.clear()
        size += len(rest)
        held += rest[: max(limit + 1 - len(held), 0)]
    if size:
        yield RawLine(number, offset, size, bytes(held))


def read_jsonl(parts: Iterator[bytes], where: str, limit: int) -> Iterator[Line | Fault]:
    """One JSON object a line; blank lines are nothing."""
    for line in lines(parts, limit):
        if line.size > limit:
            yield _too_long(line, where, limit)
        elif text := _decoded(line, where).strip():
            yield _json_row(text, line.number, where)


def read_csv(parts: Iterator[bytes], where: str, limit: int) -> Iterator[Line | Fault]:
    """Records of RFC 4180 under one line of column names. All cells are text."""
    records = _Records(lines(parts, limit), where, limit).records()
    header = _header(next(records, None), where)
    for record in records:
        if isinstance(record, Fault):
            yield record
        elif len(record.cells) == len(header):
            yield Line(record.number, dict(zip(header, record.cells, strict=True)))
        else:
            what = f"{len(record.cells)} cells, the header has {len(header)}"
            yield Fault(record.number, "wrong_columns", f"{where}:{record.number}: {what}", {"cells": record.cells})


def read_text(parts: Iterator[bytes], where: str, limit: int) -> Iterator[Line | Fault]:
    """One document a paragraph, ``{"text": …}``: paragraphs are parted by blank lines, line ends within are kept."""
    found: list[str] = []
    first, size = 0, 0
    for line in _with_blank_end(lines(parts, limit)):
        if line.data.strip():
            first = first or line.number
            size += line.size + 1
            if size <= limit + 1:
                found.append(_decoded(line, where).rstrip("\r"))
            continue
        if size > limit + 1:
            yield _too_long(RawLine(first, 0, size, "\n".join(found).encode()), where, limit)
        elif found:
            yield Line(first, {"text": "\n".join(found)})
        found, first, size = [], 0, 0


def read_parquet(file: BinaryIO, where: str) -> Iterator[Line | Fault]:
    """The rows of a Parquet file, group by group. Times become ISO 8601, bytes hexadecimal digits, NaN null."""
    number = 0
    try:
        parquet = pq.ParquetFile(file)
        _unique(parquet.schema_arrow.names, where)
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield Line(number, _plain(row))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{where}: not UTF-8 after row {number}: {error}; write the file again") from error
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(f"{where}: damaged, or not Parquet: {error}; write the file again") from error


TEXT_READERS: dict[str, Callable[[Iterator[bytes], str, int], Iterator[Line | Fault]]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "text": read_text,
}


def _with_blank_end(stream: Iterator[RawLine]) -> Iterator[RawLine]:
    yield from stream
    yield RawLine(0, 0, 0, b"")


def _decoded(line: RawLine, where: str) -> str:
    try:
        return line.data.decode()
    except UnicodeDecodeError as error:
        at = line.offset + error.start
        raise InvalidInput(
            f"{where}:{line.number}: not UTF-8: byte 0x{line.data[error.start]:02x} at offset {at};"
            f" save the file as UTF-8 (iconv -f ITS-ENCODING -t UTF-8)"
        ) from error


def _too_long(line: RawLine, where: str, limit: int) -> Fault:
    detail = f"{where}:{line.number}: {line.size} bytes, more than max_line_bytes = {limit}"
    return Fault(line.number, "line_too_long", detail, {"line": line.data[:_SHOWN].decode(errors="replace")})


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits} is out of range")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _depth(value: Any) -> int:
    """How many lists and objects lie inside each other; without recursion, which has limits of its own."""
    depth, level = 0, [value]
    while level := [inner for item in level if isinstance(item, (dict, list)) for inner in _inside(item)]:
        depth += 1
    return depth


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _json_row(text: str, number: int, where: str) -> Line | Fault:
    def fault(reason: str, what: str) -> Fault:
        return Fault(number, reason, f"{where}:{number}: {what}", {"line": text[:_SHOWN]})

    if "\0" in text:
        return fault("null_byte", f"a null byte at character {text.index(chr(0)) + 1}")
    try:
        row = _DECODER.decode(text)
    except RecursionError:
        return fault("broken_json", "broken JSON: nested too deeply")
    except ValueError as error:
        return fault("broken_json", f"broken JSON: {error}")
    if not isinstance(row, dict):
        return fault("not_an_object", f"a JSON {type(row).__name__}, not an object")
    if text.count("[") + text.count("{") > MOST_NESTED and _depth(row) > MOST_NESTED:
        return fault("nested_too_deep", f"values nested more than {MOST_NESTED} deep")
    if "\\u" in text and _SURROGATE.search(json.dumps(row, ensure_ascii=False)):
        return fault("broken_unicode", "half of a surrogate pair, which no UTF-8 can hold")
    return Line(number, row)


class _Record(NamedTuple):
    number: int
    cells: list[str]


class _TooLong(Exception):
    """A record that grew beyond the limit."""


class _Records:
    """CSV records from lines. A record that cannot be read costs its first line; the lines behind it are read again,
    so that a quote that is never closed does not swallow the rest of the file."""

    def __init__(self, stream: Iterator[RawLine], where: str, limit: int) -> None:
        self._lines, self._where, self._limit = stream, where, limit
        self._again: deque[RawLine] = deque()
        self._read: list[RawLine] = []
        self._bytes = 0
        # The module's limit is one for the process, and too low for texts; the limit that counts is ours, above.
        csv.field_size_limit(max(csv.field_size_limit(), limit + 1))

    def records(self) -> Iterator[_Record | Fault]:
        """All records in order; blank lines are nothing."""
        reader = csv.reader(self, strict=True)
        while True:
            self._read, self._bytes = [], 0
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _TooLong) as error:
                yield self._fault(error)
            else:
                if cells:
                    yield _Record(self._read[0].number, cells)

    def __iter__(self) -> _Records:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._read.append(line)
        self._bytes += line.size
        if self._bytes > self._limit:
            raise _TooLong
        return _decoded(line, self._where) + "\n"

    def _fault(self, error: Exception) -> Fault:
        first, *others = self._read
        self._again.extendleft(reversed(others))
        if first.size > self._limit:
            return _too_long(first, self._where, self._limit)
        what = "a quote is not closed" if isinstance(error, _TooLong) or "end of data" in str(error) else str(error)
        detail = f"{self._where}:{first.number}: broken CSV: {what}"
        return Fault(first.number, "broken_csv", detail, {"line": first.data[:_SHOWN].decode(errors="replace")})


def _header(record: _Record | Fault | None, where: str) -> list[str]:
    if isinstance(record, Fault):
        raise InvalidInput(f"{record.detail}; the first line must hold the names of the columns")
    if record is None:
        raise InvalidInput(f"{where}: empty; the first line must hold the names of the columns")
    return _unique(record.cells, where)


def _unique(columns: list[str], where: str) -> list[str]:
    for column in columns:
        if not column or columns.count(column) > 1:
            raise InvalidInput(f"{where}: the column name {column!r} stands there {columns.count(column)} times, or is"
                               " empty; give each column a name of its own")  # fmt: skip
    return columns


def _plain(value: Any) -> Any:
    """A Parquet value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, (str, int)):
        return value
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)
