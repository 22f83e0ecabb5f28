"""How numbers, times and names are written on the page."""

from __future__ import annotations

from datetime import UTC, datetime

from components.core.report import Figure

MOST_UNIT = 20
"""A unit does not break across lines, so a long one is cut."""


def count(number: float) -> str:
    """A whole number with separators: 12,345."""
    return f"{round(number):,}"


def number(value: float) -> str:
    """A number with as many digits as a reader needs."""
    if value == round(value) and abs(value) < 1e15:
        return count(value)
    if abs(value) >= 1000:
        return count(value)
    return f"{value:.4g}" if abs(value) >= 0.01 else f"{value:.2g}"


def percent(share: float) -> str:
    """A share as a percentage with one digit: 87.2 %."""
    return f"{100 * share:.1f} %"


def seconds(value: float) -> str:
    """A duration: 0.42 s, 12.3 s, 3 min 12 s, 1 h 04 min."""
    if value < 60:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(value: float) -> str:
    """A number of bytes: 640 kB, 1.2 GB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{count(value)} B"


def moment(text: str) -> str:
    """An ISO 8601 moment for a person: 24 Nov 2026, 08:55 UTC. What is no moment is shown as it is."""
    at = parsed(text)
    return f"{at.day} {at:%b %Y, %H:%M} UTC" if at else text


def parsed(text: str) -> datetime | None:
    """An ISO 8601 moment in UTC, None where there is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def elapsed(started: str, ended: str) -> float | None:
    """The seconds between two moments, None unless both are there."""
    start, end = parsed(started), parsed(ended)
    return max(0.0, (end - start).total_seconds()) if start and end else None


def amount(value: float, unit: str) -> str:
    """A value in its unit."""
    written = {"share": percent, "bytes": size, "s": seconds, "seconds": seconds}.get(unit)
    return written(value) if written else f"{number(value)} {clipped(unit, MOST_UNIT)}".strip()


def figure(shown: Figure, name: str) -> str:
    """A figure with its unit, unless its name says it."""
    return amount(shown.value, "" if shown.unit and shown.unit in words(name).split() else shown.unit)


def words(name: str) -> str:
    """A name as words: too_short becomes "too short"."""
    return name.replace("_", " ").strip()


EXPECTED = {
    "be json parseable": ("is JSON", "is not JSON"),
    "not be null": ("is there", "is missing"),
    "be null": ("is empty", "is not empty"),
    "be unique": ("is unique", "is not unique"),
    "be between": ("is in range", "is out of range"),
    "lengths be between": ("has a length in range", "has a length out of range"),
    "value lengths be between": ("has a length in range", "has a length out of range"),
    "be in set": ("is an allowed value", "is no allowed value"),
    "not be in set": ("is no forbidden value", "is a forbidden value"),
    "match regex": ("matches its pattern", "does not match its pattern"),
    "not match regex": ("does not match the pattern", "matches a forbidden pattern"),
}
"""How an expectation of Great Expectations reads where it is met, and where it is not."""
FOUND = {
    "exam exact": "same as an exam question",
    "exam ngram": "holds part of an exam question",
}


def reason(name: str) -> str:
    """Why rows were left out, for a person: "meta.completion_be_json_parseable" becomes "completion is not JSON"."""
    return _expected(name, met=False) or FOUND.get(words(name), words(name))


def figure_name(name: str) -> str:
    """What a figure is called; where it is named after an expectation, as the claim that it measures."""
    return _expected(name, met=True) or words(name)


def _expected(name: str, met: bool) -> str:
    """The claim of an expectation that a name ends with, or its contrary; empty where there is none."""
    told = words(name).removeprefix("meta.")
    for wanted in sorted(EXPECTED, key=len, reverse=True):
        column, found, rest = told.rpartition(f" {wanted}")
        if found and column and (not rest or rest.strip().isdigit()):
            return f"{column} {EXPECTED[wanted][0 if met else 1]}{f' ({rest.strip()})' if rest else ''}"
    return ""


def clipped(text: str, most: int) -> str:
    """Text of at most so many characters; what is left out is an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
