"""A model server that fails in all the ways that it can."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from components.serve.processes import free_port
from tests.serve.gateway.case import ENDPOINT, MANY, Case, running

CHAT = "/v1/chat/completions"


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Case]:
    """A gateway that waits for an answer no longer than a second."""
    with running(tmp_path, MANY.model_copy(update={"request_seconds": 1.0})) as case:
        yield case


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prompt", ["!garbage", "!wrong", "!not-http"])
def test_garbage_is_an_error_of_the_server_and_is_not_asked_again(case: Case, prompt: str, stream: bool) -> None:
    reply = case.chat(f"{prompt} x", stream=stream)
    if reply.status == 200:  # the garbage came after good events
        assert (reply.events[-1]["error"]["code"], "[DONE]" in reply.events) == ("upstream_garbage", False)
    else:
        assert (reply.status, reply.code) == (502, "upstream_garbage")
    row = case.journal.rows[0]
    assert (row["status"], row["http_status"]) == ("cut" if reply.status == 200 else "failed", 502)
    assert case.stub.counts[f"{prompt} x"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_that_closes_before_the_first_byte_is_tried_again(case: Case, stream: bool) -> None:
    reply = case.chat("!close-once hello", stream=stream)
    assert (reply.status, case.stub.counts["!close-once hello"]) == (200, 2)
    assert [row["status"] for row in case.journal.rows] == ["answered"]
    assert case.gateway.metrics.registry.get_sample_value("sluice_upstream_retries_total") == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_servers_close_on_is_asked_three_times_and_no_more(case: Case, stream: bool) -> None:
    """It would take down each server that is started again, and with it the others' answers."""
    reply = case.chat("!close", stream=stream)
    assert (reply.status, reply.code) == (502, "upstream_closed")
    assert case.stub.counts["!close"] == 3
    row = case.journal.rows[0]
    assert (row["status"], "closed" in row["error"]) == ("failed", True)


def test_a_request_outlives_two_servers_that_close_on_it(tmp_path: Path) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.read())
        if len(asked) < 3:
            assert request.transport
            request.transport.abort()
        return web.json_response({"choices": [{"index": 0, "message": {"content": "here"}}]})

    with served(answer) as upstream, running(tmp_path, upstream=upstream) as case:
        assert (case.chat("hello").status, len(asked)) == (200, 3)


def test_a_server_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path / "a") as server:
        address = server.gateway.config.upstream
    limits = MANY.model_copy(update={"request_seconds": 0.5})
    with running(tmp_path / "b", limits, upstream=address) as case:
        assert case.chat("hello").code == "upstream_away"


def test_a_body_that_breaks_off_is_not_asked_for_again_and_is_logged_as_cut(case: Case) -> None:
    reply = case.chat("!close-mid-stream hello")
    assert (reply.status, reply.code) == (502, "upstream_cut")
    assert case.stub.counts["!close-mid-stream hello"] == 1
    assert (case.journal.rows[0]["status"], case.journal.rows[0]["http_status"]) == ("cut", 502)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"])
def test_an_answer_whose_first_byte_came_is_not_asked_for_again(tmp_path: Path, begun: bytes, stream: bool) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.read())
        assert request.transport
        request.transport.write(begun)
        request.transport.close()
        raise asyncio.CancelledError

    with served(answer) as upstream, running(tmp_path, upstream=upstream) as case:
        reply = case.chat("hello", stream=stream)
        assert (reply.status, reply.code, len(asked)) == (502, "upstream_cut", 1)
        assert case.journal.rows[0]["status"] == "cut"


def test_a_stream_that_closes_in_the_middle_ends_in_an_error_and_is_logged_as_cut(case: Case) -> None:
    reply = case.chat("!close-mid-stream a b c d", stream=True)
    *pieces, last = reply.events
    assert "".join(piece["choices"][0]["delta"]["content"] for piece in pieces) == "echo: a"
    assert last["error"]["code"] == "upstream_cut"
    row = case.journal.rows[0]
    assert (row["status"], row["http_status"], row["response"]) == ("cut", 502, "echo: a")
    assert case.stub.counts["!close-mid-stream a b c d"] == 1


def test_a_stream_that_hangs_in_the_middle_ends_in_an_error(hasty: Case) -> None:
    *_, last = hasty.chat("!hang-mid-stream a b c d", stream=True).events
    assert last["error"]["code"] == "timeout"
    assert (hasty.journal.rows[0]["status"], hasty.journal.rows[0]["response"]) == ("cut", "echo: a")


def test_an_error_within_a_stream_is_passed_on_as_one(case: Case) -> None:
    *_, last = case.chat("!error-mid-stream a b c d", stream=True).events
    assert last["error"]["type"] == "server_error"
    assert case.journal.rows[0]["status"] == "cut"


def test_a_stream_may_end_without_its_mark_once_it_said_why_it_ends(case: Case) -> None:
    assert case.chat("!no-done hello", stream=True).events[-1] == "[DONE]"
    assert case.journal.rows[0]["status"] == "answered"


@pytest.mark.parametrize(
    ("status", "told"), [(400, 400), (404, 400), (422, 400), (429, 429), (301, 502), (500, 502), (503, 503), (504, 504)]
)
@pytest.mark.parametrize("stream", [False, True])
def test_another_status_is_passed_on_in_its_class(case: Case, status: int, told: int, stream: bool) -> None:
    reply = case.chat(f"!status {status}", stream=stream)
    assert reply.status == told
    assert f"told to answer {status}" in reply.json["error"]["message"]
    assert (case.journal.rows[0]["status"], case.journal.rows[0]["http_status"]) == ("failed", told)


def test_an_answer_without_words_is_an_answer(case: Case) -> None:
    assert case.chat("!null").status == 200
    assert (case.journal.rows[0]["status"], case.journal.rows[0]["response"]) == ("answered", "")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_is_logged_as_cut_and_holds_no_place(case: Case, stream: bool) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", case.port, timeout=30)
    asked = {
        "model": ENDPOINT,
        "messages": [{"role": "user", "content": "!drip 0.2 a b c d e f g h"}],
        "stream": stream,
    }
    connection.request("POST", CHAT, json.dumps(asked), {"authorization": f"Bearer {case.key}"})
    if stream:
        connection.getresponse().read(50)
    connection.close()
    row = case.wait_for_rows()[0]
    assert (row["status"], row["http_status"], row["error"]) == ("cut", 499, "the client left")
    assert case.gateway.in_flight == 0


def test_many_at_once_are_each_answered_once(case: Case) -> None:
    prompts = [f"!close-once {number}" if number % 3 else f"plain {number}" for number in range(60)]
    said: dict[str, str] = {}

    def ask(prompt: str) -> None:
        said[prompt] = case.chat(prompt).json["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=ask, args=(prompt,)) for prompt in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {prompt: f"echo: {prompt.removeprefix('!close-once ')}" for prompt in prompts}
    assert sorted(row["messages"][0]["content"] for row in case.journal.rows) == sorted(prompts)


@pytest.mark.parametrize("stream", [False, True])
def test_a_number_that_no_log_could_hold_is_garbage_and_its_request_ends(tmp_path: Path, stream: bool) -> None:
    part = '{"tool_calls": [{"index": 0, "n": 1e999}]}'
    choice = f'{{"choices": [{{"index": 0, "{"delta" if stream else "message"}": {part}}}]}}'

    async def answer(_: web.Request) -> web.Response:
        if stream:
            return web.Response(body=f"data: {choice}\n\n", content_type="text/event-stream")
        return web.Response(body=choice, content_type="application/json")

    with served(answer) as upstream, running(tmp_path, upstream=upstream) as case:
        reply = case.chat("hello", stream=stream)
        assert (reply.status, reply.code) == (502, "upstream_garbage")
        assert [(row["status"], row["http_status"]) for row in case.journal.rows] == [("failed", 502)]
        assert case.gateway.in_flight == 0


@contextmanager
def served(answer: Callable[[web.Request], Awaitable[web.Response]]) -> Iterator[str]:
    """The address of a model server that answers everything so."""
    loop, port = asyncio.new_event_loop(), free_port()

    async def start() -> web.AppRunner:
        application = web.Application()
        application.router.add_post("/{path:.*}", answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
