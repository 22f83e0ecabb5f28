from __future__ import annotations

import pytest

from components.core.report import Figure
from pipelines.page import notation


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (notation.seconds(0.417), "0.42 s"),
        (notation.seconds(12.34), "12.3 s"),
        (notation.seconds(59.97), "60.0 s"),
        (notation.seconds(192), "3 min 12 s"),
        (notation.seconds(3840), "1 h 04 min"),
        (notation.size(640_000), "640 kB"),
        (notation.size(12), "12 B"),
        (notation.size(1_310_000_000), "1.31 GB"),
        (notation.number(12345), "12,345"),
        (notation.number(0.000171), "0.00017"),
        (notation.number(0.10384), "0.1038"),
        (notation.number(11240.4), "11,240"),
        (notation.percent(0.8719), "87.2 %"),
        (notation.moment("2026-11-24T09:55:03+01:00"), "24 Nov 2026, 08:55 UTC"),
        (notation.moment("no moment"), "no moment"),
        (notation.words("too_short"), "too short"),
        (notation.reason("meta.completion_be_json_parseable"), "completion is not JSON"),
        (notation.reason("meta.completion_be_json_parseable_2"), "completion is not JSON (2)"),
        (notation.reason("text_not_be_null"), "text is missing"),
        (notation.reason("text_match_regex"), "text does not match its pattern"),
        (notation.reason("too_short"), "too short"),
        (notation.reason("exam_ngram"), "holds part of an exam question"),
        (notation.figure_name("meta.completion_be_json_parseable"), "completion is JSON"),
        (notation.figure_name("held_out_groups"), "held out groups"),
        (notation.clipped("decontaminate", 8), "deconta…"),
        (notation.amount(3, "unit" * 9), "3 unitunitunitunituni…"),
    ],
)
def test_numbers_and_names_are_written_for_a_reader(written: str, expected: str) -> None:
    assert written == expected


def test_a_unit_that_the_name_says_is_not_said_twice() -> None:
    assert notation.figure(Figure(value=611, unit="clusters"), "clusters") == "611"
    assert notation.figure(Figure(value=402, unit="rows"), "exact_duplicates") == "402 rows"
    assert notation.figure(Figure(value=0.5, unit="share"), "truncated") == "50.0 %"


def test_time_is_known_only_between_two_moments() -> None:
    assert notation.elapsed("2026-11-24T08:00:00+00:00", "2026-11-24T08:01:30+00:00") == 90
    assert notation.elapsed("2026-11-24T08:00:00+00:00", "") is None
    assert notation.elapsed("2026-11-24T08:00:00+00:00", "2026-11-24T07:00:00+00:00") == 0
