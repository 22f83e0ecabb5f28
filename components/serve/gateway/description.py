"""The gateway's OpenAPI description, made from the models that its requests are checked with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from components.serve.gateway.asked import ChatRequest, CompletionRequest, FeedbackRequest

WHY = {
    400: "The request cannot be answered as it is.",
    401: "No API key that counts.",
    404: "No such model, request or route.",
    405: "Not with this method.",
    408: "The body took too long.",
    409: "A request with this `x-request-id` is being answered.",
    413: "The body is too long.",
    429: "Too many requests of this key; `retry-after` says how long to wait.",
    500: "The gateway failed.",
    502: "The model server answered nothing usable, or was not reached.",
    503: "Not now: overloaded, ending, or the request log is full. Nothing was generated.",
    504: "The answer took too long.",
}
POSTED = (400, 401, 404, 408, 413, 429, 500, 503)
GENERATED = (*POSTED, 409, 502, 504)
MODELS: tuple[type[BaseModel], ...] = (ChatRequest, CompletionRequest, FeedbackRequest)


def description(endpoint: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the routes that clients reach, every error included; the router hides the others."""
    schemas = models_json_schema(
        [(model, "validation") for model in MODELS], ref_template="#/components/schemas/{model}"
    )[1]["$defs"]
    path = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    open_: dict[str, Any] = {"security": []}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Sluice endpoint {endpoint}", "version": "1"},
        "security": [{"key": []}],
        "paths": {
            "/v1/chat/completions": {"post": _generates("Answers a conversation.", "ChatRequest")},
            "/v1/completions": {"post": _generates("Goes on with a text.", "CompletionRequest")},
            "/v1/feedback": {"post": _posts("Takes a person's word on an answer.", "FeedbackRequest", POSTED)},
            "/v1/models": {"get": _gets("The endpoint's model.", (401, 500))},
            "/v1/models/{model}": {"get": _gets("One model.", (401, 404, 500)) | {"parameters": [path]}},
            "/openapi.json": {"get": _gets("This document.", (500,)) | open_},
        },
        "components": {
            "schemas": {**schemas, "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}


def _generates(summary: str, model: str) -> dict[str, Any]:
    operation = _posts(summary, model, GENERATED)
    operation["responses"]["200"]["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    return operation


def _posts(summary: str, model: str, errors: tuple[int, ...]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}}
    return _gets(summary, errors) | {"requestBody": body}


def _gets(summary: str, errors: tuple[int, ...]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Done.", "content": {"application/json": {}}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status in sorted({*errors, 405}):
        responses[str(status)] = {"description": WHY[status], "content": content}
    return {"summary": summary, "responses": responses}
