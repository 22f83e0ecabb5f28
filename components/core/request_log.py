"""The request log: what was asked and answered behind an endpoint, and what people said about it afterwards.

Two append-only tables of partitions, whole or not there at all, outside the store of artifacts. A partition holds a
row of JSON a line, compressed by gzip, whose CRC-32 tells of damage:

    <endpoint>/requests/2026-01-31/09/<moment of sealing>-<gateway>-<number>.jsonl.gz
    <endpoint>/feedback/2026-01-31/09/…

A partition is never changed. Its name says when its rows were closed; where a crash or a store that was away delayed
the writing, it turns up later than that. Whoever remembers which partitions it has read reads every row once.
``components.serve.log`` writes them, without Arrow; ``components.core.partitions`` reads them as its tables.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from components.core.columns import FEEDBACK, REQUESTS, Row
from components.core.errors import InvalidInput
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


COLUMNS = {Table.REQUESTS: REQUESTS, Table.FEEDBACK: FEEDBACK}
SUFFIX = ".jsonl.gz"
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
        return f"{endpoint}/{table}/{sealed:%Y-%m-%d/%H}/{sealed:{MOMENT}}Z-{name}{SUFFIX}"

    def partitions(self, endpoint: str, table: Table, since: datetime | None = None) -> list[str]:
        """The keys of all partitions in the order of their sealing; only those of the hours from ``since`` on."""
        found = [key for key in self.store.list(f"{endpoint}/{table}") if key.endswith(SUFFIX)]
        if since is None:
            return found
        first = f"{endpoint}/{table}/{since - timedelta(hours=1):%Y-%m-%d/%H}"
        return [key for key in found if key >= first]

    def write(self, key: str, rows: Iterable[bytes]) -> None:
        """Writes a partition whole, of rows in JSON, without line breaks. Raises Failed."""
        # Without a time, the same rows are the same bytes.
        self.store.write(key, gzip.compress(b"".join(row + b"\n" for row in rows), mtime=0))


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
