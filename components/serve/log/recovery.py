"""What a process finds in its journal's folder when it starts: nobody else's, and what the one before left."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import from_json

from components.core.alone import held
from components.core.columns import Row
from components.core.errors import Failed, Refused
from components.core.request_log import Status
from components.core.whole_file import sync_folder
from components.serve.log.segment import Mark, Name, Segment, failed, read

LOCK, RESERVE = "lock", "reserve"
Keys = frozenset[tuple[str, int]]
"""Requests: the id and the attempt of each."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What there is to go on with."""

    segment: Segment
    """A new one."""
    closed: dict[Path, Keys]
    """Segments to seal, in the order of their numbers, each with the requests that began in it and were lost."""


def locked(folder: Path) -> ExitStack:
    """Takes the folder for this process, until what is returned is closed or the process ends.

    Raises Refused when another process has it.
    """

    def taken(holder: str) -> Refused:
        return Refused(
            f"request log: {folder} is written by another process ({holder}); end that one, or give this gateway a"
            " folder of its own"
        )

    stack = ExitStack()
    stack.enter_context(held(folder / LOCK, taken))
    return stack


def recover(folder: Path, gateway: str) -> Found:
    """Closes the segments of an earlier process, and finds what had begun and not ended.

    It writes no row, so it needs no room on the disk. A kill in the middle changes nothing for the next try. Raises
    Failed when the folder cannot be written.
    """
    names = {path: Name.of(path) for path in sorted(folder.iterdir()) if path.name not in (LOCK, RESERVE)}
    for path, name in names.items():
        if name is None:
            _LOG.warning("request log: %s is no segment and is left alone; move it away", path)
    segments = sorted(((name, path) for path, name in names.items() if name), key=lambda pair: pair[0].number)
    new = Segment(folder / str(Name(max((name.number for name, _ in segments), default=0) + 1)))
    lost = lost_in([path for _, path in segments])
    return Found(
        new,
        {closed_name(path, gateway) if name.closed is None else path: lost[path] for name, path in segments},
    )


def lost_in(segments: list[Path]) -> dict[Path, Keys]:
    """By segment, in their order, the requests that have no end.

    An end lies in the segment where its request began or in a later one, and segments are removed in order, so the end
    of whatever began in one of these lies in one of these too. What began in several counts in the last.
    """
    lost, known = {}, set[tuple[str, int]]()
    for path in reversed(segments):
        records = read(path)
        known |= _keys(records.of[Mark.REQUEST])
        begun = _keys(records.of[Mark.BEGUN])
        lost[path] = frozenset(begun - known)
        known |= begun
    return {path: lost[path] for path in segments}


def _keys(records: list[bytes]) -> set[tuple[str, int]]:
    return {(row["request_id"], row["attempt"]) for row in map(from_json, records)}


def lost_rows(records: list[bytes], keys: Keys) -> list[Row]:
    """Those of the requests that began with these records, as they are logged; what was noted last counts."""
    rows = {(row["request_id"], row["attempt"]): row for row in map(from_json, records)}
    return [lost(row) for key, row in rows.items() if key in keys]


def lost(row: Row) -> Row:
    """A request that had begun, as it is logged when its end never came."""
    return {**row, "status": str(Status.LOST), "error": "the gateway ended before the answer did"}


def withheld(row: Row) -> Row:
    """A request that had begun, as it is logged when its answer could not be: so was its client told."""
    error = "the answer could not be logged; the gateway's own log says why"
    return {**row, "status": str(Status.FAILED), "http_status": 503, "error": error}


def closed_name(path: Path, gateway: str) -> Path:
    """Gives a segment the name of a closed one; returns its path. Raises Failed."""
    name = Name.of(path)
    assert name
    return _renamed(path, Name(name.number, datetime.now(UTC), gateway))


def kept_name(path: Path) -> Path:
    """Gives a closed segment the name of one that is in partitions; returns its path. Raises Failed."""
    name = Name.of(path)
    assert name
    return _renamed(path, replace(name, kept=True))


def _renamed(path: Path, name: Name) -> Path:
    new = path.with_name(str(name))
    try:
        path.rename(new)
        sync_folder(path.parent)
    except OSError as error:
        raise failed(path, error) from error
    return new


def shut(segment: Segment) -> Failed | None:
    """Ends a segment; returns why its last rows could not be made durable, and are cut off, where that is so."""
    trouble = None
    try:
        segment.sync()
    except Failed as error:
        segment.cut()
        trouble = error
    segment.close()
    return trouble
