"""Takes personal data out of rows of the request log, before anything of them touches the disk."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from components.core.canonical import canonical_json
from components.core.columns import Row
from components.core.errors import InvalidInput
from components.core.personal_data import PersonalData, may_hold, personal_data, replaced

_TEXTS = ("conversation_id", "response", "error", "correction", "comment")
_JSON = ("parameters", "features")
COLUMNS = ("messages", *_JSON, *_TEXTS)
"""What may hold a person's words. Numbers in JSON are left alone: a seed may look like a phone."""


Known = dict[str, tuple[Any, Any, int]]
"""By column: a value as it came, the same redacted, and how many pieces of personal data it had."""


class Redaction:
    """Redacts rows, or leaves them as they are where it is off."""

    def __init__(self, on: bool, settings: PersonalData | None = None) -> None:
        self._on, self._settings = on, settings or PersonalData()
        if on:
            self._text("+1 202 555 0143")  # loads the numbering plans now, not under the first request

    def look(self, row: Row, known: Known) -> Known:
        """What is known of a row's columns, with ``known`` for values that have been looked at before.

        Raises InvalidInput where a column of JSON holds none.
        """
        return {name: _same(row, name, known) or self._looked_at(row, name) for name in COLUMNS if row.get(name)}

    def _looked_at(self, row: Row, name: str) -> tuple[Any, Any, int]:
        return (row[name], *self._value(name, row[name]))

    def _value(self, name: str, value: Any) -> tuple[Any, int]:
        if not self._on:
            return value, 0
        if name in _JSON:
            _check_json(name, value)  # it must be JSON, whatever stands in it
        return self._walked(value) if name == "messages" else self._text(value)

    def _walked(self, value: Any) -> tuple[Any, int]:
        """A JSON value with its strings and the names of its fields redacted."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            found = [self._walked(item) for item in value]
            return [clean for clean, _ in found], sum(count for _, count in found)
        if isinstance(value, dict):
            inside = [(*self._text(name), *self._walked(item)) for name, item in value.items()]
            return {name: clean for name, _, clean, _ in inside}, sum(named + count for _, named, _, count in inside)
        return value, 0

    def _text(self, text: str) -> tuple[str, int]:
        """A text redacted; of JSON, such as the arguments of a tool, each string in it, and it stays JSON."""
        if not may_hold(text) and "\\u" not in text:
            return text, 0
        if text[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):  # no JSON, or nested beyond reason: a text like any other
                clean, count = self._walked(_read(text))
                return (canonical_json(clean), count) if count else (text, 0)
        spans = personal_data(text, self._settings)
        return (replaced(text, spans), len(spans)) if spans else (text, 0)


def redacted(row: Row, known: Known) -> Row:
    """A row as it may be written, with the number of ``redactions``."""
    clean = {name: value for name, (_, value, _) in known.items()}
    return {**row, **clean, "redactions": sum(count for _, _, count in known.values())}


def length(row: Row, known: Known) -> int:
    """How many characters of a row have not been looked at yet."""
    new = [row[name] for name in COLUMNS if row.get(name) and not _same(row, name, known)]
    return sum(
        len(value) if isinstance(value, str) else sum(len(message.get("content") or "") for message in value)
        for value in new
    )


def _same(row: Row, name: str, known: Known) -> tuple[Any, Any, int] | None:
    found = known.get(name)
    return found if found and found[0] == row[name] else None


def _check_json(name: str, text: str) -> None:
    try:
        _read(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"request log: {name} is no JSON: {error}") from error


def _read(text: str) -> Any:
    """JSON text as a value. Raises ValueError or RecursionError."""
    try:
        return from_json(text)
    except TypeError:  # a lone surrogate, which a client's JSON may hold
        return json.loads(text)
