from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import InvalidInput
from components.core.readers import (
    TEXT_READERS,
    Fault,
    Line,
    chunks,
    lines,
    read_csv,
    read_jsonl,
    read_parquet,
    read_text,
)


def _parts(data: bytes, size: int = 7) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def _rows(items: Iterator[Line | Fault]) -> list[tuple[int, object]]:
    return [(item.number, item.row if isinstance(item, Line) else item.reason) for item in items]


@given(st.binary(max_size=200).filter(lambda data: not data.startswith(b"\xef\xbb\xbf")), st.integers(1, 50))
def test_lines_are_the_same_however_the_file_is_cut_into_chunks(data: bytes, size: int) -> None:
    found = list(lines(_parts(data, size), limit=1000))
    pieces = data.split(b"\n")
    assert [line.data for line in found] == (pieces if pieces[-1] else pieces[:-1])
    assert all(data[line.offset : line.offset + line.size] == line.data for line in found)
    assert [line.number for line in found] == list(range(1, len(found) + 1))


def test_broken_json_is_named_with_its_line_and_reading_goes_on() -> None:
    data = b'{"text": "one"}\n{"text": "tw\n\n{"text": "three"}\n'
    first, second, third = read_jsonl(_parts(data), "rows.jsonl", 100)
    assert first == Line(1, {"text": "one"})
    assert isinstance(second, Fault)
    assert (second.reason, second.row) == ("broken_json", {"line": '{"text": "tw'})
    assert second.detail.startswith("rows.jsonl:2: broken JSON: ")
    assert third == Line(4, {"text": "three"})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1, 2]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"text": NaN}', "broken_json"),
        (b'{"text": 1e999}', "broken_json"),
        (b'{"text": ' + b"9" * 5000 + b"}", "broken_json"),
        (b'{"text": ' + b"[" * 200_000 + b"}", "broken_json"),
        (b'{"text": "a\\ud800b"}', "broken_unicode"),
        (b'{"text": "a\x00b"}', "null_byte"),
        (b'{"text": "a"} {"text": "b"}', "broken_json"),
    ],
)
def test_a_line_that_is_no_json_object_is_a_fault_with_a_name(line: bytes, reason: str) -> None:
    assert _rows(read_jsonl(_parts(line, 4096), "rows.jsonl", 1_000_000)) == [(1, reason)]


def test_a_pair_of_surrogates_is_a_letter_like_any_other() -> None:
    assert _rows(read_jsonl(_parts(b'{"text": "\\ud83d\\ude00"}'), "f", 100)) == [(1, {"text": "\U0001f600"})]


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert _rows(read_csv(_parts(b"\xef\xbb\xbftext\none\n"), "f.csv", 100)) == [(2, {"text": "one"})]


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "text"])
def test_what_is_not_utf_8_is_refused_with_line_and_offset(file_format: str) -> None:
    good = b'{"text": "one"}\n'
    with pytest.raises(InvalidInput, match=r"rows:2: not UTF-8: byte 0xe9 at offset 19;.*iconv"):
        list(TEXT_READERS[file_format](_parts(good + b"caf\xe9\n"), "rows", 100))


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "text"])
def test_a_line_beyond_the_limit_is_rejected_and_the_next_one_read(file_format: str) -> None:
    good = {"jsonl": b'{"text": "good"}', "csv": b"good", "text": b"good"}[file_format]
    head = b"text\n" if file_format == "csv" else b""
    gap = b"\n\n" if file_format == "text" else b"\n"
    found = list(TEXT_READERS[file_format](_parts(head + b"x" * 500 + gap + good, 64), "rows", 100))
    long, after = found
    assert isinstance(long, Fault)
    assert long.reason == "line_too_long"
    assert "500 bytes" in long.detail or "501 bytes" in long.detail
    assert len(str(long.row)) < 300
    assert isinstance(after, Line)
    assert after.row == {"text": "good"}


def test_a_long_line_is_never_held_whole() -> None:
    """A gigabyte in a line, from a stream: what is kept of it stays under the limit and one chunk."""
    chunk = b"x" * 1_000_000
    (line,) = lines((chunk for _ in range(1000)), limit=10_000)
    assert (line.size, len(line.data)) == (1_000_000_000, 10_001)


def test_csv_cells_keep_commas_quotes_and_line_ends() -> None:
    data = b'text,intent\r\n"a, ""b""\nc",x\r\n\r\n5 inch,y'
    assert _rows(read_csv(_parts(data), "f.csv", 100)) == [
        (2, {"text": 'a, "b"\nc', "intent": "x"}),
        (5, {"text": "5 inch", "intent": "y"}),
    ]


def test_a_quote_that_is_never_closed_costs_one_line() -> None:
    data = b'text,intent\none,a\n"two,b\nthree,c\nfour,d\n'
    assert _rows(read_csv(_parts(data), "f.csv", 1000)) == [
        (2, {"text": "one", "intent": "a"}),
        (3, "broken_csv"),
        (4, {"text": "three", "intent": "c"}),
        (5, {"text": "four", "intent": "d"}),
    ]


def test_a_quote_that_is_not_closed_within_the_limit_costs_one_line() -> None:
    data = b'text\n"two\n' + b"more\n" * 50
    found = _rows(read_csv(_parts(data), "f.csv", 40))
    assert found[0] == (2, "broken_csv")
    assert found[1:] == [(number, {"text": "more"}) for number in range(3, 53)]


def test_a_csv_row_with_too_many_cells_is_rejected_by_line() -> None:
    one, two = read_csv(_parts(b"text,intent\na,b,c\nd\n"), "f.csv", 100)
    assert isinstance(one, Fault)
    assert (one.reason, one.detail) == ("wrong_columns", "f.csv:2: 3 cells, the header has 2")
    assert isinstance(two, Fault)
    assert two.detail == "f.csv:3: 1 cells, the header has 2"


@pytest.mark.parametrize("header", [b"text,text\n", b"text,\n"])
def test_a_header_whose_names_do_not_tell_columns_apart_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidInput, match="a name of its own"):
        list(read_csv(_parts(header + b"a,b\n"), "f.csv", 100))


def test_a_text_longer_than_the_csv_modules_own_limit_is_read() -> None:
    (row,) = read_csv(_parts(b"text\n" + b"x" * 300_000, 65536), "f.csv", 1_000_000)
    assert isinstance(row, Line)
    assert len(row.row["text"]) == 300_000


def test_paragraphs_of_a_text_file_are_its_documents() -> None:
    data = b"\n\nfirst line\r\nsecond line\n   \n\nanother\n"
    assert _rows(read_text(_parts(data), "f.txt", 100)) == [
        (3, {"text": "first line\nsecond line"}),
        (7, {"text": "another"}),
    ]


def test_parquet_values_become_what_json_can_hold() -> None:
    table = pa.table(
        {
            "text": ["one", None],
            "when": pa.array([0, 1_000_000], pa.timestamp("us", "UTC")),
            "score": [float("nan"), 0.5],
            "blob": [b"\x00\xff", b""],
            "tags": [[1], []],
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    assert _rows(read_parquet(file, "f.parquet")) == [
        (1, {"text": "one", "when": "1970-01-01T00:00:00+00:00", "score": None, "blob": "00ff", "tags": [1]}),
        (2, {"text": None, "when": "1970-01-01T00:00:01+00:00", "score": 0.5, "blob": "", "tags": []}),
    ]


def test_a_damaged_parquet_file_is_refused() -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": ["one"] * 100}), file)
    with pytest.raises(InvalidInput, match="damaged, or not Parquet"):
        list(read_parquet(io.BytesIO(file.getvalue()[:-20]), "f.parquet"))


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"f\.csv: empty"):
        list(chunks(io.BytesIO(b""), "f.csv"))


@pytest.mark.parametrize(("depth", "accepted"), [(60, True), (900, False), (100_000, False)])
def test_a_row_that_is_nested_too_deep_is_a_fault_and_not_the_end(depth: int, accepted: bool) -> None:
    line = b'{"x": ' + b"[" * depth + b"]" * depth + b"}"
    (found,) = read_jsonl(_parts(line, 4096), "rows.jsonl", 1_000_000)
    assert isinstance(found, Line) is accepted
