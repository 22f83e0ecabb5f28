"""The requests of a window: one row a request, the highest attempt that was answered.

Texts are read partition by partition; only ids are held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import read_manifest
from components.core.moment import parse_moment
from components.core.partitions import read_partition
from components.core.request_log import RequestLog, Status, Table, worth
from components.core.rows import Row, RowWriter
from components.monitor.observe.records import Window
from components.monitor.observe.taking import Taking

_LOOKED_AT = ["request_id", "attempt", "status", "started", "endpoint"]
JOINED = ["request_id", "status", "messages", "response", "model", "ended", "unit"]
"""What is read of a request again: of one that feedback is joined to, and of one that turns up late."""


class Place(NamedTuple):
    """Where the row of a request lies, and what it is worth: an answer more than none, a later attempt more."""

    answered: bool
    attempt: int
    key: str
    row: int
    started: datetime


@dataclass
class Asked:
    """The requests that a window holds, by id."""

    places: dict[str, Place] = field(default_factory=dict)
    rows: int = 0
    merged: int = 0

    def late(self, since: datetime) -> set[str]:
        """Those that began before the window: an earlier one may hold another attempt of them."""
        return {name for name, place in self.places.items() if place.started < since}


def survey(attempt: Attempt, log: RequestLog, taking: Taking, endpoint: str, future: timedelta) -> Asked:
    """Looks at the rows of all partitions, leaves the faulty ones out, and chooses one a request.

    Reasons: ``no_id``, ``no_moment``, ``other_endpoint``, ``from_the_future``.
    """
    asked = Asked()
    for key in taking.keys[Table.REQUESTS]:
        table = taking.read(log, key, Table.REQUESTS)
        if table is None:
            continue
        asked.rows += table.num_rows
        for at, row in enumerate(table.select(_LOOKED_AT).to_pylist()):
            started = moment_of(row["started"])
            reason = fault_of(row["request_id"], started, row["endpoint"], endpoint, taking.until + future)
            if reason or started is None:
                refuse(attempt, table.slice(at, 1).to_pylist()[0], str(reason))
                continue
            place = Place(*worth(row), key, at, started)
            other = asked.places.get(row["request_id"])
            asked.merged += other is not None
            if other is None or place[:2] > other[:2]:
                asked.places[row["request_id"]] = place
    return asked


def leave_out_known(asked: Asked, known: dict[str, Row]) -> None:
    """Leaves out late rows of requests that an earlier window holds, unless this is the answer that was missing."""
    for name, row in known.items():
        place = asked.places.get(name)
        if place and (row["status"] == Status.ANSWERED or not place.answered):
            del asked.places[name]
            asked.merged += 1


def write(log: RequestLog, asked: Asked, writer: RowWriter, wanted: set[str]) -> dict[str, Row]:
    """Writes the chosen rows; gives back those of ``wanted`` ids, with the columns ``JOINED``.

    Raises InvalidInput for a partition that could be read a moment ago and cannot any more.
    """
    by_key: dict[str, list[int]] = {}
    for place in asked.places.values():
        by_key.setdefault(place.key, []).append(place.row)
    found: dict[str, Row] = {}
    for key, rows in sorted(by_key.items()):
        table = _finite(read_partition(log, key, Table.REQUESTS).take(pa.array(sorted(rows))))
        writer.write(table)
        found |= _picked(table, wanted)
    return found


def earlier_requests(
    attempt: Attempt, earlier: list[Window], since: datetime, wanted: set[str], gone: dict[str, str]
) -> dict[str, Row]:
    """The rows of ``wanted`` ids in windows that ended from ``since`` on, with the columns ``JOINED``."""
    found: dict[str, Row] = {}
    if wanted:
        for batch in outputs_of(attempt, earlier, "window", since, gone, JOINED):
            found |= _picked(batch, wanted)
    return found


def outputs_of(
    attempt: Attempt, earlier: list[Window], role: str, since: datetime, gone: dict[str, str], columns: list[str] | None
) -> Iterator[pa.RecordBatch]:
    """The rows of one output of the windows that ended from ``since`` on, the last window first.

    An output that cannot be read any more is named in ``gone``, and the others are read.
    """
    for window in reversed(earlier):
        if (moment_of(window.until) or since) < since:
            return
        try:
            yield from attempt.read(read_manifest(attempt.store, window.outputs[role]), columns)
        except (InvalidInput, KeyError) as error:
            gone[window.until] = str(error)


def moment_of(text: str | None) -> datetime | None:
    """A moment of the log; None for what is none."""
    try:
        return parse_moment(text or "")
    except InvalidInput:
        return None


def fault_of(name: str | None, moment: datetime | None, found: str | None, endpoint: str, latest: datetime) -> str:
    """Why a row of the log is left out; empty where it is sound."""
    if not name:
        return "no_id"
    if moment is None:
        return "no_moment"
    if found != endpoint:
        return "other_endpoint"
    return "from_the_future" if moment > latest else ""


def refuse(attempt: Attempt, row: dict[str, Any], reason: str) -> None:
    """Leaves a row of the log out; numbers that are none are written as null, for JSON has no such thing."""
    sound = {name: None if isinstance(value, float) and not isfinite(value) else value for name, value in row.items()}
    attempt.reject({"id": row.get("feedback_id") or row["request_id"] or "", **sound}, reason)


def _finite(table: pa.Table) -> pa.Table:
    """The table without numbers that are none: no digest and no statistic can be taken of them."""
    for at, column in enumerate(table.schema):
        if pa.types.is_floating(column.type):
            kept = pc.if_else(pc.is_finite(table.column(at)), table.column(at), pa.scalar(None, column.type))
            table = table.set_column(at, column, kept)
    return table


def _picked(table: pa.Table | pa.RecordBatch, wanted: set[str]) -> dict[str, Row]:
    if not wanted:
        return {}
    mask = pc.is_in(table.column("request_id"), value_set=pa.array(sorted(wanted), pa.string()))
    return {row["request_id"]: row for row in table.select(JOINED).filter(mask).to_pylist()}
