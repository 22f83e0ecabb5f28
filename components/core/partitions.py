"""Partitions of the request log as Arrow's tables. Whoever writes the log has no Arrow, and does not load this."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Collection, Iterator

import pyarrow as pa
from pyarrow import json

from components.core.errors import InvalidInput
from components.core.request_log import COLUMNS, RequestLog, Table
from components.core.rows import schema_of

MOST_BYTES = 2**30
"""Of a partition, unpacked: a gateway begins another one at 32 MiB, and lets end what is open."""
SCHEMAS = {table: schema_of(columns) for table, columns in COLUMNS.items()}


def read_partition(log: RequestLog, key: str, table: Table) -> pa.Table:
    """A partition in the columns that this code knows; those it does not have are null.

    Raises InvalidInput for one that cannot be read.
    """
    data = log.store.read(key)
    try:
        if not data:
            raise EOFError("it is empty")
        found = _parsed(_unpacked(data), SCHEMAS[table])
        found.validate(full=True)
    except (pa.ArrowException, EOFError, OSError, zlib.error) as error:
        raise InvalidInput(
            f"request log {log.store.uri}: {key} cannot be read: {error}; bring it back from a copy, or move it away"
        ) from error
    return found


def batches(log: RequestLog, keys: Collection[str], table: Table) -> Iterator[pa.RecordBatch]:
    """The rows of partitions, as a stream."""
    for key in sorted(keys):
        yield from read_partition(log, key, table).to_batches()


def _unpacked(data: bytes) -> bytes:
    """The lines, each of which is an object."""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        lines = file.read(MOST_BYTES + 1)
    if len(lines) > MOST_BYTES:
        raise OSError(f"it unpacks to more than {MOST_BYTES} bytes, which no gateway writes")
    whole = lines.startswith(b"{") and lines.endswith(b"}\n") and lines.count(b"}\n{") == lines.count(b"\n") - 1
    if lines and not whole:
        raise OSError("a line of it is no row")
    return lines


def _parsed(lines: bytes, schema: pa.Schema) -> pa.Table:
    # Arrow's reader takes no file without a row, and ends the process where all rows are `null`: one goes before them.
    data = b"{}\n" + lines
    found = json.read_json(
        pa.BufferReader(data),
        read_options=json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    if found.num_rows != lines.count(b"\n") + 1:
        raise OSError("its rows are not one a line")
    return found.select(schema.names).slice(1)
