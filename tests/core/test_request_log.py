from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.core import partitions
from components.core.errors import Failed, InvalidInput
from components.core.partitions import SCHEMAS, batches, read_partition
from components.core.request_log import RequestLog, Table, one_a_request

NINE = datetime(2026, 1, 31, 9, 5, 7, 123, tzinfo=UTC)


def rows(*names: str) -> list[bytes]:
    return [b'{"request_id":"%s","attempt":1}' % name.encode() for name in names]


@pytest.fixture
def log(tmp_path: Path) -> RequestLog:
    return RequestLog(str(tmp_path / "log"))


def test_a_partition_reads_back_under_a_key_that_says_when_it_was_sealed(log: RequestLog) -> None:
    key = log.key("helpdesk", Table.REQUESTS, NINE, "gw-1")
    assert key == "helpdesk/requests/2026-01-31/09/20260131T090507.000123Z-gw-1.jsonl.gz"
    log.write(key, rows("a", "b"))
    assert log.partitions("helpdesk", Table.REQUESTS) == [key]
    assert read_partition(log, key, Table.REQUESTS).column("request_id").to_pylist() == ["a", "b"]
    assert log.partitions("helpdesk", Table.FEEDBACK) == []
    assert log.partitions("other", Table.REQUESTS) == []


def test_partitions_come_in_the_order_of_sealing_and_from_a_moment_on(log: RequestLog) -> None:
    moments = [NINE.replace(hour=hour) for hour in (14, 3, 9)]
    for moment in moments:
        log.write(log.key("e", Table.REQUESTS, moment, "g"), rows("a"))
    keys = [log.key("e", Table.REQUESTS, moment, "g") for moment in sorted(moments)]
    assert log.partitions("e", Table.REQUESTS) == keys
    assert log.partitions("e", Table.REQUESTS, since=NINE) == keys[1:]
    assert len(list(batches(log, keys, Table.REQUESTS))) == 3


def test_a_column_that_a_later_version_added_is_left_out_and_one_that_is_missing_is_null(log: RequestLog) -> None:
    log.write("e/requests/k.jsonl.gz", [b'{"new":["x",{"deep":1}],"request_id":"a"}'])
    found = read_partition(log, "e/requests/k.jsonl.gz", Table.REQUESTS)
    assert found.schema == SCHEMAS[Table.REQUESTS]
    assert found.to_pylist() == [dict.fromkeys(found.column_names) | {"request_id": "a"}]


def test_the_same_rows_are_the_same_bytes(log: RequestLog) -> None:
    for key in ("e/requests/1.jsonl.gz", "e/requests/2.jsonl.gz"):
        log.write(key, rows("a", "b"))
    assert log.store.read("e/requests/1.jsonl.gz") == log.store.read("e/requests/2.jsonl.gz")


def packed(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


SOUND = packed(b'{"request_id":"a"}\n')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1f\x8b",
        b"PAR1 no gzip at all",
        SOUND[:-1],
        SOUND[:-8] + bytes(8),
        SOUND[:12] + bytes([SOUND[12] ^ 1]) + SOUND[13:],
        SOUND + b"more",
        packed(b"no JSON at all"),
        packed(b"[1]\n"),
        packed(b"null\n"),
        packed(b'{"request_id":"a"\n'),
        packed(b'{"request_id":"a"}{"request_id":"b"}\n'),
        packed(b'{"request_id":\n"a"}\n'),
        packed(b'{"request_id":"a"}{"more":\n{"b":1}}\n'),
        packed(b'{"request_id":"a"}'),
        packed(b'{"request_id":5}\n'),
        packed(b'{"attempt":3000000000}\n'),
        packed(b'{"request_id":"\xff\xfe"}\n'),
    ],
)
def test_a_half_written_or_foreign_partition_is_named_and_the_others_are_read(log: RequestLog, data: bytes) -> None:
    log.write("e/requests/good.jsonl.gz", rows("a"))
    log.store.write("e/requests/bad.jsonl.gz", data)
    with pytest.raises(InvalidInput, match=r"e/requests/bad.jsonl.gz cannot be read: .+; bring it back from a copy"):
        read_partition(log, "e/requests/bad.jsonl.gz", Table.REQUESTS)
    assert read_partition(log, "e/requests/good.jsonl.gz", Table.REQUESTS).num_rows == 1


def test_a_partition_that_unpacks_to_more_than_any_gateway_writes_is_not_unpacked(
    log: RequestLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "MOST_BYTES", 1000)
    log.write("e/requests/large.jsonl.gz", rows(*"abcdefgh" * 8))
    with pytest.raises(InvalidInput, match=r"large.jsonl.gz cannot be read: it unpacks to more than 1000 bytes"):
        read_partition(log, "e/requests/large.jsonl.gz", Table.REQUESTS)


def test_no_rows_are_an_empty_table(log: RequestLog) -> None:
    log.write("e/feedback/none.jsonl.gz", [])
    assert read_partition(log, "e/feedback/none.jsonl.gz", Table.FEEDBACK).equals(SCHEMAS[Table.FEEDBACK].empty_table())


def test_files_that_are_no_partitions_are_not_read(log: RequestLog, tmp_path: Path) -> None:
    folder = tmp_path / "log" / "e" / "requests"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("hello")
    (folder / "x.jsonl.gz.12345678.part").write_bytes(b"half")
    assert log.partitions("e", Table.REQUESTS) == []


def test_a_log_without_an_address_is_refused_with_what_to_add() -> None:
    with pytest.raises(InvalidInput, match="add `requests: FOLDER`"):
        RequestLog("")


def test_a_log_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Failed, match="cannot write"):
        RequestLog(str(tmp_path / "file")).write("e/requests/k.jsonl.gz", rows("a"))


def test_the_highest_answered_attempt_counts_else_the_highest() -> None:
    told = [
        ("a", 1, "answered"), ("a", 2, "lost"),
        ("b", 2, "answered"), ("b", 1, "answered"),
        ("c", 1, "lost"), ("c", 3, "failed"), ("c", 2, "cut"),
        ("d", None, "lost"),
    ]  # fmt: skip
    found = one_a_request({"request_id": name, "attempt": at, "status": status} for name, at, status in told)
    assert {name: row["attempt"] for name, row in found.items()} == {"a": 1, "b": 2, "c": 3, "d": None}
