from __future__ import annotations

import json

import pytest

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.rows import read_batches
from components.data.format.conversations import format as to_conversations
from components.data.format.settings import Format


@pytest.fixture
def formatted(store, commit_rows):
    """Puts one text with these columns into words."""

    def make(settings: Format, *columns: dict, text: str = "Where is {{$my}} card?"):
        rows = [
            {"id": f"d{at}", "text": text, "source": "s", "licence": "", "created": None, "meta": json.dumps(its)}
            for at, its in enumerate(columns)
        ]
        outcome = to_conversations(Attempt(store, "format"), commit_rows(Kind.DOCUMENTS, rows), settings)
        shards = outcome.manifests["conversations"].shards
        return outcome, [row for batch in read_batches(store, shards) for row in batch.to_pylist()]

    return make


def test_a_prompt_and_its_completion_become_two_turns(formatted) -> None:
    _, (row,) = formatted(Format(), {"completion": '{"queue": "cards"}', "group": "c7"})
    assert row["messages"] == [
        {"role": "user", "content": "Where is {{$my}} card?"},
        {"role": "assistant", "content": '{"queue": "cards"}'},
    ]
    assert (row["id"], row["group"]) == ("d0", "c7")


def test_a_label_is_spelt_out_under_an_instruction(formatted) -> None:
    settings = Format(kind="classification", column="intent", system="Be brief.", prompt="{text} Intent {of} it?")
    _, (row,) = formatted(settings, {"intent": "card_arrival"})
    assert [turn["content"] for turn in row["messages"]] == [
        "Be brief.",
        "Where is {{$my}} card? Intent {of} it?",
        "card arrival",
    ]


def test_a_label_s_name_can_be_left_as_it_is(formatted) -> None:
    _, (row,) = formatted(Format(kind="classification", column="intent", separator="_"), {"intent": "card_arrival"})
    assert row["messages"][-1]["content"] == "card_arrival"


def test_a_completion_that_is_no_string_is_written_as_json(formatted) -> None:
    _, (row,) = formatted(Format(), {"completion": {"b": 1, "a": [2]}})
    assert row["messages"][-1]["content"] == '{"a":[2],"b":1}'


def test_documents_without_an_answer_are_rejected_by_name(formatted) -> None:
    outcome, rows = formatted(Format(), {"completion": "yes"}, {}, {"completion": None}, {"completion": " "})
    assert len(rows) == 1
    assert outcome.report.rows.rejected == {"no_answer": 2, "empty_answer": 1}


def test_a_column_that_no_document_has_is_refused_with_those_that_they_have(formatted) -> None:
    expected = r"none of 1 documents has an answer in the column completion; their columns are completoin, group; did"
    with pytest.raises(InvalidInput, match=expected):
        formatted(Format(), {"completoin": "yes", "group": "a"})


def test_a_prompt_without_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="pattern"):
        Format(prompt="Which intent?")
