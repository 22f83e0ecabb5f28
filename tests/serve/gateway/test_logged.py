"""What the request log gets, and when; and what people say afterwards."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from components.core.columns import FEEDBACK, REQUESTS
from components.core.errors import Failed, InvalidInput
from components.core.request_log import Table
from components.serve.api_keys import new_key
from components.serve.log.segment import check
from tests.serve.gateway.case import ENDPOINT, MANY, MODEL, Case, FakeJournal, error_code, running, wait_until


def test_a_row_says_all_of_a_request(case: Case) -> None:
    case.chat("hello there", user="anna", temperature=0.5, metadata={"conversation_id": "c1"})
    (row,) = case.journal.rows
    assert list(row) == list(REQUESTS)
    check(row, Table.REQUESTS)
    expected = {
        "attempt": 1, "conversation_id": "c1", "key": "app", "endpoint": ENDPOINT, "model": MODEL, "kind": "chat",
        "messages": [{"role": "user", "content": "hello there"}], "response": "echo: hello there",
        "status": "answered", "http_status": 200, "error": None, "finish_reason": "stop", "prompt_tokens": 2,
        "completion_tokens": 3, "sampling_probability": 1.0, "mirrored": False, "features": "{}",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["parameters"]) == {"temperature": 0.5, "metadata": {"conversation_id": "c1"}}
    assert row["started"] < row["ended"]
    assert row["latency_ms"] > 0
    assert "anna" not in json.dumps(row)


def test_a_row_of_a_stream_says_when_its_first_word_came_and_its_tokens(case: Case) -> None:
    case.chat("!drip 0.05 a b", stream=True)
    (row,) = case.journal.rows
    check(row, Table.REQUESTS)
    assert 50 <= row["first_token_ms"] < row["latency_ms"]
    assert (row["response"], row["completion_tokens"], row["finish_reason"]) == ("echo: a b", 3, "stop")


def test_a_request_is_noted_before_the_model_is_asked(case: Case) -> None:
    case.chat("!garbage")
    (begun,) = case.journal.begun
    check(begun, Table.REQUESTS)
    assert (begun["status"], begun["response"], begun["request_id"]) == (
        "lost",
        None,
        case.journal.rows[0]["request_id"],
    )


def test_users_are_told_apart_without_their_names(case: Case) -> None:
    for user in ("anna", "ben", "anna", None):
        case.chat("hello", user=user)
    units = [row["unit"] for row in case.journal.rows]
    assert units[0] == units[2]
    assert len(set(units)) == 3
    assert all(len(unit) == 32 for unit in units)


@pytest.mark.parametrize("stream", [False, True])
def test_the_last_byte_is_sent_after_the_log_has_the_row(case: Case, stream: bool) -> None:
    seen: list[bytes] = []
    connection = socket.create_connection(("127.0.0.1", case.port), timeout=20)
    connection.setblocking(False)

    def look() -> None:
        try:
            seen.append(connection.recv(1 << 20))
        except BlockingIOError:
            seen.append(b"")

    case.journal.before_finish = look
    messages = [{"role": "user", "content": "hello there"}]
    data = json.dumps({"model": ENDPOINT, "messages": messages, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {case.key}\r\n"
    connection.sendall(head.encode() + f"content-length: {len(data)}\r\n\r\n".encode() + data)
    wait_until(lambda: len(case.journal.rows) == 1)
    assert b"[DONE]" not in seen[0]
    assert seen[0] == b"" or stream
    connection.settimeout(20)
    rest = connection.recv(1 << 20)
    connection.close()
    assert b"[DONE]" in rest if stream else b"echo: hello there" in rest


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_logged_ends_in_an_error(case: Case, stream: bool) -> None:
    case.journal.before_finish = lambda: setattr(case.journal, "broken", True)
    reply = case.chat("hello", stream=stream)
    if stream:
        assert (reply.events[-1]["error"]["code"], "[DONE]" in reply.events) == ("log_failed", False)
    else:
        assert (reply.status, reply.code) == (503, "log_failed")
        assert b"echo" not in reply.body


@pytest.mark.parametrize("error", [Failed("the disk is full"), InvalidInput("no such column"), ValueError("a fault")])
def test_whatever_kept_an_answer_from_the_log_its_client_gets_none_and_it_is_counted(
    case: Case, error: Exception
) -> None:
    def fail() -> None:
        raise error

    case.journal.before_finish = fail
    assert case.chat("hello").code == "log_failed"
    assert case.chat("hello", stream=True).events[-1]["error"]["code"] == "log_failed"
    assert case.gateway.in_flight == 0
    assert case.gateway.metrics.registry.get_sample_value("sluice_log_refusals_total") == 2


def test_a_full_log_refuses_requests_before_the_model_is_asked(case: Case) -> None:
    case.journal.has_room = False
    reply = case.chat("hello")
    assert (reply.status, reply.code) == (503, "log_full")
    assert case.stub.counts == {}
    assert case.ask("POST", "/v1/feedback", {"request_id": given_out(case), "good": True}).status == 503
    case.journal.has_room, case.journal.broken = True, True
    assert case.chat("hello").code == "log_full"
    assert case.stub.counts == {}
    assert case.gateway.metrics.registry.get_sample_value("sluice_log_refusals_total") == 3


def test_the_routers_id_and_attempt_are_kept(case: Case) -> None:
    number = uuid.uuid4()
    headers = {"x-request-id": str(number), "x-envoy-attempt-count": "3", "host": "helpdesk-shadow:80"}
    messages = [{"role": "user", "content": "hello"}]
    reply = case.ask("POST", "/v1/chat/completions", {"model": ENDPOINT, "messages": messages}, headers=headers)
    row = case.journal.rows[0]
    assert row["request_id"].startswith(f"{number.hex}-")
    assert reply.headers["x-request-id"] == row["request_id"]
    assert (row["attempt"], row["mirrored"]) == (3, True)


def test_an_id_that_is_being_answered_is_not_given_out_again(case: Case) -> None:
    headers = {"x-request-id": str(uuid.uuid4())}
    slow = {"model": ENDPOINT, "messages": [{"role": "user", "content": "!slow 1"}]}
    first = threading.Thread(target=case.ask, args=("POST", "/v1/chat/completions", slow), kwargs={"headers": headers})
    first.start()
    wait_until(lambda: len(case.journal.begun) == 1)
    reply = case.ask("POST", "/v1/chat/completions", slow, headers=headers)
    assert (reply.status, reply.code) == (409, "request_id_in_use")
    first.join()
    assert [row["status"] for row in case.journal.rows] == ["answered"]


@pytest.mark.parametrize("name", ["x", "a" * 36, "0" * 31, "\u00e9" * 32])
def test_an_id_that_is_no_uuid_is_replaced(case: Case, name: str) -> None:
    messages = [{"role": "user", "content": "hello"}]
    headers = {"x-request-id": name, "x-envoy-attempt-count": "many"}
    case.ask("POST", "/v1/chat/completions", {"model": ENDPOINT, "messages": messages}, headers=headers)
    row = case.journal.rows[0]
    assert uuid.UUID(row["request_id"][:32])
    assert row["attempt"] == 1


def given_out(case: Case) -> str:
    """An id of a gateway of this endpoint."""
    return case.gateway.identity.request_id("")


def word(case: Case, **said: Any) -> int:
    return case.ask("POST", "/v1/feedback", said).status


def test_a_persons_word_is_logged(case: Case) -> None:
    answer = case.chat("hello", user="anna").json
    request_id = case.journal.rows[0]["request_id"]
    assert word(case, request_id=answer["id"], good=False, correction="card", comment="no", user="ben") == 200
    (row,) = case.journal.words
    assert set(row) == set(FEEDBACK)
    check(row, Table.FEEDBACK)
    expected = {"request_id": request_id, "key": "app", "role": "user", "endpoint": ENDPOINT, "good": False}
    assert {name: row[name] for name in expected} == expected
    assert (row["correction"], row["comment"]) == ("card", "no")
    assert row["unit"] not in (case.journal.rows[0]["unit"], "ben")


def test_an_id_is_known_with_and_without_openais_prefix(case: Case) -> None:
    name = given_out(case)
    assert [word(case, request_id=given, good=True) for given in (name, f"chatcmpl-{name}", f"cmpl-{name}")] == [
        200
    ] * 3
    assert {row["request_id"] for row in case.journal.words} == {name}


def test_the_same_word_twice_and_a_contradicting_one_are_all_kept(case: Case) -> None:
    name = given_out(case)
    assert [word(case, request_id=name, good=good) for good in (True, True, False)] == [200] * 3
    assert [row["good"] for row in case.journal.words] == [True, True, False]


def test_a_word_on_a_request_that_nobody_was_given_is_refused(case: Case) -> None:
    name = given_out(case)
    other = f"{uuid.uuid4().hex}-{name[-16:]}"
    for unknown in ("", "x", other, name[:-1], name + "0", name.upper(), "\u00e9", f"x{name}"):
        assert word(case, request_id=unknown, good=True) == 404
    assert case.journal.words == []


def test_a_word_that_says_nothing_or_more_than_it_may_is_refused(case: Case) -> None:
    name = given_out(case)
    for said in ({}, {"good": None}, {"good": "yes"}, {"good": True, "role": "trusted"}, {"comment": 1}):
        assert word(case, request_id=name, **said) == 400
    assert case.journal.words == []


def test_a_trusted_key_makes_a_trusted_word(case: Case) -> None:
    key = new_key(case.keys, "desk", trusted=True)
    said = {"request_id": given_out(case), "correction": "card"}
    wait_until(lambda: case.ask("POST", "/v1/feedback", said, key=key).status == 200)
    assert case.journal.words[-1]["role"] == "trusted"


def test_a_word_that_cannot_be_logged_is_not_taken(case: Case) -> None:
    case.journal.broken = True
    assert word(case, request_id=given_out(case), good=True) == 503


@pytest.mark.parametrize("stream", [False, True])
def test_time_that_redacting_takes_counts_and_what_is_not_redacted_is_left_out(tmp_path: Path, stream: bool) -> None:
    journal = FakeJournal(redacting=60)
    with running(tmp_path, MANY.model_copy(update={"request_seconds": 0.2}), journal=journal) as case:
        reply = case.chat("hello there", stream=stream)
        error = reply.events[-1] if stream else reply.json
        assert (error_code(error), reply.status) == ("timeout", 200 if stream else 504)
        (row,) = journal.rows
        assert (row["status"], row["http_status"]) == ("cut" if stream else "failed", 504)
        assert {row[name] for name in ("messages", "parameters", "response", "conversation_id")} == {None}
        assert "send less" in row["error"]
        assert case.gateway.in_flight == 0
        word = case.ask("POST", "/v1/feedback", {"request_id": reply.headers["x-request-id"], "comment": "good"})
        assert (word.status, word.code, journal.words) == (504, "timeout", [])
