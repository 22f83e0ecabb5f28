"""What a process finds in its journal's folder when it starts: nobody else's, and what the one before left."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.core.alone import held
from components.core.errors import Failed, Refused
from components.core.request_log import Status
from components.core.rows import Row
from components.core.whole_file import sync_folder
from components.serve.log.segment import Mark, Name, Segment, failed, frame, read

LOCK = "lock"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What there is to go on with."""

    segment: Segment
    """A new one, which begins with the requests that were lost."""
    closed: list[Path]
    """Segments to seal, in the order of their numbers."""


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
    """Closes the segments of an earlier process; what it had begun and not ended is logged as lost.

    A kill in the middle changes nothing for the next try. Raises Failed when the folder cannot be written.
    """
    names = {path: Name.of(path) for path in sorted(folder.iterdir()) if path.name != LOCK}
    for path, name in names.items():
        if name is None:
            _LOG.warning("request log: %s is no segment and is left alone; move it away", path)
    segments = sorted(((name, path) for path, name in names.items() if name), key=lambda pair: pair[0].number)
    # Only these hold what has no end: whatever is open when a segment is closed begins again in the next one.
    left = [path for name, path in segments if name.closed is None]
    lost = lost_rows(left)
    new = Segment(folder / str(Name(max((name.number for name, _ in segments), default=0) + 1)))
    new.append(b"".join(frame(Mark.REQUEST, row) for row in lost), len(lost))
    new.sync()
    closed = [closed_name(path, gateway) if path in left else path for _, path in segments]
    return Found(new, closed)


def lost_rows(segments: list[Path]) -> list[Row]:
    """The requests that began in these segments and ended in none."""
    begun: dict[tuple[str, int], Row] = {}
    ended = set()
    for records in map(read, segments):
        rows = map(json.loads, records.of[Mark.BEGUN])
        begun |= {(row["request_id"], row["attempt"]): row for row in rows}
        ended |= {(row["request_id"], row["attempt"]) for row in map(json.loads, records.of[Mark.REQUEST])}
    return [lost(row) for key, row in begun.items() if key not in ended]


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
    closed = path.with_name(str(Name(name.number, datetime.now(UTC), gateway)))
    try:
        path.rename(closed)
        sync_folder(path.parent)
    except OSError as error:
        raise failed(path, error) from error
    return closed


def shut(segment: Segment) -> Failed | None:
    """Ends a segment; returns why its last rows could not be made durable, and are cut off, where that is so."""
    trouble = None
    try:
        segment.sync()
    except Failed as error:
        segment.cut(segment.synced)
        trouble = error
    segment.close()
    return trouble
