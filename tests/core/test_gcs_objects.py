"""An object in Cloud Storage that several change, when the service refuses, is busy, or is away; its changes are tested
where trust roots and endpoints' states are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.core import gcs_objects
from components.core.errors import Failed
from components.core.gcs_objects import GcsObjects
from tests.contract.google.server import Server
from tests.contract.google.storage import Storage


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(gcs_objects, "WAIT_SECONDS", 0.3)
    monkeypatch.setattr(gcs_objects, "FIRST_SECONDS", 0.1)
    with Server(Storage("bucket")).running() as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.address)
        yield running


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (403, "Forbidden: the fake was told to say so: give this account roles/storage.objectUser on the bucket"),
        (429, "Too Many Requests: the fake was told to say so: the bucket is changed too often: run again"),
        (503, "Service Unavailable: the fake was told to say so; whether a change was made is not known: see that"),
        ("drop before", "Remote end closed connection without response; whether a change was made is not known: "),
    ],
)
def test_what_lasts_is_told_in_the_service_s_own_words(server: Server, how: int | str, said: str) -> None:
    server.fail("objects.get", how, times=100)
    with pytest.raises(Failed, match=f"^here: {said}") as raised:
        GcsObjects("bucket", "here", "trust").read("x")
    assert "127.0.0.1" not in str(raised.value)


def test_a_network_that_is_away_is_told_by_why(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(Failed, match=r"^here: Connection refused; whether a change was made is not known: see that"):
        GcsObjects("bucket", "here", "trust").read("x")
