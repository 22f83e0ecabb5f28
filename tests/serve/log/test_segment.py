from __future__ import annotations

import json
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from components.core.errors import Failed, InvalidInput
from components.core.partitions import SCHEMAS
from components.core.request_log import RequestLog, Table
from components.serve.log.sealing import seal
from components.serve.log.segment import MAGIC, Mark, Name, Segment, check, frame, read
from tests.serve.log.rows import begun, ended, logged, word

NOON = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)


def texts(path: Path, mark: Mark = Mark.REQUEST) -> list[str]:
    return [json.loads(record)["request_id"] for record in read(path).of[mark]]


def test_records_come_back_by_kind(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(frame(Mark.BEGUN, begun("a")) + frame(Mark.FEEDBACK, word("a")) + frame(Mark.REQUEST, ended("a")))
    assert [texts(path, mark) for mark in Mark] == [["a"], ["a"], ["a"]]
    assert read(path).torn == 0


def test_a_file_that_was_removed_has_no_records(tmp_path: Path) -> None:
    assert read(tmp_path / "gone").of[Mark.REQUEST] == []


def test_cut_anywhere_a_segment_gives_the_whole_records_before_the_cut(tmp_path: Path) -> None:
    frames = [frame(Mark.REQUEST, ended(name, "ä" * 5)) for name in "abc"]
    ends = [sum(map(len, frames[: count + 1])) for count in range(3)]
    data = b"".join(frames)
    for cut in range(len(data)):
        path = tmp_path / "s"
        path.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        assert texts(path) == list("abc")[:whole]
        assert read(path).torn == cut - (ends[whole - 1] if whole else 0)


def test_damage_costs_the_record_that_it_hit_and_no_other(tmp_path: Path) -> None:
    frames = [frame(Mark.REQUEST, ended(name)) for name in "abc"]
    for at in range(len(frames[1])):
        hit = bytearray(frames[1])
        hit[at] ^= 0x55
        path = tmp_path / "s"
        path.write_bytes(frames[0] + bytes(hit) + frames[2])
        assert texts(path) == ["a", "c"], at
        assert read(path).torn == len(hit)


def test_a_record_within_a_text_is_not_taken_for_one(tmp_path: Path) -> None:
    evil = frame(Mark.REQUEST, ended("evil")).decode("latin-1")
    path = tmp_path / "s"
    path.write_bytes(frame(Mark.REQUEST, ended("a", evil))[:-1])
    assert texts(path) == []
    assert MAGIC not in frame(Mark.REQUEST, ended("a", evil))[1:]


def test_a_name_reads_back_and_another_file_has_none() -> None:
    for name in (Name(7), Name(12, NOON, "gw.a-1")):
        assert Name.of(Path("/x") / str(name)) == name
    for other in ("lock", "7.open", "000000007.sealed", "000000007.open.part", "000000007.20260131Z-g.sealed"):
        assert Name.of(Path(other)) is None
    assert Name(12, NOON, "gw").partition == "gw-000000012"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("colour", "red"),
        ("response", 5),
        ("prompt_tokens", 2**31),
        ("prompt_tokens", True),
        ("prompt_tokens", 5.0),
        ("latency_ms", float("nan")),
        ("latency_ms", float("inf")),
        ("latency_ms", "5"),
        ("mirrored", 1),
        ("messages", "hello"),
        ("messages", [{"role": "user", "content": [{"type": "text"}]}]),
        ("messages", [{"role": "user", "content": "hi", "name": "x"}]),
        ("messages", ["hello"]),
    ],
)
def test_a_cell_that_would_stop_a_partition_is_refused_before_it_is_written(column: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=column):
        check(ended("a", **{column: value}), Table.REQUESTS)


def test_sound_cells_and_absent_ones_are_taken() -> None:
    check(ended("a", prompt_tokens=-(2**31), latency_ms=5, mirrored=False, error=None, messages=[]), Table.REQUESTS)
    check(ended("a", messages=[{"role": "user", "content": None}, {}]), Table.REQUESTS)
    check(word("a", good=None), Table.FEEDBACK)


_TEXT = some.text(some.characters(exclude_categories=()), max_size=30)
_ROWS = some.lists(
    some.fixed_dictionaries(
        {"request_id": _TEXT, "attempt": some.integers(-(2**31), 2**31 - 1)},
        optional={
            "response": some.none() | _TEXT,
            "latency_ms": some.none() | some.floats(allow_nan=False, allow_infinity=False) | some.integers(0, 10**6),
            "mirrored": some.none() | some.booleans(),
            "messages": some.lists(
                some.fixed_dictionaries({"role": _TEXT, "content": some.none() | _TEXT}), max_size=3
            ),
        },
    ),
    min_size=1,
    max_size=8,
)


def clean(value: object) -> object:
    """What is written for a value: a lone surrogate is no UTF-8."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


@settings(max_examples=150, deadline=None)
@given(rows=_ROWS)
def test_whatever_a_row_holds_its_partition_holds(rows: list, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("log")
    path = folder / str(Name(1, NOON, "gw"))
    path.write_bytes(b"".join(frame(Mark.REQUEST, row) for row in rows))
    log = RequestLog(str(folder / "log"))
    assert seal(path, log, "helpdesk") == {Table.REQUESTS: len(rows), Table.FEEDBACK: 0}
    expected = pa.Table.from_pylist(clean(rows), SCHEMAS[Table.REQUESTS]).to_pylist()
    assert logged(log) == expected


@pytest.mark.parametrize("record", [b"null", b"[1]", b'{"request_id":"a"', b'{"attempt":"x"}', b'{"latency_ms":NaN}'])
def test_a_record_with_which_no_partition_could_be_read_stops_the_sealing(tmp_path: Path, record: bytes) -> None:
    path, log = tmp_path / str(Name(3, NOON, "gw")), RequestLog(str(tmp_path / "log"))
    head = struct.pack(">4scII", MAGIC, b"r", len(record), zlib.crc32(record, zlib.crc32(b"r")))
    path.write_bytes(frame(Mark.REQUEST, ended("a")) + head + record)
    with pytest.raises(Failed, match=r"cannot be read: .+; another version wrote them"):
        seal(path, log, "helpdesk")
    assert log.partitions("helpdesk", Table.REQUESTS) == []
    assert path.exists()


def test_a_column_of_another_version_stops_nothing(tmp_path: Path) -> None:
    path, log = tmp_path / str(Name(3, NOON, "gw")), RequestLog(str(tmp_path / "log"))
    path.write_bytes(frame(Mark.REQUEST, ended("a", colour=["red"])))
    seal(path, log, "helpdesk")
    assert [row["request_id"] for row in logged(log)] == ["a"]


def test_a_segment_without_rows_makes_no_partition(tmp_path: Path) -> None:
    path = tmp_path / str(Name(1, NOON, "gw"))
    path.write_bytes(frame(Mark.BEGUN, begun("a")))
    seal(path, RequestLog(str(tmp_path / "log")), "helpdesk")
    assert list(tmp_path.iterdir()) == [path]


def test_a_segment_that_is_still_written_to_is_not_sealed(tmp_path: Path) -> None:
    segment = Segment(tmp_path / str(Name(1)))
    segment.close()
    with pytest.raises(ValueError, match="no closed segment"):
        seal(segment.path, RequestLog(str(tmp_path / "log")), "helpdesk")


def test_sealed_again_after_a_kill_there_is_one_partition(tmp_path: Path) -> None:
    path, log = tmp_path / str(Name(3, NOON, "gw")), RequestLog(str(tmp_path / "log"))
    data = frame(Mark.REQUEST, ended("a")) + frame(Mark.FEEDBACK, word("a"))
    for _ in range(2):
        path.write_bytes(data)
        seal(path, log, "helpdesk")
    assert [row["request_id"] for row in logged(log)] == ["a"]
    assert [row["feedback_id"] for row in logged(log, Table.FEEDBACK)] == ["f-a"]
    assert "20260131T120000.000005Z-gw-000000003.jsonl.gz" in log.partitions("helpdesk", Table.REQUESTS)[0]


def test_what_is_torn_is_told_and_the_rest_is_sealed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, log = tmp_path / str(Name(3, NOON, "gw")), RequestLog(str(tmp_path / "log"))
    path.write_bytes(frame(Mark.REQUEST, ended("a")) + frame(Mark.REQUEST, ended("b"))[:-3])
    seal(path, log, "helpdesk")
    assert [row["request_id"] for row in logged(log)] == ["a"]
    assert "belong to no whole row" in caplog.text
