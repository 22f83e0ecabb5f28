"""A store on a fake Cloud Storage; what every store does is in ``test_store``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from google.auth.exceptions import DefaultCredentialsError

from components.core import store_clients
from components.core.errors import Failed, InvalidInput, Unreachable
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


async def _at_once(_: float) -> None:
    """Waits for nothing."""


def _no_login(**_: object) -> None:
    raise DefaultCredentialsError("Your default credentials were not found.")


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


@pytest.mark.parametrize("how", [429, 503])
def test_a_service_that_is_busy_for_a_while_is_outlived(cloud, monkeypatch, how) -> None:
    server, _, store = cloud
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", _at_once)
    for operation in ("objects.insert", "objects.get"):
        server.fail(operation, how, times=2, headers={"Retry-After": "1"})
    store.write("key", b"data")
    assert store.read("key") == b"data"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (401, "it is not known who asks: .*; log in again with `gcloud auth application-default login`"),
        (403, "not permitted: .*; have roles/storage.objectUser granted to this account on the bucket bucket; `sluice"),
        (409, "the service answered 409: .*; `sluice doctor` with this environment"),
    ],
)
def test_who_may_not_look_is_told_what_to_do_and_not_that_nothing_is_there(cloud, how, said) -> None:
    server, _, store = cloud
    for use in (
        lambda: store.exists("key"),
        lambda: store.size("key"),
        lambda: store.read("key"),
        lambda: store.create("key", b""),
    ):
        for operation in ("objects.get", "objects.list", "objects.insert"):
            server.fail(operation, how, times=1)
        with pytest.raises(Failed, match=rf"^store gs://bucket/store: cannot \w+( up)? key: {said}") as raised:
            use()
        assert "\n" not in str(raised.value)
        assert "http" not in str(raised.value)


@pytest.mark.parametrize(
    ("how", "said"), [(429, "too many requests: .*; run again in a minute"), (503, "a fault of its own .503.: ")]
)
def test_a_service_that_stays_busy_is_told(cloud, monkeypatch, how, said) -> None:
    server, _, store = cloud
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", _at_once)
    server.fail("objects.insert", how, times=6)
    with pytest.raises(Unreachable, match=rf"^store gs://bucket/store: cannot write key: .*{said}"):
        store.write("key", b"")
    assert len(server.asked("objects.insert")) == 6


@pytest.mark.parametrize(("reached", "waits"), [(False, 0), (True, 5)])
def test_a_network_that_is_away_is_told_soon_unless_it_was_there_before(cloud, monkeypatch, reached, waits) -> None:
    _, _, store = cloud
    monkeypatch.setitem(store_clients.REACHED, "gs", store_clients.Reach("gs"))
    monkeypatch.setattr(store_clients, "TELL_SECONDS", 0.0)
    tries: list[float] = []
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", lambda seconds: tries.append(seconds) or _at_once(seconds))
    if reached:
        store.write("key", b"")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(
        Unreachable, match=r"cannot write key: the service cannot be reached \(Connection refused\); see the network"
    ):
        store.write("key", b"")
    assert len(tries) == waits


def test_as_long_is_waited_as_the_service_asks_for_unless_it_is_too_long(cloud, monkeypatch) -> None:
    server, _, store = cloud
    waits: list[float] = []
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", lambda seconds: waits.append(seconds) or _at_once(seconds))
    for wanted in ("17", "3600", "tomorrow"):
        server.fail("objects.insert", 429, headers={"Retry-After": wanted})
    store.write("key", b"data")
    assert [seconds for seconds in waits if seconds == int(seconds)] == [17, 0, 0]


def test_a_long_wait_is_told_once_and_a_short_one_not(cloud, monkeypatch, capsys) -> None:
    server, _, store = cloud
    monkeypatch.setitem(store_clients.REACHED, "gs", store_clients.Reach("The store"))
    monkeypatch.setattr(store_clients, "TELL_SECONDS", 20.0)
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", _at_once)
    said = []
    for wanted in ("1", "30", "30"):
        server.fail("objects.insert", 429, times=2, headers={"Retry-After": wanted})
        store.write("key", b"data")
        said.append(capsys.readouterr().err)
    assert said == ["", "The store is busy (429); waiting\n", ""]


def test_many_short_waits_in_a_row_are_a_long_one(monkeypatch, capsys) -> None:
    clock = iter((1.0, 4.0, 7.0, 10.0, 13.0, 16.0))
    monkeypatch.setattr(store_clients, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    reach, said = store_clients.Reach("The store"), []
    for status in (503, 503, 200, 503, 503, 503, 503):
        reach.answered(status)
        said.append(capsys.readouterr().err)
    assert said == ["", "", "", "", "", "The store is busy (503); waiting\n", ""]


def test_without_a_login_nothing_is_asked_as_nobody(monkeypatch) -> None:
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("google.auth.default", _no_login)
    with pytest.raises(Failed, match=r"^store gs://bucket/s: cannot be opened: it is not known who asks: .*; log in"):
        Store("gs://bucket/s")


def test_a_bucket_that_is_not_there_is_not_told_as_an_object_that_is_gone(cloud) -> None:
    with pytest.raises(InvalidInput, match="there is no such bucket; create it"):
        Store("gs://nosuch/store").read("key")


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
