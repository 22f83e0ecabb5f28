"""The gateway against its own OpenAPI description: no call, however wrong, gets what that does not name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from components.serve.gateway.description import description
from tests.serve.gateway.case import ENDPOINT, Case, error_code, running

DOCUMENT = description(ENDPOINT)
SCHEMAS = DOCUMENT["components"]["schemas"]
POSTED = {
    path: operations["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    for path, operations in DOCUMENT["paths"].items()
    if "post" in operations
}
FUZZED = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
FORBIDDEN = {500}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with running(tmp_path_factory.mktemp("gateway")) as case:
        yield case


def bodies(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema, whole. What holds others is made here, of all words that the description has for it:
    objects of hypothesis-jsonschema 0.23 break with hypothesis 6.170."""
    if "$ref" in schema:
        return bodies(SCHEMAS[schema["$ref"].rsplit("/", 1)[1]])
    if "anyOf" in schema:
        return st.one_of([bodies(one) for one in schema["anyOf"]])
    if schema.get("type") == "array":
        return st.lists(bodies(schema["items"]), min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 3))
    if schema.get("type") == "object":
        required = set(schema.get("required", ()))
        fields = {name: bodies(one) for name, one in schema.get("properties", {}).items()}
        made = st.fixed_dictionaries(
            {name: one for name, one in fields.items() if name in required},
            optional={name: one for name, one in fields.items() if name not in required},
        )
        if not (more := schema.get("additionalProperties")):
            return made
        values = ANYTHING if more is True else bodies(more)
        others = st.text(max_size=8).filter(lambda name: name not in fields)
        unknown = st.dictionaries(others, values, max_size=min(schema.get("maxProperties", 2), 20))
        return st.builds(lambda known, unknown: {**known, **unknown}, made, unknown)
    return from_schema(schema)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMED = {"model": st.just(ENDPOINT)}
BODIES = {
    path: st.builds(lambda body, model: {**body, **model}, bodies(SCHEMAS[name]), st.fixed_dictionaries(NAMED))
    if name != "FeedbackRequest"
    else bodies(SCHEMAS[name])
    for path, name in POSTED.items()
}


VALID = {
    path: Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}).is_valid
    for path, name in POSTED.items()
}
"""Whether a body is as described, by somebody else's word."""


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All that a body holds, at any depth: the object or list that holds it, and its key there."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@st.composite
def mutated(draw: Callable[[st.SearchStrategy[Any]], Any], whole: st.SearchStrategy[Any]) -> Any:
    """A body in which one to three things were changed, at any depth: gone, wrapped, or any other value."""
    body = copy.deepcopy(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(body))
        if not found:
            break
        holder, key = draw(st.sampled_from(found))
        others = st.sampled_from([copy.deepcopy(other[name]) for other, name in found])
        if draw(st.booleans()) and draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = draw(ANYTHING | others | others.map(lambda value: [value]) | others.map(lambda v: {"": v}))
    return body


def check_answer(case: Case, method: str, path: str, template: str, data: bytes) -> int:
    """Asks, and holds the answer against the description; returns its status."""
    reply = case.ask(method, path, data)
    operation = DOCUMENT["paths"].get(template, {}).get(method.lower())
    documented = set(operation["responses"]) if operation else {"404", "405"}
    assert str(reply.status) in documented, (reply.status, data, reply.body)
    assert reply.status not in FORBIDDEN, (data, reply.body)
    if reply.status != 200:
        error_code(reply.json)
    return reply.status


def test_it_is_served_and_says_what_the_models_say(case: Case) -> None:
    served = case.ask("GET", "/openapi.json").json
    assert served == json.loads(json.dumps(DOCUMENT))
    assert served["openapi"].startswith("3.1")
    assert set(POSTED.values()) <= set(served["components"]["schemas"])


def test_every_reference_in_it_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    names = {piece.split('"')[0] for piece in text.split("#/components/schemas/")[1:]}
    assert names <= set(SCHEMAS)


@pytest.mark.parametrize("path", POSTED)
def test_a_valid_body_is_answered_or_refused_as_described(case: Case, path: str) -> None:
    seen = set()

    @FUZZED
    @given(BODIES[path])
    def check(body: Any) -> None:
        assert VALID[path](body), "it is made of what the description says"
        seen.add(check_answer(case, "POST", path, path, json.dumps(body).encode()))

    check()
    assert seen & {200, 404}


@pytest.mark.parametrize("path", POSTED)
def test_a_valid_body_with_something_wrong_in_it_is_refused_as_described(case: Case, path: str) -> None:
    seen = set()
    fields = sorted(SCHEMAS[POSTED[path]]["properties"])

    @FUZZED
    @given(BODIES[path], st.sampled_from(fields) | st.text(), ANYTHING)
    def check(body: dict[str, Any], field: str, value: Any) -> None:
        seen.add(check_answer(case, "POST", path, path, json.dumps({**body, field: value}).encode()))

    check()
    assert 400 in seen


@pytest.mark.parametrize("path", POSTED)
def test_a_body_that_was_changed_at_any_depth_is_answered_only_where_the_description_allows_it(
    case: Case, path: str
) -> None:
    seen = set()

    @settings(FUZZED, max_examples=200)
    @given(mutated(BODIES[path]))
    def check(body: Any) -> None:
        status, valid = check_answer(case, "POST", path, path, json.dumps(body).encode()), VALID[path](body)
        assert valid or status == 400, (status, body)
        seen.add((valid, status))

    check()
    assert (False, 400) in seen
    assert {status for valid, status in seen if valid} & {200, 404}, seen


@pytest.mark.parametrize("path", POSTED)
def test_any_bytes_are_refused_as_described(case: Case, path: str) -> None:
    @FUZZED
    @given(st.binary(max_size=300) | ANYTHING.map(lambda value: json.dumps(value).encode()))
    def check(data: bytes) -> None:
        assert check_answer(case, "POST", path, path, data) == 400

    check()


def test_any_method_on_any_route_is_answered_as_described(case: Case) -> None:
    paths = [path.replace("{model}", ENDPOINT) for path in DOCUMENT["paths"]]
    for template, path in zip(DOCUMENT["paths"], paths, strict=True):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            check_answer(case, method, path, template, b"{}")


def test_any_path_and_headers_are_answered_as_described(case: Case) -> None:
    letters = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"), max_size=40)

    @FUZZED
    @given(letters, st.dictionaries(st.sampled_from(["authorization", "x-request-id", "host"]), letters))
    def check(path: str, headers: dict[str, str]) -> None:
        reply = case.ask("GET", f"/v1/{path}", headers=headers)
        assert reply.status in (200, 400, 401, 404, 405)
        if reply.status != 200:
            error_code(reply.json)

    check()
