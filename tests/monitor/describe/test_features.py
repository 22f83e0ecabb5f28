from __future__ import annotations

import json

import pyarrow as pa
import pytest

from components.core.errors import InvalidInput
from components.monitor.describe.features import (
    SCHEMA,
    amount,
    clipped,
    exchange_of,
    fields_of,
    language_of,
    request_features,
    text_features,
)
from components.monitor.describe.settings import Describe
from tests.monitor.traffic import START, a_request

LANGUAGES = Describe().languages


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My laptop does not start since this morning", "en"),
        ("Mein Rechner startet seit heute Morgen nicht mehr", "de"),
        ("Mon ordinateur ne démarre plus depuis ce matin", "fr"),
        ("42 + 17 = ?", "unclear"),
        ("", "unclear"),
    ],
)
def test_a_language_is_told_where_there_are_letters_enough(text, language) -> None:
    assert language_of(text, LANGUAGES) == language


def test_only_the_languages_asked_for_are_told_apart_and_an_unknown_one_is_refused() -> None:
    assert language_of("Mein Rechner startet seit heute nicht mehr", ("en", "fr")) in {"en", "fr"}
    with pytest.raises(InvalidInput, match=r"describe\.languages: xx cannot be told apart; use some of"):
        language_of("My laptop does not start", ("en", "xx"))


def test_a_text_is_measured() -> None:
    found = text_features("Asset 12, asset 34!", '{"queue": "access"}', LANGUAGES)
    assert (found["prompt_words"], found["answer_words"]) == (4, 2)
    assert found["digits"] == pytest.approx(4 / 19)
    assert found["punctuation"] == pytest.approx(2 / 19)
    assert len(found["words"]) == 1
    assert (found["answer"], found["fields"]) == ('{"queue":"access"}', [("queue", "access")])


def test_what_is_missing_has_no_features() -> None:
    assert set(text_features(None, None, LANGUAGES).values()) == {None}
    empty = text_features("", "", LANGUAGES)
    assert (empty["prompt_words"], empty["digits"], empty["answer"]) == (0, 0, "nothing")


def test_two_ways_to_write_an_object_are_one_class_and_a_long_answer_is_cut() -> None:
    one, other = (
        text_features(None, text, LANGUAGES)["answer"] for text in ('{"a":1,"b":"x"}', ' { "b":"x", "a": 1}\n')
    )
    assert one == other
    assert clipped("a \n b") == "a b"
    assert len(clipped("word " * 1000)) == 80


@pytest.mark.parametrize("answer", ["plain", "[1, 2]", "{broken", "{" * 100_000, '{"a":' * 5000, ""])
def test_an_answer_that_is_no_object_has_no_fields(answer) -> None:
    assert fields_of(answer) is None


def test_fields_are_few_and_short_and_hold_what_utf8_can() -> None:
    answer = json.dumps({f"k{n}" + "x" * 100: "\ud800" if n % 2 else {"deep": n} for n in range(100)})
    fields = fields_of(answer)
    assert len(fields) == 32
    assert all(len(key) <= 40 and len(value) <= 80 for key, value in fields.items())
    pa.array([*fields, *fields.values()], pa.string()).validate(full=True)


def test_the_last_prompt_and_the_last_answer_count() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": None},
        {"role": "user", "content": "last"},
        None,
    ]
    assert exchange_of(messages) == ("last", "one")
    assert exchange_of([]) == (None, None)


@pytest.mark.parametrize("value", [None, -1, float("nan"), float("inf"), 1e300])
def test_a_number_that_cannot_be_is_none(value) -> None:
    assert amount(value) is None


def test_only_a_whole_answer_has_features_of_an_answer() -> None:
    whole = request_features(a_request("a", START), LANGUAGES)
    cut = request_features(a_request("a", START, status="cut", response="half"), LANGUAGES)
    assert (whole["latency_ms"], whole["finish_reason"], whole["status"]) == (400, "stop", "answered")
    assert (cut["latency_ms"], cut["finish_reason"], cut["answer"], cut["status"]) == (None, None, None, "cut")
    assert cut["prompt_words"] == whole["prompt_words"] == 5


def test_a_row_in_which_nothing_is_has_features_that_can_be_written() -> None:
    row = dict.fromkeys(a_request("a", START)) | {"request_id": "a"}
    table = pa.Table.from_pylist([request_features(row, LANGUAGES)], schema=SCHEMA)
    assert table.column("status").to_pylist() == ["unknown"]
