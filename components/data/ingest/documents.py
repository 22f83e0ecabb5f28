"""Reads the training sources into documents. Every row becomes one or is rejected with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from components.core.attempt import Attempt, Draft, Outcome
from components.core.canonical import canonical_json, sha256
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.readers import Fault, Line, Row
from components.core.report import Figure
from components.core.sources import PinnedSource, pinned_sources, read_source
from components.data.ingest.settings import Ingest

_ID_DIGITS = 24  # 96 bits: among a thousand million rows, two share an id by chance once in 10^11


def ingest(attempt: Attempt, sources: str, settings: Ingest) -> Outcome:
    """Reads the sources of role ``train`` that ``resolve`` pinned. Output: ``documents``.

    Raises InvalidInput when there is no such source, and when a file is faulty, lacks a column or was changed since.
    """
    train = [source for source in pinned_sources(sources) if source.role == "train"]
    if not train:
        raise InvalidInput("ingest: no source has the role train; give resolve.sources one")
    ids, read = _Ids(), 0
    with attempt.rows(Kind.DOCUMENTS) as documents:
        for source in train:
            for item in read_source(source, _needed(settings), settings.max_line_bytes):
                read += 1
                made = item if isinstance(item, Fault) else _document(item, source, settings, ids)
                if isinstance(made, Fault):
                    attempt.reject(made.row, made.reason, made.detail)
                else:
                    documents.append(made)
    attempt.figures["files"] = Figure(value=len(train), unit="files")
    attempt.figures["bytes"] = Figure(value=sum(source.bytes for source in train), unit="bytes")
    draft = Draft(Kind.DOCUMENTS, documents, sources=tuple(source.as_source() for source in train))
    return attempt.commit({"documents": draft}, settings=settings, rows_in=read)


class _Ids:
    """Gives each row an id that no other has, and knows those that were given."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def add(self, name: str) -> bool:
        """Takes an id; says whether it was free."""
        self._times[name] = self._times.get(name, 0) + 1
        return self._times[name] == 1

    def of_row(self, row: Row) -> str:
        """An id from the row's digest; rows that are equal to the letter become `…`, `…-2`, `…-3`."""
        name = sha256(canonical_json(row))[:_ID_DIGITS]
        return name if self.add(name) else f"{name}-{self._times[name]}"


class _Unfit(Exception):
    """A row that can be no document; its arguments are reason and what is wrong."""


def _document(line: Line, source: PinnedSource, settings: Ingest, ids: _Ids) -> Row | Fault:
    row = line.row
    try:
        return {
            "text": _text(row, settings.text),
            "created": _created(row, settings.created),
            "meta": canonical_json(dict(_meta(row, settings))),
            "id": _id(row, settings.id, ids),
            "source": source.name,
            "licence": source.licence,
        }
    except _Unfit as unfit:
        reason, what = unfit.args
        return Fault(line.number, reason, f"{source.uri}:{line.number}: {what}", row)


def _needed(settings: Ingest) -> list[str]:
    return [column for column in (settings.text, settings.id, settings.group, settings.created) if column]


def _text(row: Row, column: str) -> str:
    text = row.get(column)
    if text is None:
        raise _Unfit("missing_text", f"no {column}")
    if not isinstance(text, str):
        raise _Unfit("text_not_a_string", f"{column} is {_named(text)}, not a string")
    if not text.strip():
        raise _Unfit("empty_text", f"{column} is empty")
    if "\0" in text:
        raise _Unfit("null_byte", f"{column} has a null byte at character {text.index(chr(0)) + 1}")
    return text


def _id(row: Row, column: str, ids: _Ids) -> str:
    """The row's own id, or one from its digest. Called last: a rejected row takes no id."""
    if not column:
        return ids.of_row(row)
    value = row.get(column)
    if value in (None, ""):
        raise _Unfit("missing_id", f"no {column}")
    if not isinstance(value, (str, int)) or isinstance(value, bool) or "\0" in str(value):
        raise _Unfit("faulty_id", f"{column} is {_named(value)}, not a word or a number")
    if not ids.add(str(value)):
        raise _Unfit("duplicate_id", f"{column} {value} stands above already")
    return str(value)


def _created(row: Row, column: str) -> str | None:
    value = row.get(column) if column else None
    if value in (None, ""):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError) as error:
        raise _Unfit("faulty_created", f"{column} is {str(value)[:40]!r}, not ISO 8601") from error


def _meta(row: Row, settings: Ingest) -> Iterator[tuple[str, Any]]:
    taken = {settings.text, settings.id, settings.created, settings.group}
    for column, value in row.items():
        if column not in taken:
            if column == "group" and settings.group:
                raise _Unfit("two_groups", f"both {settings.group} and group; rename one of the columns")
            yield column, value
    group = row.get(settings.group) if settings.group else None
    if group not in (None, ""):
        yield "group", group if isinstance(group, str) else canonical_json(group)


def _named(value: Any) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "text with a null byte")
