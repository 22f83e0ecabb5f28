from __future__ import annotations

import pytest

from components.monitor.describe.quality import is_right, quality, same
from components.monitor.figures import Score


def said(request: str = "a", unit: str = "u1", model: str = "m", **changes) -> dict:
    row = {"request_id": request, "unit": unit, "model": model, "good": None, "correction": None, "response": "yes"}
    return row | changes


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"good": True}, True),
        ({"good": False}, False),
        ({}, None),
        ({"correction": " "}, None),
        ({"correction": "yes "}, True),
        ({"correction": "no"}, False),
        ({"good": True, "correction": "no"}, False),
        ({"good": False, "correction": "yes"}, True),
        ({"correction": "no", "response": None}, False),
    ],
)
def test_what_it_should_have_been_counts_before_a_thumb(changes, right) -> None:
    assert is_right(said(**changes)) is right


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ('{"a":1,"b":2}', '{"b": 2, "a": 1}', True),
        ('{"a":1}', '{"a":2}', False),
        (" text\n", "text", True),
        ("[" * 50_000, "]", False),
        ("null", "nothing", False),
    ],
)
def test_answers_are_compared_by_what_they_say(one, other, equal) -> None:
    assert same(one, other) is equal


def test_the_majority_decides_a_request_and_a_tie_is_wrong() -> None:
    votes = {"a": (True, True, False), "b": (True, False), "c": (True,), "d": (False,)}
    rows = [said(name, f"u{at}", good=good) for name, goods in votes.items() for at, good in enumerate(goods)]
    found = quality(rows)
    assert found.scores == {"m": Score(correct=2, labelled=4)}
    assert (found.voices["u0"], found.corrections["m"]) == (4, 0)


def test_each_model_has_its_own_score_and_what_judges_nothing_is_not_counted() -> None:
    rows = [
        said("a", model="old", good=True),
        said("b", model="new", correction="no"),
        said("c", model="new", correction="no"),
        said("c", unit="", model="new", good=False),
        said("d", model="new"),
        said("e", model=None, good=True),
    ]
    found = quality(rows)
    assert found.scores == {
        "old": Score(correct=1, labelled=1),
        "new": Score(correct=0, labelled=2),
        "": Score(correct=1, labelled=1),
    }
    assert (found.corrections, found.voices) == ({"old": 0, "new": 2, "": 0}, {"u1": 4})


def test_what_nobody_judged_has_no_score() -> None:
    assert quality([]).scores == {}
