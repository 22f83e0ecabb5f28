from __future__ import annotations

import json
from typing import ClassVar

import pytest

from components.core.contract import Contract
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, Producer, resolve_reference
from components.core.moment import parse_moment
from components.core.report import Report, Rows
from components.core.run import Run
from components.core.run_request import RequestedInput, RunRequest
from components.core.settings import MOST_BYTES, StepSettings, encode
from components.core.suites import Suite


class Old(Contract):
    name: str = "x"


class New(Contract):
    schema_version = 3
    upgrades: ClassVar = {
        1: lambda document: {"version": 1, "title": document["name"]},
        2: lambda document: {**document, "length": len(document["title"])},
    }
    version: int = 3
    title: str
    length: int


def test_a_reader_takes_every_older_version() -> None:
    upgraded = New.read(Old(name="abc").to_bytes(), "old.json")
    assert (upgraded.version, upgraded.title, upgraded.length) == (3, "abc", 3)


@pytest.mark.parametrize("contract", [Manifest, Report, Run, RunRequest, Suite])
def test_a_newer_version_is_refused_in_a_sentence(contract: type[Contract]) -> None:
    with pytest.raises(InvalidInput, match=rf"m.json: {contract.__name__} version 99 is newer .*upgrade Sluice"):
        contract.read('{"version": 99}', "m.json")


@pytest.mark.parametrize("version", [0, -1, -(10**30)])
def test_a_version_that_nobody_wrote_is_damage_in_a_sentence(version: int) -> None:
    with pytest.raises(InvalidInput, match=f"m.json: not a Manifest: no Sluice wrote a version {version};"):
        Manifest.read(json.dumps({"version": version}), "m.json")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": "x"}', b"\xff\xfe", b'{"version": 1, "odd": 2}'])
def test_what_is_no_contract_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^somewhere: not a Manifest"):
        Manifest.read(data, "somewhere")


def manifest(**changes: object) -> Manifest:
    facts = {
        "kind": Kind.DOCUMENTS,
        "key": "s/1/d/manifest.json",
        "content_digest": "0" * 64,
        "rows": 0,
        "bytes": 0,
        "shards": (),
        "producer": Producer(step="s", code="", settings=""),
    }
    return Manifest(**{**facts, **changes})


def test_a_digest_is_that_of_the_bytes_that_were_read() -> None:
    spaced = json.dumps(json.loads(manifest().to_bytes()), indent=1)
    assert Manifest.read(spaced, "m").digest != manifest().digest
    assert Manifest.read(manifest().to_bytes(), "m").digest == manifest().digest


def test_a_reference_leads_to_exactly_that_manifest(store) -> None:
    made = manifest()
    store.write(made.key, made.to_bytes())
    assert resolve_reference(store, made.reference()).digest == made.digest
    store.write(made.key, manifest(rows=1).to_bytes())
    with pytest.raises(InvalidInput, match="was changed after it was written"):
        resolve_reference(store, made.reference())
    with pytest.raises(InvalidInput, match="does not name a manifest"):
        resolve_reference(store, "latest")


def test_rows_that_do_not_add_up_are_no_report() -> None:
    Rows(in_=5, created=1, out={"a": 2, "b": 1}, rejected={"short": 2}, merged=1)
    with pytest.raises(ValueError, match="rows do not add up: 5 in"):
        Rows(in_=5, out={"a": 4})


def request(**changes: object) -> RunRequest:
    given = {"graph": "release", "spec": "s", "recipe": "r", "environment": "local", "asker": "lifecycle"}
    inputs = (
        RequestedInput(role="model", content_digest="m", reference="here"),
        RequestedInput(role="suites", content_digest="s", reference="there"),
    )
    return RunRequest(**{**given, "inputs": inputs, **changes})


def test_a_requests_name_is_what_it_asks_for_and_not_where_it_lies() -> None:
    moved = tuple(given.model_copy(update={"reference": "elsewhere"}) for given in reversed(request().inputs))
    assert request(inputs=moved).name == request().name
    others = [request(spec="t"), request(recipe="q"), request(environment="vertex"), request(attempt=2)]
    others.append(request(inputs=request().inputs[:1]))
    assert len({request().name, *(other.name for other in others)}) == 6


def test_asking_twice_asks_once(store) -> None:
    assert request().put(store)
    assert not request().put(store)


class Text(StepSettings):
    text: str = ""
    seed: int = 0


@pytest.mark.parametrize("text", ["plain", "{{$}}", "{{$.inputs}} and {{$", "ünï ✓", '"quoted" \\ {{$'])
def test_settings_come_out_as_they_went_in_and_kfp_sees_no_placeholder(text: str) -> None:
    given = Text(text=text, seed=2**63 - 1)
    assert "{{$" not in given.encode()
    assert Text.decode(given.encode()) == given


def test_settings_too_long_for_a_graph_are_refused() -> None:
    assert len(encode("x" * (MOST_BYTES - 100))) < MOST_BYTES
    with pytest.raises(InvalidInput, match="do not fit into a graph"):
        encode("é" * MOST_BYTES)


@pytest.mark.parametrize("text", ["", "{{$.pipeline_job_create_time_utc}}", "[[ScheduledTime]]"])
def test_a_moment_that_nobody_filled_in_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="a placeholder that the backend did not fill in"):
        parse_moment(text)


def test_a_moment_needs_its_offset() -> None:
    assert parse_moment("2026-01-31T10:00:00+01:00").isoformat() == "2026-01-31T09:00:00+00:00"
    with pytest.raises(InvalidInput, match="has no offset"):
        parse_moment("2026-01-31T10:00:00")
    with pytest.raises(InvalidInput, match="give it as 2026-01-31"):
        parse_moment("yesterday")
