"""Personal data in rows of the log, however it is written."""

from __future__ import annotations

import json

import pytest

from components.core.canonical import canonical_json
from components.serve.log.redaction import Redaction, redacted

ADDRESS = "alice@example.com"
ARGUMENTS = json.dumps({"to": ADDRESS, "again": [ADDRESS]})
ESCAPED = ARGUMENTS.replace("a", "\\u0061").replace("@", "\\u0040")


def written(**row: object) -> tuple[dict[str, object], int]:
    """A row as it would be written, and how many pieces of personal data it had."""
    clean = redacted(dict(row), Redaction(True).look(dict(row), {}))
    return clean, int(clean["redactions"])


@pytest.mark.parametrize("arguments", [ARGUMENTS, ESCAPED])
def test_an_answer_that_calls_a_tool_is_redacted_inside_its_json_and_stays_json(arguments: str) -> None:
    answer = canonical_json({"content": f"Write to:\n{ADDRESS}", "tool_calls": [{"arguments": arguments}]})
    clean, count = written(response=answer)
    document = json.loads(str(clean["response"]))
    assert document["content"] == "Write to:\n<EMAIL>"
    assert json.loads(document["tool_calls"][0]["arguments"]) == {"to": "<EMAIL>", "again": ["<EMAIL>"]}
    assert count == 3


@pytest.mark.parametrize("arguments", [ARGUMENTS, ESCAPED])
def test_json_within_a_requests_parameters_is_redacted(arguments: str) -> None:
    clean, count = written(parameters=canonical_json({"messages": [{"tool_calls": [{"arguments": arguments}]}]}))
    assert (count, ADDRESS in str(clean)) == (2, False)
    assert "\\u0040" not in str(clean["parameters"])


@pytest.mark.parametrize(
    "text", [f"{{ {ADDRESS}", f"[{ADDRESS}]", "[" * 4000 + ADDRESS, f"\ud800 {ADDRESS}", f'["\ud800", "{ADDRESS}"]']
)
def test_what_looks_like_json_and_is_none_is_redacted_as_text(text: str) -> None:
    clean, count = written(comment=text)
    assert (count, ADDRESS in str(clean["comment"]), "<EMAIL>" in str(clean["comment"])) == (1, False, True)


def test_json_without_personal_data_stays_as_it_was_written() -> None:
    text = '{"product":  "vpn", "n": 1.50, "u": "\\u00e9"}'
    assert written(response=text) == ({"response": text, "redactions": 0}, 0)
