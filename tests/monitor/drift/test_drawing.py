from __future__ import annotations

import re

import numpy as np
import pytest

from components.core.page import step_page
from components.core.report import Report
from components.monitor.describe.features import FEATURES, UNSEEN, Sort, meaning
from components.monitor.drift.compare import Found, Pair, compare
from components.monitor.drift.drawing import drift_section
from components.monitor.drift.pictures import Pictures, chart, picture, pictures
from components.monitor.drift.settings import Drift
from components.monitor.figures import Fault, Figures, Score
from tests.browser import check_width, chromium, opened_page

HOSTILE = "<script>alert(1)</script>\u202e"


def figures(week: int = 1, **changes) -> Figures:
    given = {
        "endpoint": "helpdesk", "model": "m" * 64, "released": "2026-01-05T00:00:00+00:00",
        "since": f"2026-01-{week:02}T00:00:00+00:00", "until": f"2026-01-{week + 7:02}T00:00:00+00:00",
        "requests": 2000, "units": 400, "answered": 1990, "failed": 10,
        "quality": Score(correct=90, labelled=100), "reference": Score(correct=91, labelled=100),
    }  # fmt: skip
    return Figures(**(given | changes))


def some(moved: bool = True, name: str = "answer") -> list[Found]:
    draw = np.random.default_rng(1)
    classes = draw.choice(["a", "b", "c"], 200), draw.choice(["a", "b", "d"] if moved else ["a", "b", "c"], 200)
    numbers = draw.normal(2, 0.5, 200), draw.normal(4 if moved else 2, 0.5, 200)
    return compare(
        [
            Pair("latency_ms", Sort.AMOUNT, "release", *numbers),
            Pair("digits", Sort.SHARE, "training", np.full(60, 0.1), np.full(60, 0.1)),
            Pair(name, Sort.CATEGORY, "training", *(side.astype(object) for side in classes)),
        ],
        Drift(),
    )


def section(found: list[Found], earlier=(), **changes) -> str:
    shown = figures(**changes, shifts=tuple(one.shift for one in found))
    return drift_section(shown, pictures(found, 0.001), earlier)


def test_what_moved_is_drawn_and_named_in_the_heading() -> None:
    html = section(some())
    assert "2 features have moved" in html
    assert html.count("<article") == 2
    assert html.count("<tr class") == 3


def test_what_is_kept_of_the_pictures_is_all_that_a_page_needs_to_show_them_later() -> None:
    for found in (some(), some(moved=False), []):
        drawn = pictures(found, 0.001)
        shown = figures(shifts=tuple(one.shift for one in found))
        kept = Pictures.read(drawn.to_bytes(), "pictures.json")
        assert drift_section(shown, kept, []) == drift_section(shown, drawn, [])
    assert len(Pictures.read(pictures(some(), 0.001).to_bytes(), "pictures.json").drawn) == 2


def test_a_page_that_draws_the_windows_itself_gets_no_second_chart() -> None:
    found = some()
    shown = figures(shifts=tuple(one.shift for one in found))
    assert "window by window" in drift_section(shown, pictures(found, 0.001), [])
    assert "window by window" not in drift_section(shown, pictures(found, 0.001))


def test_a_feature_is_told_in_words_beside_its_name() -> None:
    html = section(some(name="answer.product"))
    assert html.count("milliseconds to a whole answer") == 2  # at the picture and in the table
    assert html.count("what answers say under “product”") == 2
    assert all(meaning(feature.name) for feature in (*FEATURES, UNSEEN))
    assert meaning("what a newer Sluice measures") == ""


def test_where_nothing_moved_the_nearest_are_folded_away() -> None:
    html = section(some(moved=False))
    assert "Nothing has moved" in html
    assert "<details>" in html
    assert "came closest" in html


def test_faults_come_before_all_else_and_are_told_in_the_heading() -> None:
    html = section(some(), faults=(Fault(code="stale", text="nobody asked for 50 hours"),))
    assert "cannot be relied on; 2 features have moved" in html
    assert html.index("nobody asked for 50 hours") < html.index("window by window")
    empty = section([], faults=(Fault(code="no_requests", text="nobody asked"),), quality=Score(), reference=Score())
    assert "nothing was compared" in empty
    assert "nobody said" in empty
    assert "too little to compare" in section([])


def test_texts_of_strangers_are_escaped_and_nothing_runs_or_loads() -> None:
    found = some(name=HOSTILE)
    wild = Pair("x", Sort.CATEGORY, "release", np.array([HOSTILE] * 60, object), np.array(["b"] * 60, object))
    html = section([*found, *compare([wild], Drift())], endpoint=HOSTILE, faults=(Fault(code=HOSTILE, text=HOSTILE),))
    assert "<script" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;" in html
    assert not re.search(r"https?://|url\(|\son\w+=|\sid=", html)


def test_a_chart_shows_each_window_with_its_interval_and_marks_another_model() -> None:
    windows = [
        figures(1),
        figures(2, quality=Score()),
        figures(3, model="n" * 64, quality=Score(correct=50, labelled=100)),
    ]
    drawn = chart(windows)
    assert drawn is not None
    assert [point.y is None for point in drawn.points] == [False, True, False]
    assert [point.release for point in drawn.points] == [False, False, True]
    first, _, last = drawn.points
    assert first.high < first.y < first.low
    assert first.y < last.y  # lower on the page
    assert "90.0 % of 100 (82.6 to 94.5)" in first.label
    assert drawn.band is not None
    assert chart([figures(quality=Score())]) is None
    assert chart([figures(reference=Score())]).band is None


def test_a_category_is_drawn_by_the_classes_that_differ_most() -> None:
    names = [f"class {n}" for n in range(12)]
    window = np.array([names[0]] * 40 + names, object)
    pair = Pair("answer", Sort.CATEGORY, "training", window, np.array(names * 4, object))
    drawn = picture(Found(pair, some()[0].shift))
    assert (len(drawn.bars), drawn.rest) == (8, 4)
    assert (drawn.bars[0].name, drawn.bars[0].window) == ("class 0", round(100 * 41 / 52, 2))
    assert drawn.bars[0].window * drawn.bars[0].scale == pytest.approx(100)


@pytest.mark.parametrize("values", [([1.0] * 60, [1.0] * 60), ([0.0] * 60, [20.0] * 60)])
def test_a_number_is_drawn_whatever_its_values(values) -> None:
    pair = Pair("latency_ms", Sort.AMOUNT, "release", *map(np.asarray, values))
    drawn = picture(Found(pair, some()[0].shift))
    assert drawn.areas is not None
    assert all("nan" not in area and area.endswith("Z") for area in drawn.areas)
    assert len(drawn.marks) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_complains_of_nothing(tmp_path, width, scheme) -> None:
    long = "an.answer.with.a.very.long.name" * 3
    earlier = [figures(week) for week in range(1, 9)]
    fault = Fault(code="unreadable", text="a partition cannot be read: " + "x" * 300)
    html = section(some(name=long), earlier, week=9, faults=(fault,))
    file = tmp_path / "page.html"
    file.write_text(step_page(Report(step="drift", attempt="a", started="2026-01-05T00:00:00+00:00"), html))
    with chromium() as browser, opened_page(browser, file, width, scheme) as page:
        check_width(page, width)
