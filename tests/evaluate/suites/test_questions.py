from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from components.core.attempt import Attempt
from components.core.canonical import canonical_json
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.rows import read_batches
from components.core.sources import digest_of
from components.core.suites import read_heads
from components.evaluate.suites.questions import suites
from components.evaluate.suites.settings import Suites

LABELS = {"kind": "classification", "column": "label"}


@pytest.fixture
def benchmark(tmp_path: Path) -> Callable[..., dict]:
    """A benchmark's file, as `resolve` pins it."""

    def write(name: str, *rows: dict) -> dict:
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        size, sha256 = digest_of(str(path))
        return {
            "uri": str(path),
            "role": "benchmark",
            "name": name,
            "format": "jsonl",
            "bytes": size,
            "sha256": sha256,
        }

    return write


@pytest.fixture
def ask(store, commit_rows):
    """Makes the suites of held-out rows and benchmarks."""

    def make(*benchmarks: dict, held_out: tuple[dict, ...] = (), settings: Suites | None = None):
        documents = [
            {
                "id": f"h{number}",
                "text": row["text"],
                "source": "test",
                "licence": "",
                "created": None,
                "meta": canonical_json({name: value for name, value in row.items() if name != "text"}),
            }
            for number, row in enumerate(held_out)
        ]
        given = commit_rows(Kind.DOCUMENTS, documents)
        return suites(Attempt(store, "suites"), given, canonical_json(list(benchmarks)), settings or Suites())

    return make


def questions(store, outcome) -> list[dict]:
    return [row for batch in read_batches(store, outcome.manifests["suites"].shards) for row in batch.to_pylist()]


def test_held_out_rows_and_each_benchmark_become_a_suite(store, ask, benchmark) -> None:
    exam = benchmark("exam", {"text": "two and two", "completion": "four"})
    outcome = ask(exam, held_out=({"text": "three and one", "completion": "four", "group": "sums"},))
    assert [(head.id, head.questions) for head in read_heads(store, outcome.manifests["suites"])] == [
        ("exam", 1),
        ("held-out", 1),
    ]
    asked = {row["suite"]: row for row in questions(store, outcome)}
    assert asked["held-out"]["messages"] == [{"role": "user", "content": "three and one"}]
    assert (asked["held-out"]["reference"], asked["held-out"]["group"]) == ("four", "sums")
    assert asked["exam"]["group"] == asked["exam"]["question"]
    assert (outcome.report.rows.in_, outcome.report.rows.created) == (1, 1)
    assert exam["sha256"] in {source.sha256 for source in outcome.manifests["suites"].sources}


def test_a_question_is_put_as_the_training_side_is_and_kept_without_its_prompt(store, ask) -> None:
    style = {**LABELS, "system": "You sort.", "prompt": "What is this? {text}"}
    outcome = ask(held_out=({"text": "My card {{$is}} gone", "label": "lost_card"},), settings=Suites(format=style))
    (row,) = questions(store, outcome)
    assert row["messages"] == [
        {"role": "system", "content": "You sort."},
        {"role": "user", "content": "What is this? My card {{$is}} gone"},
    ]
    assert (row["text"], row["reference"], row["slices"]) == ("My card {{$is}} gone", "lost card", ["label=lost_card"])


def test_equal_questions_of_a_suite_are_asked_once_whatever_their_order(store, ask) -> None:
    rows = [{"text": "who", "completion": "me", "group": group} for group in "cab"]
    rows.append({"text": "who", "completion": "you"})
    digests = set()
    for seed in range(4):
        random.Random(seed).shuffle(rows)
        outcome = ask(held_out=tuple(rows))
        assert (outcome.report.rows.merged, outcome.report.rows.out) == (2, {"suites": 2})
        digests.add(outcome.manifests["suites"].content_digest)
    assert len(digests) == 1
    assert "a" in {row["group"] for row in questions(store, outcome)}


def test_faulty_questions_are_rejected_where_they_stand(store, ask, benchmark) -> None:
    exam = benchmark("exam", {"text": "fine", "completion": "yes"}, {"text": "none"}, {"text": " ", "completion": "x"})
    outcome = ask(exam, settings=Suites(max_reject_share=0.7))
    assert outcome.report.rows.rejected == {"no_answer": 1, "no_question": 1}
    rejects = [row for batch in read_batches(store, outcome.report.rejects) for row in batch.to_pylist()]
    assert {row["detail"].rsplit("/", 1)[1] for row in rejects} == {
        "exam.jsonl:2: no answer (column completion)",
        "exam.jsonl:3: column text",
    }


def test_too_many_faulty_questions_are_refused(ask, benchmark) -> None:
    exam = benchmark("exam", {"text": "fine", "completion": "yes"}, {"text": "none"})
    with pytest.raises(InvalidInput, match=r"1 of 2 rows were rejected.*exam\.jsonl:2: no answer"):
        ask(exam)


def test_all_answers_of_a_suite_are_its_choices(store, ask) -> None:
    rows = ({"text": "one", "label": "card_lost"}, {"text": "two", "label": "pin"}, {"text": "three", "label": "pin"})
    outcome = ask(held_out=rows, settings=Suites(format=LABELS, scorer="multiple_choice"))
    assert {tuple(row["choices"]) for row in questions(store, outcome)} == {("card lost", "pin")}


@pytest.mark.parametrize("choices", [["card_lost", "pin"], '["card_lost", "pin"]'])
def test_a_question_s_own_choices_are_written_as_its_answer_is(store, ask, choices) -> None:
    settings = Suites(format=LABELS, scorer="multiple_choice", choices="options")
    outcome = ask(held_out=({"text": "one", "label": "card_lost", "options": choices},), settings=settings)
    assert questions(store, outcome)[0]["choices"] == ["card lost", "pin"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["a", "b"], "answer_not_among_choices"), ([], "no_choices"), ("a or b", "no_choices"), (7, "no_choices")],
)
def test_a_question_whose_answer_cannot_be_chosen_is_rejected(ask, options, reason) -> None:
    settings = Suites(scorer="multiple_choice", choices="options", max_reject_share=1)
    rows = (
        {"text": "good", "completion": "a", "options": ["a", "b"]},
        {"text": "bad", "completion": "c", "options": options},
    )
    assert ask(held_out=rows, settings=settings).report.rows.rejected == {reason: 1}


def test_a_benchmark_can_be_asked_in_its_own_way(store, ask, benchmark) -> None:
    exam = benchmark("exam", {"text": "one", "answer": "b", "options": ["a", "b"]})
    own = {
        "scorer": "multiple_choice",
        "choices": "options",
        "format": {"column": "answer", "prompt": "Choose: {text}"},
        "generation": {"max_new_tokens": 1},
    }
    outcome = ask(exam, held_out=({"text": "two", "completion": "x"},), settings=Suites(overrides={"exam": own}))
    exam_head, held_out_head = read_heads(store, outcome.manifests["suites"])
    assert (exam_head.scorer, exam_head.generation.max_new_tokens) == ("multiple_choice", 1)
    assert (held_out_head.scorer, held_out_head.generation.max_new_tokens) == ("exact_match", 64)
    asked = {row["suite"]: row for row in questions(store, outcome)}
    assert asked["exam"]["messages"][-1]["content"] == "Choose: one"
    assert (asked["exam"]["choices"], asked["held-out"]["choices"]) == (["a", "b"], [])


def test_how_an_exam_is_asked_is_part_of_its_digest(ask) -> None:
    row = {"text": "one", "completion": "x"}
    first, same = ask(held_out=(row,)), ask(held_out=(row,))
    longer = ask(held_out=(row,), settings=Suites(generation={"max_new_tokens": 65}))
    digests = [made.manifests["suites"].content_digest for made in (first, same, longer)]
    assert digests[0] == digests[1] != digests[2]


def test_nothing_to_ask_is_refused(ask) -> None:
    with pytest.raises(InvalidInput, match=r"nothing to ask.*split\.held_out_share.*role benchmark"):
        ask()


def test_a_suite_without_a_sound_question_is_refused(ask) -> None:
    with pytest.raises(InvalidInput, match="held-out has no sound question"):
        ask(held_out=({"text": "one"},))


def test_a_benchmark_without_the_answer_s_column_is_refused_by_name(ask, benchmark) -> None:
    with pytest.raises(InvalidInput, match=r"no column completion; it has text, completoin; did you mean completoin\?"):
        ask(benchmark("exam", {"text": "one", "completoin": "x"}))


def test_a_benchmark_named_like_the_held_out_rows_is_refused(ask, benchmark) -> None:
    exam = benchmark("held-out", {"text": "one", "completion": "x"})
    with pytest.raises(InvalidInput, match="a benchmark is named held-out too"):
        ask(exam, held_out=({"text": "two", "completion": "x"},))


def test_an_override_of_no_suite_is_refused(ask) -> None:
    with pytest.raises(InvalidInput, match=r"there is no suite exam; there are: held-out"):
        ask(held_out=({"text": "two", "completion": "x"},), settings=Suites(overrides={"exam": {}}))
