"""Why a connection broke, as each client of HTTP that is used here wraps it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import aiohttp
import pytest
import requests
import urllib3

from components.core.connections import why_broken

SECONDS = 0.2


def _requests(address: str) -> Any:
    return requests.get(address, timeout=SECONDS)


def _urllib3(address: str) -> Any:
    retries = urllib3.Retry(connect=1, read=0, other=0)
    return urllib3.PoolManager().request("GET", address, timeout=SECONDS, retries=retries)


def _aiohttp(address: str) -> Any:
    async def ask() -> None:
        limit = aiohttp.ClientTimeout(sock_read=SECONDS)
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(address):
            pass

    return asyncio.run(ask())


def _google(address: str) -> Any:
    from google.auth.transport.requests import Request

    return Request()(address, timeout=SECONDS)


def _kfp(address: str) -> Any:
    import kfp_server_api

    client = kfp_server_api.ApiClient(kfp_server_api.Configuration(host=address))
    return kfp_server_api.HealthzServiceApi(client).healthz_service_get_healthz(_request_timeout=(SECONDS, SECONDS))


def _botocore(address: str) -> Any:
    import botocore.session
    from botocore.config import Config

    times = Config(read_timeout=SECONDS, retries={"total_max_attempts": 1})
    login = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "eu-central-1"}
    client = botocore.session.get_session().create_client("s3", endpoint_url=address, config=times, **login)
    return client.list_buckets()


CLIENTS = [_requests, _urllib3, _aiohttp, _google, _kfp, _botocore]


@contextmanager
def taken(*, dropped: bool) -> Iterator[str]:
    """An address that takes connections and never answers; or closes each when something was said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drop() -> None:
            while True:
                try:
                    one, _ = listening.accept()
                except OSError:  # the end of the test
                    return
                with one:
                    one.recv(1)

        if dropped:
            Thread(target=drop, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def why(ask: Callable[[str], Any], address: str) -> str:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        ask(address)
    return why_broken(raised.value)


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_port_where_nobody_listens(ask: Callable[[str], Any]) -> None:
    assert why(ask, "http://127.0.0.1:1") == "Connection refused"


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_name_that_nobody_has(ask: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert why(ask, "http://nosuch.invalid") == "Name or service not known"


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_server_that_does_not_answer(ask: Callable[[str], Any]) -> None:
    with taken(dropped=False) as address:
        assert why(ask, address) == "no answer in time"


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_server_that_hangs_up(ask: Callable[[str], Any]) -> None:
    with taken(dropped=True) as address:
        assert why(ask, address) in (
            "Remote end closed connection without response",
            "Server disconnected",
            "Connection reset by peer",
        )


def test_what_is_no_connection_s_fault_keeps_its_words() -> None:
    assert why_broken(ValueError("one\n two.")) == "one two"
    assert why_broken(ValueError()) == "ValueError"
