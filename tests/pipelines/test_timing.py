"""When something is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as draw

from components.core.errors import InvalidInput
from pipelines.timing import Cron, Interval, parse_timing

BEGUN = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("7d", timedelta(days=7)),
        ("1h", timedelta(hours=1)),
        ("30m", timedelta(minutes=30)),
        ("45s", timedelta(seconds=45)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_an_interval_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert parse_timing(text) == Interval(length)


def test_an_interval_is_counted_from_its_beginning() -> None:
    hourly = parse_timing("1h")
    assert hourly.latest(BEGUN, BEGUN + timedelta(minutes=59)) is None
    assert hourly.latest(BEGUN, BEGUN + timedelta(minutes=60)) == BEGUN + timedelta(hours=1)
    assert hourly.latest(BEGUN, BEGUN + timedelta(hours=5, minutes=1)) == BEGUN + timedelta(hours=5)
    assert hourly.upcoming(BEGUN, BEGUN + timedelta(hours=5, minutes=1)) == BEGUN + timedelta(hours=6)


def test_before_the_beginning_nothing_is_due() -> None:
    past = BEGUN - timedelta(days=3)
    assert parse_timing("1h").latest(BEGUN, past) is None
    assert parse_timing("1h").upcoming(BEGUN, past) == BEGUN + timedelta(hours=1)
    assert parse_timing("0 * * * *").latest(BEGUN, past) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 3 * * 1", "2026-02-02T03:00"),
        ("0 3 * * mon", "2026-02-02T03:00"),
        ("0 3 * * 0", "2026-02-01T03:00"),
        ("0 3 * * 7", "2026-02-01T03:00"),
        ("*/15 * * * *", "2026-01-31T09:45"),
        ("5/15 * * * *", "2026-01-31T09:35"),
        ("30 9 * * *", "2026-02-01T09:30"),
        ("31 9 * * *", "2026-01-31T09:31"),
        ("0 9-17/4 * * 1-5", "2026-02-02T09:00"),
        ("0 0 1 * *", "2026-02-01T00:00"),
        ("0 0 1 jul *", "2026-07-01T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 31 * *", "2026-03-31T00:00"),
        ("0 0 1,15 * *", "2026-02-01T00:00"),
        ("0 12 13 * fri", "2026-02-06T12:00"),
        ("0 12 */2 * fri", "2026-02-13T12:00"),
    ],
)
def test_five_fields_say_when(text: str, expected: str) -> None:
    """Where both fields of days are restricted one is enough; where one begins with a star both must hold."""
    assert parse_timing(text).upcoming(BEGUN, BEGUN) == datetime.fromisoformat(f"{expected}:00+00:00")


def test_the_last_moment_of_a_cron_is_found_backwards() -> None:
    weekly = parse_timing("0 3 * * 1")
    now = datetime(2026, 3, 4, tzinfo=UTC)
    assert weekly.latest(BEGUN, now) == datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert weekly.latest(BEGUN, datetime(2026, 2, 2, 3, tzinfo=UTC)) == datetime(2026, 2, 2, 3, tzinfo=UTC)
    assert weekly.latest(BEGUN, datetime(2026, 2, 2, 2, 59, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    "text",
    ["", "7", "0d", "-1h", "1.5h", "7 d", "hourly", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *",
     "* * 32 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *", "1,, * * * *", "* * * foo *",
     "0 0 30 2 *", "1-2-3 * * * *", "99999999d", "\u0661h", "mon * * * *"],
)  # fmt: skip
def test_what_never_comes_or_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="--every"):
        parse_timing(text)


sets = draw.frozensets
crons = draw.builds(
    Cron,
    minutes=sets(draw.integers(0, 59), min_size=1),
    hours=sets(draw.integers(0, 23), min_size=1),
    days=sets(draw.integers(1, 28), min_size=1),
    months=sets(draw.integers(1, 12), min_size=1),
    weekdays=draw.just(frozenset(range(7))),
    either_day=draw.booleans(),
)


@given(draw.one_of(crons, draw.builds(Interval, draw.timedeltas(timedelta(seconds=1), timedelta(days=40)))))
def test_the_upcoming_moment_is_the_last_one_once_it_has_come(timing) -> None:
    upcoming = timing.upcoming(BEGUN, BEGUN)
    assert upcoming > BEGUN
    assert timing.latest(BEGUN, upcoming) == upcoming
    assert timing.latest(BEGUN, upcoming - timedelta(seconds=1)) is None
