"""Clients that are slow, greedy, or no clients at all."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.serve.gateway.case import ENDPOINT, MANY, Case, error_code, running, wait_until

CHAT = "/v1/chat/completions"
HASTY = MANY.model_copy(update={"body_seconds": 0.5})


@contextmanager
def connected(case: Case) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", case.port), timeout=30) as connection:
        yield connection


def served(case: Case) -> int:
    """How many connections of clients the gateway, which is in this process, holds open."""
    found = psutil.Process().net_connections("tcp")
    return sum(one.laddr.port == case.port and one.status == psutil.CONN_ESTABLISHED for one in found)


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def told(connection: socket.socket) -> tuple[int, str]:
    """Status and code of the error after which the other side closes."""
    head, _, body = heard(connection).partition(b"\r\n\r\n")
    return int(head.split()[1]), error_code(json.loads(body))


def cut_off(connection: socket.socket, piece: bytes) -> bool:
    """Whether the other side stops taking it."""
    try:
        for _ in range(2000):
            connection.sendall(piece)
            time.sleep(0.01)
    except OSError:
        return True
    return False


def asked(case: Case, prompt: str = "hello", headers: str = "", **more: object) -> tuple[bytes, bytes]:
    """Head and body of a request."""
    body = json.dumps({"model": ENDPOINT, "messages": [{"role": "user", "content": prompt}], **more}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {case.key}\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode(), body


@pytest.mark.parametrize("piece", [1, 7])
def test_a_request_that_comes_in_pieces_is_answered(case: Case, piece: int) -> None:
    with connected(case) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b"".join(asked(case, headers="connection: close\r\n"))
        for start in range(0, len(data), piece):
            connection.sendall(data[start : start + piece])
            time.sleep(0.001)
        assert b"echo: hello" in heard(connection)


def test_two_requests_in_one_packet_are_each_answered(case: Case) -> None:
    with connected(case) as connection:
        first, last = asked(case, "one"), asked(case, "two", headers="connection: close\r\n")
        connection.sendall(b"".join(first + last))
        answers = heard(connection)
    assert answers.index(b"echo: one") < answers.index(b"echo: two")


@pytest.mark.parametrize(
    "data",
    [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nx\x00: y\r\n\r\n", b"GET / HTTP/9\r\n\r\n"],
)
def test_what_is_no_http_is_refused_in_the_same_shape(case: Case, data: bytes) -> None:
    with connected(case) as connection:
        connection.sendall(data)
        assert told(connection) == (400, "invalid_http")
    assert case.chat("hello").status == 200


def test_headers_without_an_end_are_refused(case: Case) -> None:
    with connected(case) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nx-long: " + b"x" * 70_000)
        assert told(connection) == (431, "headers_too_long")


def test_headers_below_the_limit_are_read(case: Case) -> None:
    assert case.ask("GET", "/healthz", headers={"x-long": "x" * 50_000}).status == 200


def test_headers_and_bodies_that_take_too_long_are_refused(tmp_path: Path) -> None:
    with running(tmp_path, HASTY) as case:
        with connected(case) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost:")
            assert told(connection) == (408, "headers_too_slow")
        head, body = asked(case)
        with connected(case) as connection:
            connection.sendall(head + body[:10])
            assert told(connection) == (408, "body_too_slow")
        with connected(case) as connection:
            assert heard(connection) == b""  # it said nothing at all
        assert case.journal.begun == []
        assert case.gateway.in_flight == 0


def test_a_connection_that_rests_between_two_requests_is_kept(tmp_path: Path) -> None:
    with running(tmp_path, HASTY) as case:
        connection = http.client.HTTPConnection("127.0.0.1", case.port, timeout=30)
        for _ in range(2):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            time.sleep(1)  # twice as long as a head may take
        assert connection.sock is not None
        connection.close()


def test_a_body_of_100_mb_is_refused_at_once_and_held_nowhere(case: Case) -> None:
    before = psutil.Process().memory_info().rss
    piece = os.urandom(1 << 20)
    with connected(case) as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {case.key}\r\n"
        connection.sendall(f"{head}content-length: {100 << 20}\r\n\r\n".encode())
        answer = connection.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 413 ")
        for _ in range(100):  # a client that reads last still hears it
            connection.sendall(piece)
    assert psutil.Process().memory_info().rss - before < 30 << 20
    assert case.chat("hello").status == 200


def test_a_body_in_chunks_is_refused_where_it_gets_too_long(case: Case) -> None:
    before = psutil.Process().memory_info().rss
    with connected(case) as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {case.key}\r\n"
        connection.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(1600):
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert psutil.Process().memory_info().rss - before < 30 << 20


def test_a_body_without_end_after_its_refusal_is_cut_off(tmp_path: Path) -> None:
    with running(tmp_path, HASTY) as case, connected(case) as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
        connection.sendall(f"{head}\r\n".encode())
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 401 ")
        assert cut_off(connection, b"4\r\nxxxx\r\n")


def test_a_client_that_does_not_read_its_stream_costs_little_and_is_cut_off(tmp_path: Path) -> None:
    limits = MANY.model_copy(update={"request_seconds": 2.0, "max_tokens": 200_000})
    with running(tmp_path, limits) as case, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", case.port))
        before = psutil.Process().memory_info().rss
        connection.sendall(b"".join(asked(case, "!long 200000", stream=True)))  # 30 MB of events
        row = case.wait_for_rows()[0]
        assert (row["status"], row["http_status"]) == ("cut", 504)
        assert len(row["response"]) < 900_000
        assert psutil.Process().memory_info().rss - before < 30 << 20


def test_an_upgrade_that_nobody_offers_is_no_upgrade(case: Case) -> None:
    headers = {"connection": "upgrade", "upgrade": "websocket"}
    assert case.ask("GET", "/healthz", headers=headers).status == 200


def test_clients_that_ask_on_and_read_nothing_do_not_keep_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.serve.gateway.call.SLOWEST_SECONDS", 0.3)
    with running(tmp_path, MANY.model_copy(update={"in_flight": 2, "max_tokens": 10**6})) as case:
        body = json.dumps(
            {"model": ENDPOINT, "messages": [{"role": "user", "content": "!long 200000 x"}], "max_tokens": 10**6}
        )
        head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {case.key}\r\n"
        chat = f"{head}content-length: {len(body)}\r\n\r\n{body}"
        with connected(case) as one, connected(case) as two:
            for connection in (one, two):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.send(chat.encode() * 20)
            wait_until(lambda: served(case) == case.gateway.in_flight == 0)
            assert case.chat("while they hang on").status == 200
        assert case.chat("hello").status == 200


def test_a_stream_whose_server_does_not_end_it_leaves_no_connection_behind(tmp_path: Path) -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    open_connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connection.recv(1 << 16)
                connection.sendall(head + b"%x\r\n%s\r\n" % (len(event), event))
                open_connections.append(connection)

        threading.Thread(target=serve, daemon=True).start()
        with running(tmp_path, upstream=f"http://127.0.0.1:{listening.getsockname()[1]}") as case:
            for _ in range(3):
                assert case.chat("hello", stream=True).status == 200
            closed = [connection for connection in open_connections[:2] if connection.recv(1) == b""]
            assert len(closed) == 2
        listening.shutdown(socket.SHUT_RDWR)


def begun(connection: socket.socket, until: bytes) -> bytes:
    """What comes, until that has come."""
    data = b""
    while until not in data:
        part = connection.recv(1 << 16)
        assert part, data
        data += part
    return data


def dechunked(data: bytes) -> tuple[bytes, bytes]:
    """A body in chunks, and what comes behind it."""
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body, data = body + data[:length], data[length:].removeprefix(b"\r\n")
        if not length:
            return body, data


BEHIND = {
    "garbage": (b"\x00\x01 GARBAGE\r\n\r\n", (400, "invalid_http")),
    "bad-target": (b"GET http://a:b/ HTTP/1.1\r\n\r\n", (400, "invalid_http")),
    "half-a-head": (b"GET /healthz HTTP/1.1\r\nhost:", (408, "headers_too_slow")),
    "long-head": (b"GET /healthz HTTP/1.1\r\nx: " + b"x" * 70_000, (431, "headers_too_long")),
    "bad-chunk": (b"POST /v1/feedback HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", (400, "invalid_http")),
}


@pytest.mark.parametrize("name", BEHIND)
def test_what_is_wrong_behind_a_stream_is_refused_after_the_stream_has_ended(tmp_path: Path, name: str) -> None:
    bytes_, refusal = BEHIND[name]
    with running(tmp_path, HASTY) as case, connected(case) as connection:
        connection.sendall(b"".join(asked(case, "!drip 0.3 a b c", stream=True)))
        start = begun(connection, b"data: ")
        connection.sendall(bytes_)
        if name != "half-a-head":
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")  # nothing more is believed
        head, _, rest = (start + heard(connection)).partition(b"\r\n\r\n")
        events, after = dechunked(rest)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"invalid_http" not in events
        assert events.endswith(b"data: [DONE]\n\n")
        told_head, _, told_body = after.partition(b"\r\n\r\n")
        assert (int(told_head.split()[1]), error_code(json.loads(told_body))) == refusal
        assert b"connection: close" in told_head
        (row,) = case.journal.rows
        assert (row["status"], row["response"], row["http_status"]) == ("answered", "echo: a b c", 200)


def test_garbage_behind_two_requests_is_refused_after_both_answers(case: Case) -> None:
    with connected(case) as connection:
        connection.sendall(b"".join(asked(case, "!slow 0.2 one") + asked(case, "two")) + b"\x00\x01 GARBAGE\r\n\r\n")
        answers = heard(connection)
    assert answers.index(b"echo: one") < answers.index(b"echo: two") < answers.index(b"invalid_http")
    assert [row["status"] for row in case.journal.rows] == ["answered"] * 2


def test_garbage_behind_the_last_request_of_a_connection_is_dropped(case: Case) -> None:
    with connected(case) as connection:
        connection.sendall(b"".join(asked(case, "!drip 0.1 a b", headers="connection: close\r\n", stream=True)))
        start = begun(connection, b"data: ")
        connection.sendall(b"\x00\x01 GARBAGE\r\n\r\n")
        events, after = dechunked((start + heard(connection)).partition(b"\r\n\r\n")[2])
    assert (events.endswith(b"data: [DONE]\n\n"), after) == (True, b"")
    assert [row["status"] for row in case.journal.rows] == ["answered"]


def test_a_client_that_leaves_after_its_garbage_cuts_its_stream(case: Case) -> None:
    with connected(case) as connection:
        connection.sendall(b"".join(asked(case, "!hang-mid-stream a b c d", stream=True)))
        begun(connection, b"data: ")
        connection.sendall(b"\x00\x01 GARBAGE\r\n\r\n")
    (row,) = case.wait_for_rows()
    assert (row["status"], row["http_status"]) == ("cut", 499)
    wait_until(lambda: case.gateway.in_flight == 0)


def test_garbage_in_a_body_that_was_refused_already_gets_no_second_answer(case: Case) -> None:
    with connected(case) as connection:
        connection.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        assert begun(connection, b"}}").startswith(b"HTTP/1.1 401 ")
        connection.sendall(b"xyz\r\n")
        assert heard(connection) == b""


@pytest.mark.parametrize("headers", ["", "connection: keep-alive\r\n", "expect: 100-continue\r\n"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_http_1_0_gets_an_answer_without_chunks_that_its_close_ends(
    case: Case, headers: str, stream: bool
) -> None:
    with connected(case) as connection:
        data = b"".join(asked(case, "a b c", headers=headers, stream=stream))
        connection.sendall(data.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1))
        head, _, body = heard(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert (b"content-length: %d" % len(body) in head) == (not stream)
    if stream:
        blocks = body.decode().split("\n\n")
        assert blocks[-2:] == ["data: [DONE]", ""]
        events = [json.loads(block.removeprefix("data: ")) for block in blocks[:-2]]
        assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events) == "echo: a b c"
    else:
        assert json.loads(body)["choices"][0]["message"]["content"] == "echo: a b c"
    assert [row["status"] for row in case.journal.rows] == ["answered"]


def test_a_client_of_http_1_0_that_asks_for_the_head_gets_the_head(case: Case) -> None:
    with connected(case) as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.0\r\n\r\n")
        head, _, body = heard(connection).partition(b"\r\n\r\n")
    assert (head.startswith(b"HTTP/1.1 200 "), body) == (True, b"")
