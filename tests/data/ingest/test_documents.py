from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from components.core.attempt import Attempt, Outcome
from components.core.errors import InvalidInput
from components.core.rows import read_batches
from components.data.ingest.documents import ingest
from components.data.ingest.settings import Ingest
from components.data.resolve.pin import resolve
from components.data.resolve.settings import Resolve

NOW = "2026-11-24T09:00:00+00:00"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def pin(store, root: Path):
    """Writes files (``name={role: …}`` by default to train on) and pins them."""

    def pin_files(files: dict[str, bytes | str], **spec: str) -> str:
        for name, data in files.items():
            (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        specs = [{"path": name, **spec} for name in files]
        return resolve(Attempt(store, "resolve"), Resolve(root=str(root), sources=specs), NOW).word

    return pin_files


@pytest.fixture
def run(store, pin):
    """Pins one file and ingests it; every rejection is allowed."""

    def ingest_file(name: str, data: bytes | str, **settings: Any) -> Outcome:
        return ingest(Attempt(store, "ingest"), pin({name: data}), Ingest(**{"max_reject_share": 1.0, **settings}))

    return ingest_file


@pytest.fixture
def rows(store):
    def all_rows(outcome: Outcome) -> list[dict[str, Any]]:
        shards = outcome.manifests["documents"].shards
        return [row for batch in read_batches(store, shards) for row in batch.to_pylist()]

    return all_rows


@pytest.fixture
def rejects(store):
    def all_rejects(outcome: Outcome) -> list[tuple[str, str]]:
        return [
            (row["reason"], row["detail"].rsplit("/", 1)[-1])
            for batch in read_batches(store, outcome.report.rejects)
            for row in batch.to_pylist()
        ]

    return all_rejects


def _lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_columns_that_are_not_named_go_into_meta(run, rows) -> None:
    row = {"question": "Why?", "key": 7, "thread": "t1", "at": "2026-01-31T10:00:00+01:00", "queue": "hardware", "n": 2}
    outcome = run("rows.jsonl", _lines(row), text="question", id="key", group="thread", created="at")
    assert rows(outcome) == [
        {
            "id": "7",
            "text": "Why?",
            "source": "rows",
            "licence": "",
            "created": "2026-01-31T09:00:00+00:00",
            "meta": '{"group":"t1","n":2,"queue":"hardware"}',
        }
    ]


def test_the_manifest_names_the_sources(store, pin, root: Path) -> None:
    sources = pin({"a.jsonl": _lines({"text": "one"}), "b.jsonl": _lines({"text": "two"})}, licence="MIT")
    manifest = ingest(Attempt(store, "ingest"), sources, Ingest()).manifests["documents"]
    assert [(source.uri, source.licence) for source in manifest.sources] == [
        (str(root / "a.jsonl"), "MIT"),
        (str(root / "b.jsonl"), "MIT"),
    ]


def test_benchmarks_are_not_ingested(store, pin, rows) -> None:
    train = json.loads(pin({"train.jsonl": _lines({"text": "lesson"})}))
    exam = json.loads(pin({"exam.jsonl": _lines({"text": "question"})}, role="benchmark"))
    outcome = ingest(Attempt(store, "ingest"), json.dumps(train + exam), Ingest())
    assert [row["text"] for row in rows(outcome)] == ["lesson"]
    with pytest.raises(InvalidInput, match="no source has the role train"):
        ingest(Attempt(store, "ingest"), json.dumps(exam), Ingest())


def test_rows_without_an_id_get_one_from_their_content(run, rows) -> None:
    one, same, other = rows(run("rows.jsonl", _lines({"text": "a", "n": 1}, {"n": 1, "text": "a"}, {"text": "a"})))
    assert same["id"] == f"{one['id']}-2"
    assert other["id"] != one["id"]
    assert len(one["id"]) == 24


def test_the_content_is_the_same_wherever_and_in_whatever_files_the_rows_lie(store, pin) -> None:
    texts = [{"text": f"text {index % 7}"} for index in range(20)]
    together = pin({"all.jsonl": _lines(*texts)}, name="tickets")
    apart = pin(
        {"1.jsonl.gz": gzip.compress(_lines(*texts[12:]).encode()), "2.jsonl": _lines(*texts[:12])}, name="tickets"
    )
    first, second = (ingest(Attempt(store, "ingest"), sources, Ingest()) for sources in (together, apart))
    assert first.manifests["documents"].content_digest == second.manifests["documents"].content_digest


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ({"n": 1}, "missing_text", "rows.jsonl:2: no text"),
        ({"text": None}, "missing_text", "rows.jsonl:2: no text"),
        ({"text": " \n"}, "empty_text", "rows.jsonl:2: text is empty"),
        ({"text": "a\0b"}, "null_byte", "rows.jsonl:2: text has a null byte at character 2"),
        ({"text": 7}, "text_not_a_string", "rows.jsonl:2: text is a number, not a string"),
        ({"text": ["a"]}, "text_not_a_string", "rows.jsonl:2: text is a list, not a string"),
        ({"text": "b", "id": "same"}, "duplicate_id", "rows.jsonl:2: id same stands above already"),
        ({"text": "b", "id": None}, "missing_id", "rows.jsonl:2: no id"),
        ({"text": "b", "id": {}}, "faulty_id", "rows.jsonl:2: id is an object, not a word or a number"),
        ({"text": "b", "id": "a\0"}, "faulty_id", "rows.jsonl:2: id is text with a null byte, not a word or a number"),
        ({"text": "b", "id": "2", "at": "soon"}, "faulty_created", "rows.jsonl:2: at is 'soon', not ISO 8601"),
        ({"text": "b", "id": "2", "at": 17}, "faulty_created", "rows.jsonl:2: at is '17', not ISO 8601"),
        ({"text": "b", "id": "2", "group": "g"}, "two_groups",
         "rows.jsonl:2: both thread and group; rename one of the columns"),
    ],
)  # fmt: skip
def test_a_faulty_row_is_rejected_with_its_reason_and_line(run, rows, rejects, row, reason: str, detail: str) -> None:
    good = {"text": "a", "id": "same", "at": "2026-01-31", "thread": "t"}
    outcome = run("rows.jsonl", _lines(good, row), id="id", created="at", group="thread")
    assert rejects(outcome) == [(reason, detail)]
    assert [found["text"] for found in rows(outcome)] == ["a"]
    assert (outcome.report.rows.in_, outcome.report.rows.rejected) == (2, {reason: 1})


def test_lines_that_cannot_be_read_are_counted_with_the_rows(run, rejects) -> None:
    data = _lines({"text": "good"}) + '{"text": "br\n' + _lines({"text": "x" * 200}) + "[]\n"
    outcome = run("rows.jsonl", data, max_line_bytes=100)
    assert outcome.report.rows.rejected == {"broken_json": 1, "line_too_long": 1, "not_an_object": 1}
    assert outcome.report.rows.in_ == 4
    assert rejects(outcome)[0][1].startswith("rows.jsonl:2: broken JSON: ")


def test_bad_csv_rows_are_rejected(run, rejects) -> None:
    outcome = run("rows.csv", 'text,queue\ngood,a\nbad,b,c\n"open,d\nalso good,e\n')
    assert [reason for reason, _ in rejects(outcome)] == ["wrong_columns", "broken_csv"]
    assert outcome.report.rows.out == {"documents": 2}


def test_a_rejected_row_takes_no_id(run, rows) -> None:
    outcome = run("rows.jsonl", _lines({"id": 1, "text": ""}, {"id": 1, "text": "good"}), id="id")
    assert [row["id"] for row in rows(outcome)] == ["1"]


def test_too_many_faulty_rows_are_a_faulty_source(run) -> None:
    data = _lines(*[{"text": f"t{index}"} for index in range(98)], {"text": ""}, {"text": ""})
    with pytest.raises(
        InvalidInput, match=r"2 of 100 rows were rejected \(2 empty_text\).*rows\.jsonl:99: text is empty"
    ):
        run("rows.jsonl", data, max_reject_share=0.01)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("column", ["text", "id", "group", "created"])
def test_a_missing_column_is_named_with_those_that_there_are(run, name: str, column: str) -> None:
    row = {"text": "a", "body": "b"}
    data = _lines(row) if name.endswith("jsonl") else "text,body\na,b\n"
    with pytest.raises(InvalidInput, match=r"rows\.\w+: no column bodi; it has text, body; did you mean body\?"):
        run(name, data, **{column: "bodi"})


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("rows.jsonl", b'{"text": "caf\xe9"}\n', r"rows\.jsonl:1: not UTF-8: byte 0xe9 at offset 13"),
        ("rows.csv", b"text\n", "empty: no rows"),
        ("rows.jsonl.gz", b"no gzip", "broken compression"),
        ("rows.parquet", b"no parquet", "damaged, or not Parquet"),
    ],
)
def test_a_faulty_file_is_refused_in_a_sentence(run, name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        run(name, data)


def test_a_file_changed_since_it_was_resolved_is_refused(store, pin, root: Path) -> None:
    sources = pin({"rows.jsonl": _lines({"text": "one"})})
    (root / "rows.jsonl").write_text(_lines({"text": "two"}))
    with pytest.raises(InvalidInput, match="changed since it was resolved"):
        ingest(Attempt(store, "ingest"), sources, Ingest())


def test_what_kfp_would_substitute_passes_untouched(run, rows) -> None:
    text = "Dear {{$.customer}}, {{$ {{channel.task}} \\u007b$"
    (row,) = rows(run("rows.jsonl", _lines({"text": text, "reply": text})))
    assert row["text"] == text
    assert json.loads(row["meta"])["reply"] == text


def test_texts_are_not_changed_by_a_letter(run, rows) -> None:
    text = "  Umlaute: äöü\u2028 \U0001f600\ttab\r\nline  "
    assert rows(run("rows.jsonl", _lines({"text": text})))[0]["text"] == text
