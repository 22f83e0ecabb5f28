"""Rows as Parquet (zstd) of a declared schema a kind, written and read as streams.

A row's digest is the SHA-256 over its cells in the schema's order, each with its length before it; an absent cell
differs from an empty one. A content digest is taken over the sorted digests of all rows.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.canonical import canonical_json, digest_of_sorted
from components.core.columns import FEEDBACK, REQUESTS, Cell
from components.core.columns import Row as Row  # whoever has rows of any kind takes it from here
from components.core.manifest import Kind, Shard
from components.core.store import Store

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_TYPES: dict[Cell, pa.DataType] = {
    "string": pa.string(),
    "int32": pa.int32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "messages": MESSAGES,
}


def schema_of(columns: Mapping[str, Cell]) -> pa.Schema:
    """Columns that are said in words, as Arrow has them."""
    return pa.schema([(name, _TYPES[cell]) for name, cell in columns.items()])


LABELLED = pa.schema(
    [
        *schema_of(FEEDBACK),
        ("messages", MESSAGES),  # of the request
        ("response", pa.string()),
        ("model", pa.string()),
        ("asked", pa.string()),  # when the request had been answered
        ("asker", pa.string()),  # unit of the request
    ]
)
SCHEMAS: dict[Kind, pa.Schema] = {
    Kind.DOCUMENTS: pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("source", pa.string()),
            ("licence", pa.string()),
            ("created", pa.string()),  # UTC, ISO 8601, or null where the source does not say
            ("meta", pa.string()),  # canonical JSON object: every other column of the source
        ]
    ),
    Kind.CONVERSATIONS: pa.schema(
        [("id", pa.string()), ("messages", MESSAGES), ("group", pa.string()), ("meta", pa.string())]
    ),
    Kind.TOKENS: pa.schema(
        [
            ("id", pa.string()),
            ("input_ids", pa.list_(pa.int32())),
            ("loss_mask", pa.list_(pa.int8())),  # 1 where the token counts towards the loss
        ]
    ),
    Kind.SUITES: pa.schema(
        [
            ("suite", pa.string()),
            ("question", pa.string()),  # digest of the canonical content
            ("group", pa.string()),
            ("slices", pa.list_(pa.string())),
            ("messages", MESSAGES),  # the prompt
            ("reference", pa.string()),
            ("choices", pa.list_(pa.string())),  # empty for generated answers
            ("text", pa.string()),  # the question without the prompt around it, which training texts must not hold
        ]
    ),
    Kind.ANSWERS: pa.schema(
        [
            ("suite", pa.string()),
            ("question", pa.string()),
            ("group", pa.string()),
            ("slices", pa.list_(pa.string())),
            ("answer", pa.string()),
            ("reference", pa.string()),
            ("score", pa.float64()),
        ]
    ),
    Kind.REQUESTS: schema_of(REQUESTS),
    Kind.FEEDBACK: LABELLED,
    Kind.REPORT: pa.schema([("id", pa.string()), ("name", pa.string()), ("value", pa.string())]),
}
REJECTS = pa.schema([("id", pa.string()), ("reason", pa.string()), ("detail", pa.string()), ("row", pa.string())])
SHARD_BYTES = 32 * 1024 * 1024
BATCH_ROWS, BATCH_BYTES = 4096, 4 * 1024 * 1024


def whole_table(data: bytes) -> pa.Table:
    """A small Parquet file as a table. Raises what Arrow raises for one that is none.

    In this thread alone: one of Arrow's own may let go of ``data`` after Python has ended, which aborts a process that
    has done its work (exit code 134; apache/arrow#33975).
    """
    return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True).read(use_threads=False)


class RowWriter:
    """Writes rows of one schema into shards of about 32 MB and keeps their digests.

    Use it in a ``with`` block; afterwards ``shards``, ``rows`` and ``content_digest`` are there.
    """

    def __init__(self, store: Store, folder: str, schema: pa.Schema, shard_bytes: int = SHARD_BYTES) -> None:
        self.schema = schema
        self.rows = 0
        self.shards: list[Shard] = []
        self._store, self._folder, self._shard_bytes = store, folder, shard_bytes
        self._digests: list[bytes] = []
        self._pending: list[Row] = []
        self._pending_bytes = 0
        self._tables: list[pa.Table] = []
        self._table_bytes = 0

    def append(self, row: Row) -> None:
        """Adds one row; its keys are the schema's names."""
        self._pending.append(row)
        self._pending_bytes += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self._pending) >= BATCH_ROWS or self._pending_bytes >= BATCH_BYTES:
            self._flush_pending()

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Adds many rows at once."""
        self._flush_pending()
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        table = table.select(self.schema.names).cast(self.schema)
        self._digests.extend(row_digests(table))
        self.rows += table.num_rows
        self._tables.append(table)
        self._table_bytes += table.nbytes
        if self._table_bytes >= self._shard_bytes:
            self._write_shard()

    @property
    def content_digest(self) -> str:
        """The digest of all rows written, whatever their order or sharding."""
        return digest_of_sorted(self._digests)

    def close(self) -> None:
        """Writes what is still in memory."""
        self._flush_pending()
        if self._tables:
            self._write_shard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()

    def _flush_pending(self) -> None:
        if self._pending:
            pending, self._pending, self._pending_bytes = self._pending, [], 0
            self.write(pa.Table.from_pylist(pending, schema=self.schema))

    def _write_shard(self) -> None:
        table = pa.concat_tables(self._tables)
        self._tables, self._table_bytes = [], 0
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        data = buffer.getvalue()
        key = f"{self._folder}/{len(self.shards):05d}.parquet"
        self._store.write(key, data)
        self.shards.append(
            Shard(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=table.num_rows, bytes=len(data))
        )


def read_batches(store: Store, shards: Sequence[Shard], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of Parquet shards, in their order; each shard is checked against its digest before it is used."""
    for shard in shards:
        if shard.uri.endswith(".parquet"):
            data = store.read_verified(shard.uri, shard.sha256)
            yield from pq.ParquetFile(pa.BufferReader(data)).iter_batches(batch_size=BATCH_ROWS, columns=columns)


def row_digests(table: pa.Table) -> list[bytes]:
    """One SHA-256 a row, in the table's order."""
    columns = [list(_cells(column)) for column in table.columns]
    digests = []
    for cells in zip(*columns, strict=True):
        digest = hashlib.sha256()
        for cell in cells:
            if cell is None:
                digest.update(b"\xff" * 8)
            else:
                digest.update(len(cell).to_bytes(8, "little"))
                digest.update(cell)
        digests.append(digest.digest())
    return digests


def _cells(column: pa.ChunkedArray) -> Iterator[bytes | None]:
    """Each cell of a column as bytes; lists of integers by their memory, which is a hundred times cheaper."""
    if pa.types.is_string(column.type):
        yield from (None if value is None else value.encode() for value in column.to_pylist())
    elif pa.types.is_list(column.type) and pa.types.is_integer(column.type.value_type):
        for chunk in column.chunks:
            values = np.ascontiguousarray(chunk.values.to_numpy(zero_copy_only=False))
            offsets = chunk.offsets.to_numpy()
            valid = chunk.is_valid().to_pylist()
            for index, is_valid in enumerate(valid):
                yield values[offsets[index] : offsets[index + 1]].tobytes() if is_valid else None
    else:
        yield from (None if value is None else canonical_json(value).encode() for value in column.to_pylist())
