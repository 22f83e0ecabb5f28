"""When something is due: every so long, or by the five fields of cron, in UTC.

The fields are those of POSIX crontab(5): minute, hour, day of the month, month, day of the week, with lists, ranges and
steps. As there, a day counts when either of the two fields of days says so, where both are restricted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

from components.core.errors import InvalidInput

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
RARELY = timedelta(days=8 * 366)
"""The 29th of February may be eight years away."""


class Timing(Protocol):
    """The moments at which something is due, since it was begun."""

    def latest(self, begun: datetime, now: datetime) -> datetime | None:
        """The last moment after ``begun`` and not after ``now``; None where there is none yet."""

    def upcoming(self, begun: datetime, now: datetime) -> datetime:
        """The first moment after both."""


@dataclass(frozen=True)
class Interval:
    """Every so long, counted from the beginning."""

    length: timedelta

    def latest(self, begun: datetime, now: datetime) -> datetime | None:
        """The last moment after ``begun`` and not after ``now``."""
        passed = (now - begun) // self.length
        return begun + passed * self.length if passed > 0 else None

    def upcoming(self, begun: datetime, now: datetime) -> datetime:
        """The first moment after both."""
        return begun + (max((now - begun) // self.length, 0) + 1) * self.length


@dataclass(frozen=True)
class Cron:
    """By the clock and the calendar."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Whether one of the two fields of days is enough."""

    def latest(self, begun: datetime, now: datetime) -> datetime | None:
        """The last moment after ``begun`` and not after ``now``."""
        moments = (moment for moment in self._moments(now, -1) if moment <= now)
        found = next(moments, None)
        return found if found is not None and found > begun else None

    def upcoming(self, begun: datetime, now: datetime) -> datetime:
        """The first moment after both. Raises InvalidInput for what never comes, such as the 30th of February."""
        start = max(begun, now)
        found = next((moment for moment in self._moments(start, 1) if moment > start), None)
        if found is None:
            raise InvalidInput("--every: such a day never comes; look at the fields for day and month")
        return found

    def _moments(self, start: datetime, way: int) -> Iterator[datetime]:
        """The moments of the days from that of ``start`` on, forwards or backwards."""
        for offset in range(RARELY.days):
            day = start.date() + way * timedelta(days=offset)
            if self._has(day):
                for hour in sorted(self.hours)[::way]:
                    for minute in sorted(self.minutes)[::way]:
                        yield datetime.combine(day, time(hour, minute), start.tzinfo)

    def _has(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        found = (day.day in self.days, day.isoweekday() % 7 in self.weekdays)
        return any(found) if self.either_day else all(found)


def parse_timing(text: str) -> Timing:
    """``7d``, ``1h``, ``30m``, or five fields such as ``0 3 * * 1``. Raises InvalidInput for anything else."""
    interval = re.fullmatch(r"([0-9]{1,6})([smhdw])", text.strip())
    if interval and int(interval[1]):
        return Interval(timedelta(**{UNITS[interval[2]]: int(interval[1])}))
    fields = text.split()
    if len(fields) != 5:
        raise InvalidInput(f"--every {text!r}: write an interval such as 7d, 1h or 30m, or five fields: '0 3 * * 1'")
    weekdays = _field(fields[4], 0, 7, DAYS, "day of the week")
    cron = Cron(
        minutes=_field(fields[0], 0, 59, (), "minute"),
        hours=_field(fields[1], 0, 23, (), "hour"),
        days=_field(fields[2], 1, 31, (), "day of the month"),
        months=_field(fields[3], 1, 12, ("", *MONTHS), "month"),
        weekdays=frozenset(day % 7 for day in weekdays),
        either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    cron.upcoming(_SOME_DAY, _SOME_DAY)
    return cron


_SOME_DAY = datetime(2000, 1, 1)


def _field(text: str, least: int, most: int, names: tuple[str, ...], what: str) -> frozenset[int]:
    """The numbers that one field of cron stands for."""
    found: set[int] = set()
    for part in text.lower().split(","):
        match = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/([0-9]+))?", part)
        step = int(match[4] or 1) if match else 0
        numbers = [least, most]
        if match and match[2]:
            first = _number(match[2], names)
            # `5/15` goes on to the end of the field, `5` alone does not.
            numbers = [first, _number(match[3], names) if match[3] else most if match[4] else first]
        if not match or step < 1 or not least <= numbers[0] <= numbers[1] <= most:
            raise InvalidInput(
                f"--every: {part!r} is no {what}; write {least} to {most}, *, a-b, */n or a list of these"
            )
        found.update(range(numbers[0], numbers[1] + 1, step))
    return frozenset(found)


def _number(word: str, names: tuple[str, ...]) -> int:
    """A number, or the name of a month or day; less than any where it is neither."""
    return int(word) if word.isascii() and word.isdecimal() else names.index(word) if word in names and word else -1
