from __future__ import annotations

import pytest

from components.core.attempt import Attempt
from components.core.rows import read_batches
from components.data.curate.rules import curate, first_broken_rule
from components.data.curate.settings import Curate


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The printer in room four is jammed again", None),
        ("hi", "too_short"),
        ("word " * 9, "too_long"),
        ("see # # # here", "too_many_symbols"),
        ("12 34 56 78 hello", "few_letters"),
        ("buy buy buy buy now", "repeated_word"),
        ("", "too_short"),
    ],
)
def test_a_text_is_rejected_by_the_first_rule_that_it_breaks(text: str, reason: str | None) -> None:
    assert first_broken_rule(text, Curate(max_words=8)) == reason


def test_what_is_dropped_is_counted_and_can_be_looked_at(store, commit_texts) -> None:
    documents = commit_texts("The printer is jammed again", "hi", "buy buy buy buy now")
    outcome = curate(Attempt(store, "curate"), documents, Curate())
    rows = outcome.report.rows
    assert (rows.in_, rows.out, rows.rejected) == (3, {"curated": 1}, {"too_short": 1, "repeated_word": 1})
    rejects = [row for batch in read_batches(store, outcome.report.rejects) for row in batch.to_pylist()]
    assert {(row["id"], row["reason"]) for row in rejects} == {("d1", "too_short"), ("d2", "repeated_word")}
