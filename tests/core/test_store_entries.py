from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from components.core.errors import Failed
from components.core.store import Store


@pytest.fixture(params=["folder", "memory"])
def anywhere(request, tmp_path):
    """An empty store in a folder, and one in memory."""
    store = Store(str(tmp_path / "store") if request.param == "folder" else "memory://entries")
    yield store
    if request.param == "memory":
        fsspec.filesystem("memory").rm("/entries", recursive=True)


def test_what_lies_in_a_store_is_listed_with_its_length_and_the_moment_of_writing(anywhere) -> None:
    before = datetime.now(UTC).timestamp() - 1
    anywhere.write("b/two", b"22")
    anywhere.write("a/one", b"1")
    found = anywhere.entries("")
    assert [(entry.key, entry.bytes) for entry in found] == [("a/one", 1), ("b/two", 2)]
    assert all(before < entry.modified.timestamp() < before + 60 for entry in found)
    assert [entry.key for entry in anywhere.entries("b")] == ["b/two"]
    assert list(anywhere.entries("c")) == []


def test_what_a_killed_writer_left_is_listed_here_and_nowhere_else(store) -> None:
    store.write("a/one", b"1")
    Path(f"{store.uri}/a/two.1234abcd.part").write_bytes(b"half")
    assert [entry.key for entry in store.entries("")] == ["a/one", "a/two.1234abcd.part"]
    assert store.list("") == ["a/one"]


def test_a_folder_that_cannot_be_read_is_no_empty_one(store, monkeypatch) -> None:
    store.write("a/one", b"1")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("/a"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Failed, match=r"cannot list.*Permission denied"):
        store.entries("")
