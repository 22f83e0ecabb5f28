from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import InvalidInput
from components.core.readers import Fault, Line
from components.core.settings import encode
from components.core.sources import PinnedSource, digest_of, format_of, pinned_sources, read_source


def _zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": _zstd,
}


def _parquet(rows: list[dict[str, str]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


ROWS = [{"text": f"text number {index}"} for index in range(3000)]
FILES: dict[str, bytes] = {
    "rows.jsonl": "\n".join(json.dumps(row) for row in ROWS).encode(),
    "rows.csv": "\r\n".join(["text", *(row["text"] for row in ROWS)]).encode(),
    "rows.txt": "\n\n".join(row["text"] for row in ROWS).encode(),
    "rows.parquet": _parquet(ROWS),
}


def pin(uri: str, **changes: object) -> PinnedSource:
    """A source pinned as the file is now."""
    size, digest = digest_of(uri)
    facts = {"role": "train", "name": "rows", "format": format_of(uri), "bytes": size, "sha256": digest}
    return PinnedSource.model_validate({"uri": uri, **facts, **changes})


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], PinnedSource]:
    """Writes a file and pins it."""

    def write(name: str, data: bytes) -> PinnedSource:
        (tmp_path / name).write_bytes(data)
        return pin(str(tmp_path / name))

    return write


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", FILES)
def test_every_format_is_read_compressed_or_not(put, name: str, suffix: str) -> None:
    source = put(name + suffix, COMPRESS[suffix](FILES[name]))
    assert [item.row for item in read_source(source, ["text"])] == ROWS


@pytest.mark.parametrize("name", FILES)
def test_object_stores_are_read_as_folders_are(name: str) -> None:
    uri = f"memory://readers/{name}.gz"
    with fsspec.open(uri, "wb") as file:
        file.write(gzip.compress(FILES[name]))
    assert [item.row for item in read_source(pin(uri))] == ROWS


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_files_compressed_piece_by_piece_are_read_to_the_end(put, suffix: str) -> None:
    halves = [FILES["rows.jsonl"][:1000], FILES["rows.jsonl"][1000:]]
    source = put(f"rows.jsonl{suffix}", b"".join(COMPRESS[suffix](half) for half in halves))
    assert [item.row for item in read_source(source)] == ROWS


@pytest.mark.parametrize("suffix", [suffix for suffix in COMPRESS if suffix])
@pytest.mark.parametrize("damage", ["cut", "not_compressed"])
def test_broken_compression_is_refused(put, suffix: str, damage: str) -> None:
    data = FILES["rows.jsonl"] if damage == "not_compressed" else COMPRESS[suffix](FILES["rows.jsonl"])[:-30]
    with pytest.raises(InvalidInput, match="broken compression"):
        list(read_source(put(f"rows.jsonl{suffix}", data)))


@pytest.mark.parametrize("name", [*FILES, "rows.jsonl.gz"])
def test_a_file_changed_since_it_was_pinned_is_refused(put, tmp_path: Path, name: str) -> None:
    data = FILES[name.removesuffix(".gz")]
    source = put(name, gzip.compress(data) if name.endswith("gz") else data)
    other = data.replace(b"number 7", b"number 8") if name != "rows.parquet" else _parquet(ROWS[:-1])
    (tmp_path / name).write_bytes(gzip.compress(other) if name.endswith("gz") else other)
    with pytest.raises(InvalidInput, match=r"changed since it was resolved .* run again"):
        list(read_source(source))


def test_a_file_cut_off_since_it_was_pinned_is_called_changed_not_damaged(put, tmp_path: Path) -> None:
    source = put("rows.jsonl.gz", gzip.compress(FILES["rows.jsonl"]))
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(FILES["rows.jsonl"])[:100])
    with pytest.raises(InvalidInput, match="changed since it was resolved"):
        list(read_source(source))


def test_a_file_removed_since_it_was_pinned_is_missed(put, tmp_path: Path) -> None:
    source = put("rows.jsonl", FILES["rows.jsonl"])
    (tmp_path / "rows.jsonl").unlink()
    with pytest.raises(InvalidInput, match="there is no such file"):
        list(read_source(source))


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.jsonl"])
def test_a_missing_column_is_named_with_the_nearest(put, name: str) -> None:
    source = put(name, FILES[name])
    with pytest.raises(InvalidInput, match=r"no column txt; it has text; did you mean text\?"):
        list(read_source(source, ["txt"]))


def test_a_column_that_some_rows_have_is_not_missing(put) -> None:
    source = put("rows.jsonl", b'{"text": "a"}\n{"text": "b", "thread": 1}\n')
    assert len(list(read_source(source, ["text", "thread"]))) == 2


@pytest.mark.parametrize(("name", "data"), [("a.csv", b"text\n"), ("a.jsonl", b"\n\n"), ("a.parquet", _parquet([]))])
def test_a_file_without_rows_is_refused(put, name: str, data: bytes) -> None:
    with pytest.raises(InvalidInput, match="empty: no rows"):
        list(read_source(put(name, data)))


def test_sources_travel_as_one_string_and_come_back_sorted(put) -> None:
    one, two = put("b.jsonl", b"{}"), put("a.jsonl", b"{}")
    text = encode([source.model_dump(mode="json") for source in (one, two)])
    assert pinned_sources(text) == (two, one)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"uri": "a"}]', "[" * 100_000])
def test_a_string_that_pins_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="pass its output unchanged"):
        pinned_sources(text)


_TWO_HUNDRED_MEGABYTES = """
import resource, sys
from components.core.sources import PinnedSource, read_source
source = PinnedSource.model_validate_json(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reasons = [getattr(item, "reason", "") for item in read_source(source)]
print(reasons, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.txt"])
def test_a_line_of_200_megabytes_is_rejected_in_60_of_memory(tmp_path: Path, name: str) -> None:
    path, digest = tmp_path / name, hashlib.sha256()
    gap = b"\n\n" if name.endswith("txt") else b"\n"
    good = b'{"text": "good"}'
    with path.open("wb") as file:
        for part in [b"text\n" if name.endswith("csv") else b"\n", *[b"x" * 1_000_000] * 200, gap, good, gap]:
            file.write(part)
            digest.update(part)
    source = PinnedSource.model_validate(
        {"uri": str(path), "role": "train", "name": "rows", "format": format_of(name),
         "bytes": path.stat().st_size, "sha256": digest.hexdigest()}
    )  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", _TWO_HUNDRED_MEGABYTES, source.model_dump_json()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    reasons, grown = ran.stdout.rsplit(maxsplit=1)
    assert reasons == "['line_too_long', '']"
    assert int(grown) < 60


def test_a_stopped_reader_leaves_no_file_open(put) -> None:
    stream = read_source(put("rows.jsonl", FILES["rows.jsonl"]))
    assert isinstance(next(stream), (Line, Fault))
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)
