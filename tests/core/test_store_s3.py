"""A store on an S3 that refuses, is busy, or is away; what every store does is in ``test_store``, on moto."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import fsspec
import pytest
from aiohttp import web

from components.core import store_clients
from components.core.errors import Failed, InvalidInput, Unreachable
from components.core.store import Store
from tests.contract.loopback import Loopback

CODES = {403: "AccessDenied", 404: "NoSuchBucket", 429: "TooManyRequests", 503: "SlowDown"}


class Objects(Loopback):
    """Keeps and gives objects, by path, unless it is told to fail; moto cannot be told to."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []

    async def answer(self, came: web.Request) -> web.StreamResponse:
        """One object, or S3's document about an error."""
        data = await came.read()
        self.asked.append(came.method)
        fault = self.fault_of(came.method)
        if fault:
            assert isinstance(fault.how, int)
            return _refusal(fault.how, fault.message or CODES[fault.how], fault.headers)
        if came.method == "PUT":
            self.objects[came.path] = data
        if came.path not in self.objects:
            return _refusal(404, "NoSuchKey")
        etag = hashlib.md5(self.objects[came.path], usedforsecurity=False).hexdigest()
        body = b"" if came.method == "PUT" else self.objects[came.path]  # a body after PUT counts as an error
        return web.Response(body=body, headers={"ETag": f'"{etag}"'})


def _refusal(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    text = f"<Error><Code>{code}</Code><Message>The fake says {code}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)


async def _at_once() -> None:
    """Waits for nothing."""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Objects, Store]]:
    with Objects().running() as server:
        _point_to(server.address, monkeypatch)
        yield server, Store("s3://bucket/store")


def _point_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize("how", [429, 503])
def test_a_service_that_is_busy_for_a_while_is_outlived(cloud, how) -> None:
    server, store = cloud
    for method in ("PUT", "GET"):
        server.fail(method, how, times=2, headers={"Retry-After": "0"})
    store.write("key", b"data")
    assert store.read("key") == b"data"
    assert server.asked.count("PUT") == 3


def test_as_long_is_waited_as_the_service_asks_for_and_six_times_at_most(cloud, monkeypatch, capsys) -> None:
    server, store = cloud
    monkeypatch.setitem(store_clients.REACHED, "s3", store_clients.Reach("The store"))
    waits: list[float] = []
    monkeypatch.setattr("aiobotocore.endpoint.asyncio.sleep", lambda seconds: waits.append(seconds) or _at_once())
    server.fail("PUT", 429, times=6, headers={"Retry-After": "17"})
    with pytest.raises(Unreachable, match=r"cannot write key: too many requests: .*; run again in a minute"):
        store.write("key", b"")
    assert (waits, server.asked.count("PUT")) == ([17] * 5, 6)
    assert capsys.readouterr().err == "The store is busy (429); waiting\n"


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (403, "AccessDenied", "not permitted: .*; have s3:ListBucket, s3:GetObject.* on the bucket bucket; `sluice do"),
        (403, "InvalidAccessKeyId", "it is not known who asks: The fake says .*; log in again with `aws configure`"),
        (400, "ExpiredToken", "it is not known who asks: The fake says ExpiredToken; log in again"),
        (
            400,
            "InvalidRequest",
            "the service answered 400: The fake says InvalidRequest; `sluice doctor` with this env",
        ),
    ],
)
def test_a_refusal_is_one_sentence_with_what_to_do(cloud, how, code, said) -> None:
    server, store = cloud
    server.fail("GET", how, message=code)
    server.fail("PUT", how, message=code)
    for use in (lambda: store.read("key"), lambda: store.write("key", b"")):
        with pytest.raises(Failed, match=rf"^store s3://bucket/store: cannot \w+ key: {said}") as raised:
            use()
        assert "\n" not in str(raised.value)


def test_a_bucket_that_is_not_there_is_not_told_as_an_object_that_is_gone(cloud) -> None:
    server, store = cloud
    server.fail("GET", 404, times=3)
    server.fail("HEAD", 404, times=3)
    with pytest.raises(InvalidInput, match="there is no such bucket; create it"):
        store.read("key")


@pytest.mark.parametrize(("reached", "waits"), [(False, 0), (True, 5)])
def test_a_network_that_is_away_is_told_soon_unless_it_was_there_before(monkeypatch, reached, waits) -> None:
    _point_to("http://127.0.0.1:1", monkeypatch)
    monkeypatch.setitem(store_clients.REACHED, "s3", store_clients.Reach("s3"))
    monkeypatch.setattr(store_clients, "TELL_SECONDS", 0.0)
    tries: list[float] = []
    monkeypatch.setattr("aiobotocore.endpoint.asyncio.sleep", lambda seconds: tries.append(seconds) or _at_once())
    if reached:
        store_clients.REACHED["s3"].answered(200)
    with pytest.raises(
        Unreachable, match=r"cannot write key: the service cannot be reached \(Connection refused\); see the network"
    ):
        Store("s3://bucket/store").write("key", b"")
    assert len(tries) == waits
