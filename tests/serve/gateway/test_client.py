"""With the `openai` client, as anybody would use it."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.serve.gateway.case import ENDPOINT, MODEL, Case

ASKED = [{"role": "user", "content": "hello there"}]


@pytest.fixture
def client(case: Case) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{case.address}/v1", api_key=case.key, max_retries=0) as client:
        yield client


def test_a_conversation_is_answered_under_the_endpoints_name(case: Case, client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=ENDPOINT, messages=ASKED)
    assert (answer.choices[0].message.content, answer.model) == ("echo: hello there", ENDPOINT)
    assert answer.usage
    assert answer.usage.total_tokens == 5
    assert answer.id == f"chatcmpl-{case.journal.rows[0]['request_id']}"


def test_a_text_is_gone_on_with(case: Case, client: openai.OpenAI) -> None:
    answer = client.completions.create(model=ENDPOINT, prompt="once upon", max_tokens=2)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("echo: once", "length")
    assert answer.id == f"cmpl-{case.journal.rows[0]['request_id']}"


def test_the_headers_say_which_request_and_which_model_it_was(case: Case, client: openai.OpenAI) -> None:
    answer = client.chat.completions.with_raw_response.create(model=ENDPOINT, messages=ASKED)
    assert answer.headers["x-request-id"] == case.journal.rows[0]["request_id"]
    assert answer.headers["x-sluice-model"] == MODEL


def test_a_stream_comes_in_pieces_and_ends(client: openai.OpenAI) -> None:
    pieces = list(client.chat.completions.create(model=ENDPOINT, messages=ASKED, stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "echo: hello there"
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert {piece.model for piece in pieces} == {ENDPOINT}
    assert all(piece.usage is None for piece in pieces)


def test_a_stream_says_its_tokens_to_who_asks(client: openai.OpenAI) -> None:
    asked = {"include_usage": True}
    *pieces, last = client.completions.create(model=ENDPOINT, prompt="once upon", stream=True, stream_options=asked)
    assert "".join(piece.choices[0].text for piece in pieces) == "echo: once upon"
    assert last.usage
    assert last.usage.completion_tokens == 3


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [ENDPOINT]
    assert client.models.retrieve(ENDPOINT).id == ENDPOINT
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        client.models.retrieve("gpt")


def test_errors_become_the_clients_own(case: Case, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no model 'gpt' here"):
        client.chat.completions.create(model="gpt", messages=ASKED)
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.chat.completions.create(model=ENDPOINT, messages=ASKED, temperature=9)
    with pytest.raises(openai.AuthenticationError, match="api-keys new"):
        client.with_options(api_key="sk-wrong").chat.completions.create(model=ENDPOINT, messages=ASKED)
    with pytest.raises(openai.InternalServerError, match="no JSON"):
        client.chat.completions.create(model=ENDPOINT, messages=[{"role": "user", "content": "!garbage"}])


def test_a_stream_that_breaks_is_an_error_and_not_a_short_answer(client: openai.OpenAI) -> None:
    broken = [{"role": "user", "content": "!close-mid-stream a b c d"}]
    pieces = client.chat.completions.create(model=ENDPOINT, messages=broken, stream=True)
    heard = []
    with pytest.raises(openai.APIError, match="in the middle of its answer"):
        heard.extend(piece.choices[0].delta.content for piece in pieces)
    assert heard == ["echo:", " a"]


def test_tools_are_called_through_it(case: Case, client: openai.OpenAI) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    asked = [{"role": "user", "content": "!tool"}]
    answer = client.chat.completions.create(model=ENDPOINT, messages=asked, tools=[tool])
    assert answer.choices[0].message.tool_calls
    assert case.stub.last["body"]["tools"] == [tool]
    assert '"name":"look"' in case.journal.rows[0]["response"]
    asked += [answer.choices[0].message.to_dict(), {"role": "tool", "tool_call_id": "call-1", "content": "found"}]
    client.chat.completions.create(model=ENDPOINT, messages=asked)
    assert case.stub.last["body"]["messages"][1]["tool_calls"][0]["id"] == "call-1"
    assert '"tool_call_id":"call-1"' in case.journal.rows[1]["parameters"]
