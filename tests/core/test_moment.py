from __future__ import annotations

import pytest

from components.core.errors import InvalidInput
from components.core.moment import between, minute, parse_moment

NOON = "2026-01-31T12:00:00.418490+00:00"


def test_a_moment_for_a_person_is_in_utc_and_has_no_microseconds() -> None:
    assert minute(NOON) == minute(parse_moment("2026-01-31T14:00:59+02:00")) == "2026-01-31 12:00"


def test_a_stretch_within_a_day_names_the_day_once() -> None:
    assert between(NOON, "2026-01-31T12:00:23.5+00:00") == "between 2026-01-31 12:00:00 and 12:00:23 UTC"
    assert between(NOON, "2026-02-01T12:00:00+00:00") == "between 2026-01-31 12:00:00 and 2026-02-01 12:00:00 UTC"


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(InvalidInput, match="it has no offset"):
        minute("2026-01-31T12:00:00")
