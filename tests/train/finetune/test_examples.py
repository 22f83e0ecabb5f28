from __future__ import annotations

import pytest

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.train.finetune.examples import Collator, read_examples

ROWS = [
    {"id": "b", "input_ids": [5, 6, 7], "loss_mask": [0, 1, 1]},
    {"id": "a", "input_ids": [8, 9], "loss_mask": [0, 1]},
    {"id": "c", "input_ids": [1], "loss_mask": [0]},
]


def test_the_label_of_a_token_is_itself_where_the_loss_counts(store, commit_rows, tmp_path) -> None:
    examples = read_examples(Attempt(store, "t"), commit_rows(Kind.TOKENS, ROWS), tmp_path)
    assert [list(row["labels"]) for row in examples.dataset] == [[-100, 6, 7], [-100, 9], [-100]]
    assert [list(row["input_ids"]) for row in examples.dataset] == [[5, 6, 7], [8, 9], [1]]


def test_rows_are_ordered_by_their_ids_wherever_they_lie(store, commit_rows, tmp_path) -> None:
    examples = read_examples(Attempt(store, "t"), commit_rows(Kind.TOKENS, ROWS), tmp_path)
    assert examples.canonical.tolist() == [1, 0, 2]
    assert examples.lengths.tolist() == [3, 2, 1]


def test_no_rows_are_refused(store, commit_rows, tmp_path) -> None:
    with pytest.raises(InvalidInput, match="there are no rows to train on"):
        read_examples(Attempt(store, "t"), commit_rows(Kind.TOKENS, []), tmp_path)


def test_padding_is_neither_read_nor_learned(store, commit_rows, tmp_path) -> None:
    examples = read_examples(Attempt(store, "t"), commit_rows(Kind.TOKENS, ROWS), tmp_path)
    batch = {name: tensor.tolist() for name, tensor in Collator(pad=0)(list(examples.dataset)).items()}
    assert batch["input_ids"] == [[5, 6, 7], [8, 9, 0], [1, 0, 0]]
    assert batch["labels"] == [[-100, 6, 7], [-100, 9, -100], [-100, -100, -100]]
    assert batch["attention_mask"] == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert Collator(pad=0, multiple=8)(list(examples.dataset))["input_ids"].shape == (3, 8)
