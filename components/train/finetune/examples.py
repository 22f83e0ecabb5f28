"""Token shards as the trainer reads them: one Arrow file on this machine's disk, mapped into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Manifest
from components.train.finetune.order import Ints

IGNORED = -100
"""The label that counts towards no loss, in PyTorch and everything above it."""

_SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])


@dataclass(frozen=True)
class Examples:
    """Rows of ``input_ids`` and ``labels``, their places sorted by id, and their lengths by place (tokens)."""

    dataset: Dataset
    canonical: Ints
    lengths: Ints


def read_examples(attempt: Attempt, tokens: Manifest, folder: Path) -> Examples:
    """Writes the rows into a file in ``folder``, in streams. Raises InvalidInput when there are none."""
    if not tokens.rows:
        raise InvalidInput(f"{tokens.key}: there are no rows to train on; look at what the data steps rejected")
    path = folder / "tokens.arrow"
    ids: list[str] = []
    lengths = []
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
        for batch in attempt.read(tokens):
            writer.write_batch(_labelled(batch))
            ids.extend(batch.column("id").to_pylist())
            lengths.append(batch.column("input_ids").value_lengths().to_numpy())
    canonical = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    return Examples(
        Dataset.from_file(str(path)).with_format("numpy"), canonical, np.concatenate(lengths).astype(np.int64)
    )


def _labelled(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The label of a token is the token itself where the mask counts it."""
    ids, mask = batch.column("input_ids"), batch.column("loss_mask")
    offsets = np.concatenate([[0], np.cumsum(ids.value_lengths().to_numpy())]).astype(np.int32)
    values = ids.flatten().to_numpy()
    labels = np.where(mask.flatten().to_numpy() == 1, values, IGNORED).astype(np.int32)
    columns = [pa.ListArray.from_arrays(offsets, column) for column in (values, labels)]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


@dataclass(frozen=True)
class Collator:
    """Rows of unequal length as tensors of shape (rows, longest), padded on the right."""

    pad: int
    multiple: int = 1

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)
        shape = (len(rows), -(-longest // self.multiple) * self.multiple)
        ids = np.full(shape, self.pad, dtype=np.int64)
        labels = np.full(shape, IGNORED, dtype=np.int64)
        attention = np.zeros(shape, dtype=np.int64)
        for index, row in enumerate(rows):
            length = len(row["input_ids"])
            ids[index, :length], labels[index, :length], attention[index, :length] = row["input_ids"], row["labels"], 1
        arrays = {"input_ids": ids, "labels": labels, "attention_mask": attention}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
