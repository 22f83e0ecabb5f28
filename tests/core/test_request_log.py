from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from components.core.errors import Failed, InvalidInput
from components.core.request_log import SCHEMAS, RequestLog, Table, one_a_request

NINE = datetime(2026, 1, 31, 9, 5, 7, 123, tzinfo=UTC)


def rows(*names: str) -> pa.Table:
    return pa.Table.from_pylist([{"request_id": name, "attempt": 1} for name in names], SCHEMAS[Table.REQUESTS])


@pytest.fixture
def log(tmp_path: Path) -> RequestLog:
    return RequestLog(str(tmp_path / "log"))


def test_a_partition_reads_back_under_a_key_that_says_when_it_was_sealed(log: RequestLog) -> None:
    key = log.key("helpdesk", Table.REQUESTS, NINE, "gw-1")
    assert key == "helpdesk/requests/2026-01-31/09/20260131T090507.000123Z-gw-1.parquet"
    log.write(key, Table.REQUESTS, rows("a", "b"))
    assert log.partitions("helpdesk", Table.REQUESTS) == [key]
    assert log.read(key, Table.REQUESTS).column("request_id").to_pylist() == ["a", "b"]
    assert log.partitions("helpdesk", Table.FEEDBACK) == []
    assert log.partitions("other", Table.REQUESTS) == []


def test_partitions_come_in_the_order_of_sealing_and_from_a_moment_on(log: RequestLog) -> None:
    moments = [NINE.replace(hour=hour) for hour in (14, 3, 9)]
    for moment in moments:
        log.write(log.key("e", Table.REQUESTS, moment, "g"), Table.REQUESTS, rows("a"))
    keys = [log.key("e", Table.REQUESTS, moment, "g") for moment in sorted(moments)]
    assert log.partitions("e", Table.REQUESTS) == keys
    assert log.partitions("e", Table.REQUESTS, since=NINE) == keys[1:]
    assert len(list(log.batches(keys, Table.REQUESTS))) == 3


def test_a_column_that_a_later_version_added_is_left_out(log: RequestLog) -> None:
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(rows("a").append_column("new", pa.array(["x"])), buffer)
    log.store.write("e/requests/k.parquet", buffer.getvalue().to_pybytes())
    assert log.read("e/requests/k.parquet", Table.REQUESTS).schema == SCHEMAS[Table.REQUESTS]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no parquet at all"])
def test_a_half_written_or_foreign_partition_is_named_and_the_others_are_read(log: RequestLog, data: bytes) -> None:
    log.write("e/requests/good.parquet", Table.REQUESTS, rows("a"))
    log.store.write("e/requests/bad.parquet", data)
    with pytest.raises(InvalidInput, match=r"e/requests/bad.parquet cannot be read"):
        log.read("e/requests/bad.parquet", Table.REQUESTS)
    assert log.read("e/requests/good.parquet", Table.REQUESTS).num_rows == 1


def test_a_table_of_something_else_is_no_partition(log: RequestLog) -> None:
    log.write("e/feedback/k.parquet", Table.FEEDBACK, pa.Table.from_pylist([], SCHEMAS[Table.FEEDBACK]))
    with pytest.raises(InvalidInput, match=r"k.parquet cannot be read"):
        log.read("e/feedback/k.parquet", Table.REQUESTS)


def test_files_that_are_no_partitions_are_not_read(log: RequestLog, tmp_path: Path) -> None:
    folder = tmp_path / "log" / "e" / "requests"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("hello")
    (folder / "x.parquet.12345678.part").write_bytes(b"half")
    assert log.partitions("e", Table.REQUESTS) == []


def test_a_log_without_an_address_is_refused_with_what_to_add() -> None:
    with pytest.raises(InvalidInput, match="add `requests: FOLDER`"):
        RequestLog("")


def test_a_log_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Failed, match="cannot write"):
        RequestLog(str(tmp_path / "file")).write("e/requests/k.parquet", Table.REQUESTS, rows("a"))


def test_the_highest_answered_attempt_counts_else_the_highest() -> None:
    told = [
        ("a", 1, "answered"), ("a", 2, "lost"),
        ("b", 2, "answered"), ("b", 1, "answered"),
        ("c", 1, "lost"), ("c", 3, "failed"), ("c", 2, "cut"),
        ("d", None, "lost"),
    ]  # fmt: skip
    found = one_a_request({"request_id": name, "attempt": at, "status": status} for name, at, status in told)
    assert {name: row["attempt"] for name, row in found.items()} == {"a": 1, "b": 2, "c": 3, "d": None}
