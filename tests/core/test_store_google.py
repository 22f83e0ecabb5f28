"""A store on a fake Cloud Storage; what every store does is in ``test_store``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.core.errors import Failed
from components.core.store import Store
from tests.contract.google.server import Server
from tests.contract.google.storage import Storage


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Storage, Store]]:
    service = Storage("bucket")
    with Server(service).running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        from gcsfs.core import GCSFileSystem

        GCSFileSystem.clear_instance_cache()
        yield server, service, Store("gs://bucket/store")


def test_only_the_first_of_two_creates_and_the_service_is_asked_to_see_to_it(cloud) -> None:
    server, _, store = cloud
    assert (store.create("once", b"first"), store.create("once", b"second")) == (True, False)
    assert store.read("once") == b"first"
    assert [one.query["ifGenerationMatch"] for one in server.asked("objects.insert")] == ["0", "0"]


@pytest.mark.parametrize("how", [429, 503, "drop before", "drop after"])
def test_a_create_that_was_tried_again_knows_its_own_object(cloud, how) -> None:
    server, _, store = cloud
    server.fail("objects.insert", how)
    assert store.create("once", b"first")
    assert not store.create("once", b"second")


@pytest.mark.parametrize("how", [401, 403])
def test_who_may_not_look_is_told_and_not_that_nothing_is_there(cloud, how) -> None:
    server, _, store = cloud
    for use in (lambda: store.exists("key"), lambda: store.read("key"), lambda: store.create("key", b"")):
        for operation in ("objects.get", "objects.list", "objects.insert"):
            server.fail(operation, how, times=1)
        with pytest.raises(Failed, match=r"store gs://bucket/store: cannot \w+( up)? key: "):
            use()


def test_what_the_client_gives_up_on_is_told_once_and_without_the_way_there(cloud, caplog) -> None:
    server, _, store = cloud
    server.fail("objects.insert", 409)
    with pytest.raises(Failed, match="cannot create key"):
        store.create("key", b"")
    assert caplog.records == []


def test_a_large_file_that_is_cut_on_its_way_arrives_whole(cloud, tmp_path: Path) -> None:
    _, service, store = cloud
    (tmp_path / "in").write_bytes(bytes(range(256)) * 40_000)
    service.stop_after = [1_000_000]
    digest = store.upload(tmp_path / "in", "big")
    assert not service.stop_after
    store.download("big", tmp_path / "out", digest)
