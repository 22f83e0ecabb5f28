from __future__ import annotations

import random
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.canonical import digest_of_sorted
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.rows import SCHEMAS, RowWriter, read_batches, row_digests
from components.core.store import Store


def document(index: int, text: str = "text") -> dict:
    return {"id": f"d{index}", "text": text, "source": "", "licence": "", "created": None, "meta": "{}"}


def written(store: Store, rows: list[dict], shard_bytes: int = 10**6, folder: str = "rows") -> RowWriter:
    with RowWriter(store, folder, SCHEMAS[Kind.DOCUMENTS], shard_bytes) as writer:
        for row in rows:
            writer.append(row)
            if shard_bytes < 1000:
                writer._flush_pending()
    return writer


def test_rows_come_back_as_they_went_in(store) -> None:
    rows = [document(index, text) for index, text in enumerate(["", "{{$}}", "ünï\x00code", "a\nb"])]
    writer = written(store, rows)
    assert [row for batch in read_batches(store, writer.shards) for row in batch.to_pylist()] == rows


def test_the_content_digest_knows_neither_order_nor_sharding(store) -> None:
    rows = [document(index, f"text {index}") for index in range(50)]
    shuffled = random.Random(1).sample(rows, len(rows))
    one, many = written(store, rows), written(store, shuffled, shard_bytes=100, folder="other")
    assert len(many.shards) > 10
    assert one.content_digest == many.content_digest
    changed = written(store, [*rows[:-1], document(49, "text x")], folder="third")
    assert changed.content_digest != one.content_digest


def test_a_row_that_stands_twice_counts_twice(store) -> None:
    assert written(store, [document(1)]).content_digest != written(store, [document(1)] * 2, folder="b").content_digest


def test_a_changed_shard_is_not_read(store) -> None:
    writer = written(store, [document(1)])
    store.write(writer.shards[0].uri, store.read(writer.shards[0].uri)[:-1] + b"!")
    with pytest.raises(InvalidInput, match="was changed after it was written"):
        list(read_batches(store, writer.shards))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text())), min_size=2, max_size=6))
def test_different_rows_have_different_digests(pairs) -> None:
    table = pa.table(
        {"a": pa.array([a for a, _ in pairs], pa.string()), "b": pa.array([b for _, b in pairs], pa.string())}
    )
    assert len(set(row_digests(table))) == len(set(pairs))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), min_size=1, max_size=8), st.integers(0, 7))
def test_token_rows_have_the_same_digests_in_one_chunk_or_many(rows, cut) -> None:
    array = pa.array(rows, pa.list_(pa.int32()))
    whole = pa.table({"x": array})
    parts = pa.table({"x": pa.chunked_array([array[:cut], array[cut:]], type=array.type)})
    assert row_digests(whole) == row_digests(parts)
    assert digest_of_sorted(row_digests(whole)) == digest_of_sorted(reversed(row_digests(parts)))
    assert len(set(row_digests(whole))) == len({tuple(row) for row in rows})


def test_a_small_file_is_read_by_no_thread_that_could_outlive_python() -> None:
    script = (
        "import io, os, pyarrow as pa, pyarrow.parquet as pq\n"
        "from components.core.rows import whole_table\n"
        "file = io.BytesIO()\n"
        "pq.write_table(pa.table({'a': ['x'] * 1000, 'b': [1] * 1000}), file)\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "assert whole_table(file.getvalue()).num_rows == 1000\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
