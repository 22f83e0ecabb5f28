"""What a client may not do, and what may not pass to the model server."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from components.serve.api_keys import new_key, revoke_key
from components.serve.gateway.asked import DANGEROUS
from tests.serve.gateway.case import ENDPOINT, MANY, Case, running, wait_until

CHAT = "/v1/chat/completions"


def body(**more: Any) -> dict[str, Any]:
    return {"model": ENDPOINT, "messages": [{"role": "user", "content": "hello"}], **more}


def test_a_call_without_a_key_that_counts_is_refused_before_its_body_is_read(case: Case) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Basic abc"}, {"authorization": "Bearer sk-wrong"}):
        reply = case.ask("POST", CHAT, b"no json", headers=headers)
        assert (reply.status, reply.code) == (401, "invalid_api_key")
    assert case.journal.begun == []


def test_without_any_key_the_error_says_what_makes_one(case: Case) -> None:
    case.keys.unlink()
    wait_until(lambda: case.chat("hello").status == 401)
    reply = case.chat("hello")
    assert reply.code == "no_keys"
    assert "sluice api-keys new" in reply.json["error"]["message"]


def test_a_key_is_known_and_a_revoked_one_is_refused_without_a_restart(case: Case) -> None:
    assert case.ask("GET", "/v1/models").status == 200
    key = new_key(case.keys, "other")
    wait_until(lambda: case.ask("GET", "/v1/models", key=key).status == 200)
    revoke_key(case.keys, "other")
    wait_until(lambda: case.ask("GET", "/v1/models", key=key).status == 401)
    assert case.ask("GET", "/v1/models").status == 200


def test_a_file_of_keys_that_cannot_be_read_lets_nobody_in(case: Case) -> None:
    case.keys.write_text("{")
    wait_until(lambda: case.chat("hello").status == 401)
    assert "cannot be read" in case.chat("hello").json["error"]["message"]


def test_a_key_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    limits = MANY.model_copy(update={"per_minute": 1, "burst": 2})
    with running(tmp_path, limits) as case:
        assert [case.chat("hello").status for _ in range(2)] == [200, 200]
        reply = case.chat("hello")
        assert (reply.status, reply.code) == (429, "rate_limit_exceeded")
        assert 1 <= int(reply.headers["retry-after"]) <= 60
        other = new_key(case.keys, "other", per_minute=600)
        wait_until(lambda: case.ask("POST", CHAT, body(), key=other).status == 200)
        assert len(case.journal.rows) == 3


def test_a_body_above_the_limit_is_refused_and_one_at_it_is_not(tmp_path: Path) -> None:
    with running(tmp_path, MANY.model_copy(update={"body_bytes": 2000})) as case:
        for size, status in ((2000, 200), (2001, 413)):
            data = json.dumps(body()).encode()
            assert case.ask("POST", CHAT, data + b" " * (size - len(data))).status == status
        assert case.ask("POST", CHAT, b" " * 2001).code == "body_too_long"


def test_more_tokens_than_the_limit_are_refused_and_none_means_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, MANY.model_copy(update={"max_tokens": 5})) as case:
        for name in ("max_tokens", "max_completion_tokens"):
            assert case.ask("POST", CHAT, body(**{name: 5})).status == 200
            assert "max_tokens" not in case.stub.last["body"] or name == "max_tokens"
            reply = case.ask("POST", CHAT, body(**{name: 6}))
            assert (reply.status, reply.json["error"]["param"]) == (400, name)
        assert case.ask("POST", CHAT, body(max_tokens=None)).status == 200
        assert case.stub.last["body"]["max_tokens"] == 5
        assert case.chat("!long 9").json["choices"][0]["finish_reason"] == "length"


def test_more_requests_at_once_than_the_limit_are_refused(tmp_path: Path) -> None:
    with running(tmp_path, MANY.model_copy(update={"in_flight": 1})) as case:
        first = threading.Thread(target=case.chat, args=("!slow 1",))
        first.start()
        wait_until(lambda: case.gateway.in_flight == 1)
        reply = case.chat("hello")
        assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "overloaded", "1")
        first.join()
        assert case.chat("hello").status == 200


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_json_that_is_nested_too_deep_is_refused(case: Case, depth: int) -> None:
    nested = b'{"model":"helpdesk","messages":[{"role":"user","content":"x"}],"x":' + b"[" * depth + b"]" * depth + b"}"
    reply = case.ask("POST", CHAT, nested)
    assert (reply.status, reply.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"model": NaN}', b'{"seed": 1e999}', b'"\\ud800"', b"1" * 10_000],
)
def test_what_is_no_json_object_is_refused(case: Case, text: bytes) -> None:
    assert case.ask("POST", CHAT, text).status == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "0.5"), ("temperature", True), ("temperature", -1), ("top_p", 2), ("n", 2), ("seed", 2**63),
        ("max_tokens", 0), ("max_tokens", 1.5), ("max_tokens", True), ("stop", ["x"] * 17), ("stream", "yes"),
        ("messages", []), ("messages", "hello"), ("messages", [{"role": "king", "content": "x"}]), ("messages", [{}]),
        ("logit_bias", {"1": 101}), ("top_logprobs", 21), ("user", "x" * 513), ("metadata", {"a": 1}), ("model", None),
        ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]),
    ],
)  # fmt: skip
def test_a_value_that_may_not_be_is_refused_by_its_name(case: Case, field: str, value: Any) -> None:
    reply = case.ask("POST", CHAT, body(**{field: value}))
    assert (reply.status, reply.code) == (400, "invalid_value")
    assert reply.json["error"]["param"].startswith(field)
    assert case.journal.begun == []


@pytest.mark.parametrize("field", sorted(DANGEROUS))
def test_a_field_that_reaches_beyond_the_answer_is_refused(case: Case, field: str) -> None:
    reply = case.ask("POST", CHAT, body(**{field: "x"}))
    assert reply.status == 400
    assert field in reply.json["error"]["message"]


def test_other_fields_go_on_as_they_are_and_names_of_people_do_not(case: Case) -> None:
    more = {"top_k": 3, "response_format": {"type": "json_object"}, "seed": -(2**63), "temperature": 0}
    assert case.ask("POST", CHAT, body(user="anna", metadata={"conversation_id": "c1"}, **more)).status == 200
    sent = case.stub.last["body"]
    assert {name: sent[name] for name in more} == more
    assert (sent["model"], set(sent) & {"user", "metadata"}) == ("stub", set())


def test_text_in_parts_is_one_text_in_the_log(case: Case) -> None:
    parts = [{"type": "text", "text": "hello "}, {"type": "text", "text": "there"}]
    assert case.ask("POST", CHAT, body(messages=[{"role": "user", "content": parts}])).status == 200
    assert case.journal.rows[0]["messages"] == [{"role": "user", "content": "hello there"}]


def test_an_unknown_route_and_a_wrong_method_are_errors_in_the_same_shape(case: Case) -> None:
    assert [case.ask("GET", path).code for path in ("/", "/v2", "/v1/models/")] == [
        "unknown_route",
        "unknown_route",
        "model_not_found",
    ]
    reply = case.ask("GET", CHAT)
    assert (reply.status, reply.code, reply.headers["allow"]) == (405, "method_not_allowed", "POST")


def test_what_still_comes_to_a_gateway_that_ends_is_answered_and_its_connection_closed(case: Case) -> None:
    assert "connection" not in case.chat("before").headers
    case.gateway.draining = True
    reply = case.chat("hello")
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert case.ask("GET", "/readyz").code == "draining"
    assert case.ask("GET", "/healthz").json["draining"] is True


def test_a_gateway_is_ready_once_its_server_has_answered(case: Case) -> None:
    assert case.ask("GET", "/readyz").status == 200
    assert case.stub.last["body"]["max_tokens"] == 1
    for _ in range(3):
        assert case.ask("GET", "/readyz").status == 200
    assert sum(case.stub.counts.values()) == 1
    assert case.journal.rows == []


def test_readiness_is_tried_anew_after_a_server_failed(case: Case) -> None:
    assert case.ask("GET", "/readyz").status == 200
    case.chat("!garbage")
    assert case.ask("GET", "/readyz").status == 200
    case.chat("!status 400")
    assert case.ask("GET", "/readyz").status == 200
    assert case.stub.counts["Hello"] == 2


def test_a_gateway_without_a_server_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path, upstream="http://127.0.0.1:9") as case:
        assert (case.ask("GET", "/readyz").status, case.ask("GET", "/healthz").status) == (503, 200)


def test_prometheus_reads_what_was_done(case: Case) -> None:
    case.chat("hello there")
    case.chat("!garbage")
    case.chat("!close-mid-stream a b c", stream=True)
    case.ask("GET", "/v1/models", key="sk-wrong")
    text = case.ask("GET", "/metrics").body.decode()
    for line in (
        'sluice_requests_total{route="/v1/chat/completions",status="200"} 1.0',
        'sluice_requests_total{route="/v1/chat/completions",status="502"} 1.0',
        'sluice_requests_total{route="/v1/models",status="401"} 1.0',
        'sluice_requests_total{route="/v1/chat/completions",status="cut"} 1.0',
        'sluice_tokens_total{kind="completion"} 3.0',
        'sluice_request_seconds_count{route="/v1/chat/completions"} 3.0',
        "sluice_in_flight 0.0",
    ):
        assert line in text.splitlines()


def test_an_answer_that_takes_too_long_is_an_error_and_logged_as_failed(tmp_path: Path) -> None:
    with running(tmp_path, MANY.model_copy(update={"request_seconds": 0.5})) as case:
        began = time.monotonic()
        reply = case.chat("!hang")
        assert (reply.status, reply.code) == (504, "timeout")
        assert time.monotonic() - began >= 0.5
        row = case.journal.rows[0]
        assert (row["status"], row["http_status"]) == ("failed", 504)


COMPLETIONS = "/v1/completions"


@pytest.mark.parametrize("messages", [None, 5, "x", True, ["a"], [None], {"a": 1}, [{"a": "b"}]])
def test_what_belongs_to_the_other_route_is_refused(case: Case, messages: Any) -> None:
    asked = json.dumps({"model": ENDPOINT, "prompt": "hi", "messages": messages}).encode()
    assert case.ask("POST", COMPLETIONS, asked).status == 400
    assert case.ask("POST", CHAT, json.dumps(body(prompt="hi")).encode()).status == 400
    assert case.journal.begun == []


@pytest.mark.parametrize("tokens", [999_999, "999999", 1e9, None])
def test_no_other_name_of_a_limit_gets_round_it(case: Case, tokens: Any) -> None:
    asked = {"model": ENDPOINT, "prompt": "hi", "max_completion_tokens": tokens}
    assert case.ask("POST", COMPLETIONS, json.dumps(asked).encode()).status == 400


@pytest.mark.parametrize("number", [b"1e999", b"-1e999"])
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_number_beyond_all_numbers_is_refused(case: Case, path: str, number: bytes) -> None:
    given = body() if path == CHAT else {"model": ENDPOINT, "prompt": "hi"}
    asked = json.dumps({**given, "x": 0}).encode().replace(b'"x": 0', b'"x": ' + number)
    assert case.ask("POST", path, asked).status == 400


def test_an_attempt_that_no_router_counts_is_the_first(case: Case) -> None:
    asked = json.dumps(body()).encode()
    assert case.ask("POST", CHAT, asked, headers={"x-envoy-attempt-count": "9" * 5000}).status == 200
    assert case.journal.begun[-1]["attempt"] == 1
