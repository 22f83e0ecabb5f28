"""The feedback of a window: each user's last word about each request, joined to what was asked and answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from components.core.attempt import Attempt
from components.core.manifest import Kind
from components.core.request_log import RequestLog, Table
from components.core.rows import LABELLED, Row, RowWriter
from components.monitor.observe.asked import fault_of, moment_of, outputs_of, refuse
from components.monitor.observe.records import Window
from components.monitor.observe.settings import Observe
from components.monitor.observe.taking import Taking

Voice = tuple[str, str]
"""A request and a user."""
Word = tuple[bool | None, str | None]
"""Whether it was right, and what it should have been."""


@dataclass
class Said:
    """The feedback that a window takes."""

    words: list[tuple[str, Row]] = field(default_factory=list)
    """Partition and row, in the order in which they were said."""
    rows: int = 0
    waiting: dict[str, list[str]] = field(default_factory=dict)
    late: int = 0

    @property
    def requests(self) -> set[str]:
        """What is talked about."""
        return {row["request_id"] for _, row in self.words}


def listen(attempt: Attempt, log: RequestLog, taking: Taking, endpoint: str, future: timedelta) -> Said:
    """Reads the partitions of feedback, and what waited for its request when the last window ended.

    Reasons for leaving a row out: ``no_id``, ``no_moment``, ``other_endpoint``, ``from_the_future``.
    """
    said = Said()
    for key, ids in [*((key, None) for key in taking.keys[Table.FEEDBACK]), *taking.waiting.items()]:
        table = taking.read(log, key, Table.FEEDBACK)
        for row in [] if table is None else table.to_pylist():
            if ids is not None and row["feedback_id"] not in ids:
                continue
            said.rows += 1
            at = moment_of(row["at"])
            reason = fault_of(row["request_id"], at, row["endpoint"], endpoint, taking.until + future)
            if reason:
                refuse(attempt, row, reason)
            else:
                said.words.append((key, row))
    said.words.sort(key=lambda word: (moment_of(word[1]["at"]), word[1]["feedback_id"] or ""))
    return said


def join(
    attempt: Attempt,
    said: Said,
    asked: dict[str, Row],
    before: dict[Voice, Word],
    writer: RowWriter,
    patient: datetime,
    since: datetime,
) -> list[Row]:
    """Writes each user's last word about each request, and gives the rows back.

    ``asked`` are the requests by id, ``before`` the last words of earlier windows. Reasons for leaving a row out:
    ``unknown_request`` (no window of the last days has it), ``waits`` (said after ``patient``: the request may be in
    a partition that comes), ``twice`` (the same word), ``superseded`` (the user said something else later).
    """
    last = {voice_of(row): row for _, row in said.words}
    rows = []
    for key, row in said.words:
        request = asked.get(row["request_id"])
        kept = last[voice_of(row)]
        if request is None and (moment_of(row["at"]) or patient) > patient and row["feedback_id"]:
            said.waiting.setdefault(key, []).append(row["feedback_id"])
            refuse(attempt, row, "waits")
        elif request is None:
            refuse(attempt, row, "unknown_request")
        elif row is not kept:
            refuse(attempt, row, "twice" if word_of(row) == word_of(kept) else "superseded")
        elif before.get(voice_of(row)) == word_of(row):
            refuse(attempt, row, "twice")
        else:
            rows.append(_joined(row, request))
            said.late += (moment_of(request["ended"]) or since) < since
            writer.append(rows[-1])
    return rows


def last_words(
    attempt: Attempt, earlier: list[Window], since: datetime, voices: set[Voice], gone: dict[str, str]
) -> dict[Voice, Word]:
    """What the same users last said of the same requests in windows that ended from ``since`` on."""
    found: dict[Voice, Word] = {}
    columns = ["request_id", "unit", "good", "correction"]
    for row in _rows(attempt, earlier, since, gone, columns) if voices else ():
        if voice_of(row) in voices:
            found.setdefault(voice_of(row), word_of(row))
    return found


def write_corrected(
    attempt: Attempt, rows: list[Row], earlier: list[Window], settings: Observe, until: datetime, gone: dict[str, str]
) -> RowWriter:
    """Writes all corrections of the last ``learn_days`` that their users stand by, over all windows."""
    since = until - timedelta(days=settings.learn_days)
    seen: set[Voice] = set()
    with attempt.rows(Kind.FEEDBACK, "corrected") as writer:
        for source in (rows, _rows(attempt, earlier, since, gone, None)):
            for row in source:
                if voice_of(row) in seen:
                    continue
                seen.add(voice_of(row))
                if word_of(row)[1] and (moment_of(row["at"]) or since) >= since:
                    writer.append(row)
    return writer


def voice_of(row: Row) -> Voice:
    """Who speaks of what; whoever has no name is one user a request."""
    return row["request_id"], row["unit"] or ""


def word_of(row: Row) -> Word:
    """What is said, without what is said besides."""
    return row["good"], (row["correction"] or "").strip() or None


def _rows(
    attempt: Attempt, earlier: list[Window], since: datetime, gone: dict[str, str], columns: list[str] | None
) -> Iterator[Row]:
    for batch in outputs_of(attempt, earlier, "labelled", since, gone, columns):
        yield from batch.to_pylist()


def _joined(row: Row, request: Row) -> Row:
    beside = {name: request[name] for name in ("messages", "response", "model")}
    joined = {**row, **beside, "asked": request["ended"], "asker": request["unit"]}
    return {name: joined[name] for name in LABELLED.names}
