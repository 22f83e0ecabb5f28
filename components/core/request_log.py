"""The request log: what was asked and answered behind an endpoint, and what people said about it afterwards.

Two append-only tables of Parquet partitions, whole or not there at all, outside the store of artifacts:

    <endpoint>/requests/2026-01-31/09/<moment of sealing>-<gateway>-<number>.parquet
    <endpoint>/feedback/2026-01-31/09/…

A partition is never changed. Its name says when its rows were closed; where a crash or a store that was away delayed
the writing, it turns up later than that. Whoever remembers which partitions it has read reads every row once.
``components.serve.log`` writes them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import InvalidInput
from components.core.rows import FEEDBACK, REQUESTS, Row
from components.core.store import Store


class Table(StrEnum):
    """The two tables."""

    REQUESTS = "requests"
    FEEDBACK = "feedback"


class Status(StrEnum):
    """How an answer ended."""

    ANSWERED = "answered"
    FAILED = "failed"  # the client got an error instead
    CUT = "cut"  # it began, and its end never came: the client left, or the server closed
    LOST = "lost"  # the gateway itself ended in between


SCHEMAS = {Table.REQUESTS: REQUESTS, Table.FEEDBACK: FEEDBACK}


MOMENT = "%Y%m%dT%H%M%S.%f"
"""How a moment of the log, in UTC, is written in a name; `Z` follows."""
_SEALED = re.compile(r"/(\d{8}T\d{6}\.\d{6}Z)-[^/]*$")


class RequestLog:
    """The request log at an address: a folder, ``gs://…`` or ``s3://…``."""

    def __init__(self, address: str) -> None:
        if not address:
            raise InvalidInput("request log: the environment names none; add `requests: FOLDER` to its file")
        self.store = Store(address)

    def key(self, endpoint: str, table: Table, sealed: datetime, name: str) -> str:
        """Where a partition that was sealed at that moment (UTC) lies."""
        return f"{endpoint}/{table}/{sealed:%Y-%m-%d/%H}/{sealed:{MOMENT}}Z-{name}.parquet"

    def partitions(self, endpoint: str, table: Table, since: datetime | None = None) -> list[str]:
        """The keys of all partitions in the order of their sealing; only those of the hours from ``since`` on."""
        found = [key for key in self.store.list(f"{endpoint}/{table}") if key.endswith(".parquet")]
        if since is None:
            return found
        first = f"{endpoint}/{table}/{since - timedelta(hours=1):%Y-%m-%d/%H}"
        return [key for key in found if key >= first]

    def read(self, key: str, table: Table) -> pa.Table:
        """A partition in the columns that this code knows. Raises InvalidInput for one that cannot be read."""
        try:
            found = pq.read_table(io.BytesIO(self.store.read(key)), page_checksum_verification=True)
            found.validate(full=True)
            return found.select(SCHEMAS[table].names).cast(SCHEMAS[table])
        except (pa.ArrowException, KeyError, ValueError, OSError) as error:
            raise InvalidInput(
                f"request log {self.store.uri}: {key} cannot be read: {error}; bring it back from a copy,"
                " or move it away"
            ) from error

    def write(self, key: str, table: Table, rows: pa.Table) -> None:
        """Writes a partition whole. Raises Failed."""
        buffer = pa.BufferOutputStream()
        known = rows.select(SCHEMAS[table].names).cast(SCHEMAS[table])
        pq.write_table(known, buffer, compression="zstd", write_page_checksum=True)
        self.store.write(key, buffer.getvalue().to_pybytes())

    def batches(self, keys: Collection[str], table: Table) -> Iterator[pa.RecordBatch]:
        """The rows of partitions, as a stream."""
        for key in sorted(keys):
            yield from self.read(key, table).to_batches()


def sealed(key: str) -> datetime | None:
    """When a partition was sealed, as its key says; None where it does not say."""
    found = _SEALED.search(key)
    try:
        return datetime.strptime(found[1], f"{MOMENT}Z").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def one_a_request(rows: Iterable[Row]) -> dict[str, Row]:
    """By request id, the row that counts: of the attempts that were answered the highest, else the highest of all."""
    found: dict[str, Row] = {}
    for row in rows:
        other = found.get(row["request_id"])
        if other is None or worth(row) > worth(other):
            found[row["request_id"]] = row
    return found


def worth(row: Row) -> tuple[bool, int]:
    """What the row of an attempt is worth beside another: an answer more than none, a later attempt more."""
    return row["status"] == Status.ANSWERED, row["attempt"] or 0
