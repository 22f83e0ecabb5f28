from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from components.core.attempt import Attempt, Outcome
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.rows import BATCH_ROWS, read_batches
from components.data.validate.expectations import validate
from components.data.validate.settings import Validate


@pytest.fixture
def run(store, commit_rows):
    """Holds rows (fields of documents; others go to meta) against expectations, with every rejection allowed."""

    def validate_rows(rows: list[dict[str, Any]], *expectations: dict[str, Any], **settings: Any) -> Outcome:
        documents = commit_rows(Kind.DOCUMENTS, [_document(index, row) for index, row in enumerate(rows)])
        if expectations:
            settings["expectations"] = expectations
        return validate(Attempt(store, "validate"), documents, Validate(**{"max_reject_share": 1.0, **settings}))

    return validate_rows


def _document(index: int, row: dict[str, Any]) -> dict[str, Any]:
    defaults = {"id": f"d{index}", "text": "some text", "source": "test", "licence": "", "created": None}
    meta = {key: value for key, value in row.items() if key not in defaults}
    return {**defaults, **{key: value for key, value in row.items() if key in defaults}, "meta": json.dumps(meta)}


@pytest.fixture
def rejects(store):
    def all_rejects(outcome: Outcome) -> list[tuple[str, str, str]]:
        batches = read_batches(store, outcome.report.rejects)
        return [(row["id"], row["reason"], row["detail"]) for batch in batches for row in batch.to_pylist()]

    return all_rejects


def _expect(kind: str, column: str, **rest: Any) -> dict[str, Any]:
    known = {key: rest.pop(key) for key in ("action", "mostly") if key in rest}
    return {"type": f"expect_column_{kind}", "column": column, "kwargs": rest, **known}


def test_good_documents_pass_unchanged(store, commit_texts) -> None:
    documents = commit_texts("one", "two")
    outcome = validate(Attempt(store, "validate"), documents, Validate())
    assert outcome.manifests["validated"].content_digest == documents.content_digest
    assert {name: figure.value for name, figure in outcome.report.figures.items()} == {
        "text_not_be_null": 100,
        "id_be_unique": 100,
        "text_lengths_to_be_between": 100,
    }


def test_by_default_a_document_has_a_text(run, rejects) -> None:
    outcome = run([{"text": "good"}, {"text": None}, {"text": ""}])
    assert rejects(outcome) == [
        ("d1", "text_not_be_null", "text is None"),
        ("d2", "text_lengths_to_be_between", "text is ''"),
    ]


def test_by_default_two_documents_of_one_id_are_refused(run) -> None:
    with pytest.raises(
        InvalidInput, match=r"expect_column_values_to_be_unique on id is not met by 2 of 3 rows \(row 1: 'a'"
    ):
        run([{"id": "a"}, {"id": "b"}, {"id": "a"}])


def test_a_row_is_rejected_for_the_first_expectation_that_it_does_not_meet(run, rejects) -> None:
    outcome = run(
        [{"text": "T-1"}, {"text": "x"}, {"text": "T-1"}],
        _expect("values_to_match_regex", "text", regex="^T-"),
        _expect("value_lengths_to_be_between", "text", min_value=2),
        _expect("values_to_be_unique", "text"),
    )
    assert [(name, reason) for name, reason, _ in rejects(outcome)] == [
        ("d1", "text_match_regex"),
        ("d2", "text_be_unique"),
    ]


def test_the_first_of_each_duplicate_survives(run, rejects) -> None:
    outcome = run([{"id": name} for name in "abacab"], _expect("values_to_be_unique", "id"))
    assert [name for name, _, _ in rejects(outcome)] == ["a", "a", "b"]
    assert outcome.report.rows.out == {"validated": 3}


def test_columns_of_meta_can_be_expected_of(run, rejects) -> None:
    rows = [{"queue": "hardware", "n": 1}, {"queue": "hardwear", "n": 2}, {"n": 3}]
    outcome = run(
        rows,
        _expect("values_to_be_in_set", "meta.queue", value_set=["hardware", "software"]),
        _expect("values_to_be_between", "meta.n", min_value=0, max_value=2),
    )
    assert rejects(outcome) == [
        ("d1", "meta.queue_be_in_set", "meta.queue is 'hardwear'"),
        ("d2", "meta.n_be_between", "meta.n is 3"),
    ]
    assert outcome.report.figures["meta.queue_be_in_set"].value == 50


def test_a_refusal_names_expectation_count_and_examples(run) -> None:
    with pytest.raises(InvalidInput) as refusal:
        run(
            [{"queue": name} for name in ("a", "b", "c", "d", "e")],
            _expect("values_to_be_in_set", "meta.queue", value_set=["a"], action="fail"),
            _expect("values_to_match_regex", "text", regex="^nothing$", action="fail"),
        )
    assert str(refusal.value) == (
        "validate: expect_column_values_to_be_in_set on meta.queue is not met by 4 of 5 rows"
        " (row 2: 'b'; row 3: 'c'; row 4: 'd'); expect_column_values_to_match_regex on text is not met by 5 of 5 rows"
        " (row 1: 'some text'; row 2: 'some text'; row 3: 'some text');"
        " mend the source, or the expectation in the recipe"
    )


@pytest.mark.parametrize(("mostly", "refused"), [(0.79, False), (0.8, False), (0.81, True)])
@pytest.mark.parametrize("action", ["reject", "fail"])
def test_mostly_is_the_least_share_of_rows(run, mostly: float, refused: bool, action: str) -> None:
    rows = [{"queue": "a"}] * 8 + [{"queue": "b"}] * 2 + [{"queue": None}] * 5
    expectation = _expect("values_to_be_in_set", "meta.queue", value_set=["a"], action=action, mostly=mostly)
    if refused:
        with pytest.raises(InvalidInput, match="not met by 2 of 10 rows"):
            run(rows, expectation)
    else:
        assert run(rows, expectation).report.rows.out == {"validated": 13 if action == "reject" else 15}


def test_a_column_as_a_whole_can_be_expected_of(run) -> None:
    rows = [{"n": 1}, {"n": 2}, {"n": None}]
    within = _expect("mean_to_be_between", "meta.n", min_value=1, max_value=2, action="fail")
    assert run(rows, within).report.figures["meta.n_mean_to_be_between"].value == 1.5
    with pytest.raises(InvalidInput, match=r"expect_column_mean_to_be_between on meta.n is not met: observed 1\.5"):
        run(rows, _expect("mean_to_be_between", "meta.n", min_value=2, action="fail"))


@pytest.mark.parametrize(
    ("expectation", "sentence"),
    [
        (_expect("values_to_match_regx", "text", regex="a"), r"did you mean expect_column_values_to_match_regex\?"),
        (_expect("values_to_match_regex", "txt", regex="a"), r"no column txt; there are .*; did you mean text\?"),
        (_expect("values_to_match_regex", "meta.queu", regex="a"), r"did you mean meta\.queue\?"),
        (_expect("values_to_match_regex", "text", regex="("), r"cannot be evaluated: .*missing \)"),
        (_expect("values_to_match_regex", "text", regexp="a"), r"cannot be evaluated: .*extra fields not permitted"),
        (_expect("pair_values_to_be_equal", "text", column_B="id", action="fail"), r"has no expect_column_pair"),
    ],
)
def test_an_expectation_that_cannot_be_evaluated_is_refused(run, expectation, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        run([{"queue": "a"}], expectation)


def test_no_row_can_be_rejected_for_what_is_about_a_column() -> None:
    with pytest.raises(ValidationError, match="set `action: fail`"):
        Validate(expectations=[_expect("mean_to_be_between", "meta.n", min_value=1)])


def test_many_batches_are_judged_as_one(run, rejects) -> None:
    rows = [{"id": f"d{index}"} for index in range(2 * BATCH_ROWS + 10)]
    rows[5]["text"] = rows[BATCH_ROWS + 7]["text"] = rows[-1]["text"] = ""
    rows[-2]["id"] = "d3"
    outcome = run(
        rows,
        _expect("values_to_be_unique", "id"),
        _expect("value_lengths_to_be_between", "text", min_value=1, mostly=0.999),
    )
    assert [name for name, _, _ in rejects(outcome)] == ["d5", f"d{BATCH_ROWS + 7}", "d3", f"d{2 * BATCH_ROWS + 9}"]
    assert outcome.report.figures["text_lengths_to_be_between"].value == round(100 * (1 - 3 / len(rows)), 4)


def test_too_many_rejected_rows_are_refused(run) -> None:
    with pytest.raises(InvalidInput, match=r"1 of 3 rows were rejected \(1 text_not_be_null\)"):
        run([{}, {}, {"text": None}], max_reject_share=0.3)


def test_no_documents_meet_everything(run) -> None:
    assert run([]).report.rows.out == {"validated": 0}


@pytest.mark.parametrize("text", ["{{$.inputs.parameters['x']}}", "$HOME", "${HOME}", "%s {0}"])
def test_settings_and_texts_are_taken_literally(run, text: str) -> None:
    settings = Validate(expectations=[_expect("values_to_be_in_set", "text", value_set=[text], action="fail")])
    assert "{{$" not in settings.encode()
    assert Validate.decode(settings.encode()) == settings
    assert run([{"text": text}], *settings.model_dump()["expectations"]).report.rows.out == {"validated": 1}


_OFFLINE = """
import socket, sys
from components.core.attempt import Attempt
from components.core.manifest import Manifest
from components.core.store import Store
from components.data.validate.expectations import validate
from components.data.validate.settings import Validate

def refuse(*_args, **_kwargs):
    raise AssertionError("somebody wants to talk")

socket.socket.connect = socket.getaddrinfo = refuse
store = Store(sys.argv[1])
validate(Attempt(store, "validate"), Manifest.read(store.read(sys.argv[2]), "given"), Validate())
"""


def test_nothing_is_sent_home_or_written_to_it(store, commit_texts) -> None:
    """Without a writable home and without a network; and nothing but the step's own words is printed."""
    documents = commit_texts("one", "two")
    ran = subprocess.run(
        [sys.executable, "-c", _OFFLINE, store.uri, documents.key],
        env={**os.environ, "HOME": "/proc/nowhere"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
