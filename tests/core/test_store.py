from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from components.core.errors import Failed, InvalidInput
from components.core.store import Store
from tests.contract.google.server import Server
from tests.contract.google.storage import Storage
from tests.contract.s3 import s3


@pytest.fixture(params=["folder", "memory", "gs", "s3"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "gs":
        from gcsfs.core import GCSFileSystem

        with Server(Storage("bucket")).running() as server:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
            GCSFileSystem.clear_instance_cache()
            yield Store("gs://bucket/store")
        return
    if request.param == "s3":
        with s3(monkeypatch, "bucket"):
            fsspec.get_filesystem_class("s3").clear_instance_cache()
            yield Store("s3://bucket/store")
        return
    yield Store(str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_what_is_written_is_read_and_listed(any_store: Store) -> None:
    any_store.write("a/b/one", b"1")
    any_store.write("a/two", b"2")
    assert any_store.read("a/b/one") == b"1"
    assert any_store.list("a") == ["a/b/one", "a/two"]
    assert any_store.exists("a/two")
    assert not any_store.exists("a/three")


def test_an_object_is_read_as_a_stream(any_store: Store) -> None:
    any_store.write("a/b", b"one two")
    with any_store.open("a/b") as file:
        assert (file.read(3), file.read()) == (b"one", b" two")
    with pytest.raises(InvalidInput, match="there is no a/c"), any_store.open("a/c"):
        pass


def test_only_the_first_of_two_creates(any_store: Store) -> None:
    assert any_store.create("once", b"first")
    assert not any_store.create("once", b"second")
    assert any_store.read("once") == b"first"


def test_of_many_threads_that_create_the_same_exactly_one_wins(tmp_path: Path) -> None:
    store, won = Store(str(tmp_path)), []
    threads = [
        threading.Thread(target=lambda n=n: won.append(n) if store.create("k", b"%d" % n) else None) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("k") == b"%d" % won[0]


def test_a_file_goes_in_and_comes_out_checked(any_store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x" * 100_000)
    digest = any_store.upload(tmp_path / "in", "files/big")
    any_store.download("files/big", tmp_path / "out", digest)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()
    with pytest.raises(InvalidInput, match="was changed after it was written"):
        any_store.download("files/big", tmp_path / "out", "0" * 64)


def test_a_missing_object_is_a_sentence(any_store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"there is no nothing/here; .*run the step"):
        any_store.read("nothing/here")


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a/../../b", ""])
def test_a_key_cannot_leave_the_store(any_store: Store, key: str) -> None:
    with pytest.raises(InvalidInput, match="leaves the store"):
        any_store.write(key, b"")


def test_a_bucket_that_is_not_there_is_a_sentence(any_store: Store) -> None:
    scheme = any_store.uri.partition("://")[0]
    if scheme in ("gs", "s3"):
        elsewhere = Store(f"{scheme}://nosuch/store")
        for use in (lambda: elsewhere.write("k", b""), lambda: elsewhere.create("k", b""), lambda: elsewhere.list("")):
            with pytest.raises(InvalidInput, match=r"//nosuch/store: .*no such bucket; create it"):
                use()


def test_an_address_that_is_none_is_a_sentence() -> None:
    with pytest.raises(InvalidInput, match=r"use a folder, gs://… or s3://…"):
        Store("nosuch://bucket")


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "read-only"), (errno.EACCES, "the right")]
)
def test_a_disk_that_takes_nothing_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    store = Store(str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(Failed, match=remedy):
        store.write("some/key", b"data")
    assert store.list("") == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full_fails_in_a_sentence(tmp_path: Path) -> None:
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"no small disk can be mounted here: {mount.stderr.strip()}")
    try:
        store = Store(str(tmp_path))
        store.write("small", b"fits")
        with pytest.raises(Failed, match="No space left on device; free some space"):
            store.write("large", b"x" * 200_000)
        assert store.list("") == ["small"]
        assert [path.name for path in tmp_path.iterdir()] == ["small"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_the_store_imports_no_cloud_library() -> None:
    script = (
        "import sys, components.core.store; print([m for m in ('gcsfs', 's3fs', 'kfp', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
