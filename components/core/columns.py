"""Rows, and the columns of the request log's tables, said in words: who only writes the log needs no Arrow."""

from __future__ import annotations

from typing import Any, Literal

Row = dict[str, Any]
Cell = Literal["string", "int32", "float64", "bool", "messages"]
"""What a column holds; ``messages`` is a list of objects with the texts ``role`` and ``content``."""

REQUESTS: dict[str, Cell] = {
    "request_id": "string",  # given out by the gateway, which knows its own again
    "attempt": "int32",  # 1; higher where the router tried again: the highest is the one that was answered
    "conversation_id": "string",
    "unit": "string",  # the user, hashed with a salt
    "key": "string",  # name of the API key
    "endpoint": "string",
    "experiment": "string",
    "arm": "string",
    "model": "string",  # digest of the model's manifest
    "prompt_version": "string",
    "kind": "string",  # chat or completion
    "started": "string",  # UTC, ISO 8601 with microseconds
    "ended": "string",
    "messages": "messages",  # a completion's prompt is one message of the user
    "parameters": "string",  # canonical JSON: all else that the client asked for
    "features": "string",  # canonical JSON: what was served to the prompt; `{}`
    "response": "string",
    "status": "string",  # answered, failed, cut or lost
    "http_status": "int32",
    "error": "string",
    "finish_reason": "string",
    "prompt_tokens": "int32",
    "completion_tokens": "int32",
    "latency_ms": "float64",
    "first_token_ms": "float64",
    "sampling_probability": "float64",
    "redactions": "int32",  # pieces of personal data that were taken out before this was written
    "mirrored": "bool",
}
FEEDBACK: dict[str, Cell] = {
    "feedback_id": "string",
    "request_id": "string",
    "unit": "string",
    "key": "string",
    "role": "string",  # user or trusted, as the API key says
    "endpoint": "string",
    "at": "string",  # UTC, ISO 8601 with microseconds
    "good": "bool",  # whether the answer was right; null where nobody said
    "correction": "string",  # what it should have been; null where nobody said
    "comment": "string",
    "redactions": "int32",
}
