from __future__ import annotations

import random

import pytest

from components.core.attempt import Attempt
from components.core.manifest import Kind
from components.core.rows import read_batches
from components.data.deduplicate.minhash import deduplicate
from components.data.deduplicate.settings import Deduplicate

LONG = "Since this morning the printer on the second floor jams whenever somebody prints more than two pages at once"
NEAR = LONG + " please help"
NEARER = LONG + " please help us"


def rows_of(store, manifest):
    return [row for batch in read_batches(store, manifest.shards) for row in batch.to_pylist()]


def documents(**texts: str):
    return [
        {"id": name, "text": text, "source": "test", "licence": "", "created": None, "meta": "{}"}
        for name, text in texts.items()
    ]


def test_exactly_one_of_each_cluster_survives_the_one_with_the_smallest_id(store, commit_rows) -> None:
    given = documents(z=LONG, b=NEAR, c=NEARER, d=LONG.upper() + "!", e="something else", f="Something else.")
    outcome = deduplicate(Attempt(store, "deduplicate"), commit_rows(Kind.DOCUMENTS, given), Deduplicate())
    assert {row["id"] for row in rows_of(store, outcome.manifests["deduplicated"])} == {"b", "e"}
    rows = outcome.report.rows
    assert (rows.in_, rows.out, rows.merged, rows.rejected) == (6, {"deduplicated": 2}, 4, {})


def test_each_merged_row_names_its_survivor_and_its_similarity(store, commit_rows) -> None:
    given = documents(b=NEAR, c=LONG, d=LONG.upper(), e="something else")
    outcome = deduplicate(Attempt(store, "deduplicate"), commit_rows(Kind.DOCUMENTS, given), Deduplicate())
    assert rows_of(store, outcome.manifests["clusters"]) == [
        {"id": "c", "name": "b", "value": "0.8824"},  # 15 shingles of 17
        {"id": "d", "name": "b", "value": "1.0000"},
    ]
    assert {name: figure.value for name, figure in outcome.report.figures.items()} == {
        "exact": 1,
        "near": 1,
        "clusters": 1,
    }
    assert [example.title for example in outcome.report.examples] == [
        "c merged into b (similarity 0.88)",
        "d merged into b (similarity 1.00)",
    ]


def test_the_report_s_examples_show_no_personal_data(store, commit_rows) -> None:
    given = documents(a=f"{LONG} says bob@example.org", b=f"{LONG} says bob@example.org!")
    outcome = deduplicate(Attempt(store, "deduplicate"), commit_rows(Kind.DOCUMENTS, given), Deduplicate())
    assert outcome.report.examples[0].before.endswith("says <EMAIL>!")


def test_the_answer_is_the_same_whatever_the_order_and_the_sharding(store, commit_rows) -> None:
    given = documents(**{f"d{number}": f"{LONG} {number % 7} {number % 3}" for number in range(60)})
    digests = set()
    for seed in range(4):
        random.Random(seed).shuffle(given)
        outcome = deduplicate(Attempt(store, "deduplicate"), commit_rows(Kind.DOCUMENTS, given), Deduplicate())
        digests.add(tuple(sorted((role, made.content_digest) for role, made in outcome.manifests.items())))
    assert len(digests) == 1
    assert 0 < outcome.report.rows.merged < 60


@pytest.mark.parametrize("text", ["settings {{$.inputs}} here", '{"a": "{{$"}'])
def test_placeholders_in_texts_survive(store, commit_texts, text) -> None:
    outcome = deduplicate(Attempt(store, "deduplicate"), commit_texts(text, text), Deduplicate())
    assert [row["text"] for row in rows_of(store, outcome.manifests["deduplicated"])] == [text]


def test_nothing_in_is_nothing_out(store, commit_texts) -> None:
    outcome = deduplicate(Attempt(store, "deduplicate"), commit_texts(), Deduplicate())
    assert outcome.report.rows.out == {"deduplicated": 0}
