"""The moment of a run: it enters a graph once, as a parameter, and only steps that are not cached see it."""

from __future__ import annotations

from datetime import UTC, datetime

from components.core.errors import InvalidInput


def parse_moment(text: str) -> datetime:
    """An ISO 8601 moment with its offset, in UTC.

    Raises InvalidInput for a placeholder that nobody filled in, and for a time without an offset.
    """
    if "{{" in text or "[[" in text or not text:
        raise InvalidInput(
            f"now is {text!r}: a placeholder that the backend did not fill in; give the time as ISO 8601"
        )
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"now is {text!r}: {error}; give it as 2026-01-31T09:00:00+00:00") from error
    raise InvalidInput(f"now is {text!r}: it has no offset; add +00:00 if it is UTC")


def minute(moment: datetime | str) -> str:
    """A moment in UTC for a person, without seconds: `2026-01-31 09:00`."""
    return f"{_utc(moment):%Y-%m-%d %H:%M}"


def between(since: datetime | str, until: datetime | str) -> str:
    """A stretch of time for a person: `between 2026-01-31 09:00:00 and 09:30:00 UTC`."""
    first, last = _utc(since), _utc(until)
    day = "" if first.date() == last.date() else "%Y-%m-%d "
    return f"between {first:%Y-%m-%d %H:%M:%S} and {last:{day}%H:%M:%S} UTC"


def _utc(moment: datetime | str) -> datetime:
    return parse_moment(moment) if isinstance(moment, str) else moment.astimezone(UTC)
