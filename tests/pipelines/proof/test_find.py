"""What a name means to ``sluice verify``, and what the command answers."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.manifest import Reference
from components.core.run import Run, State, StepRun
from components.core.run_request import RunRequest
from components.release.registries.registry import Version
from pipelines.cli import sluice
from pipelines.runs import Launch, Runs
from tests.pipelines.proof.chain import ENDPOINT, Chain


@pytest.fixture
def place(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """The chain as the environment ``local`` of the current folder sees it."""
    monkeypatch.chdir(chain.folder)
    environment = {
        "version": 1,
        "name": "local",
        "backend": "local",
        "store": "./store",
        "endpoints": "sqlite:///endpoints.db",
        "trust": "./trust.json",
    }
    Path("environments").mkdir()
    Path("environments/local.yaml").write_text(json.dumps(environment))
    assert chain.trust
    return chain


def run(*words: str) -> Result:
    return CliRunner().invoke(sluice, list(words), standalone_mode=False)


def verified(*words: str) -> Result:
    found = run("verify", *words)
    assert found.exception is None, found.exception
    return found


def test_an_endpoint_is_verified_by_its_name(place: Chain) -> None:
    found = verified(ENDPOINT)
    assert found.return_value == 0, found.output
    assert found.output.startswith("✓ endpoint  helpdesk")


def test_json_is_for_scripts(place: Chain) -> None:
    place.flip(place.second.shards[0].uri)
    found = verified(ENDPOINT, "--json")
    assert found.return_value == 3
    assert json.loads(found.output)["verified"] is False


@pytest.mark.parametrize("name", ["key", "digest", "content_digest"])
def test_a_model_is_verified_by_key_or_digest_with_all_that_was_decided_about_it(place: Chain, name: str) -> None:
    found = verified(getattr(place.first, name)[:100] if name == "key" else getattr(place.first, name)[:10])
    assert found.return_value == 0, found.output
    assert f"decision  release pass  {place.released[:12]}" in found.output
    assert "endpoint  helpdesk  3 generations" in found.output


def test_of_a_models_endpoint_other_models_decisions_are_verified_alone(place: Chain) -> None:
    found = verified(place.first.key)
    assert f"decision  release pass  {place.approved[:12]}" in found.output
    assert place.gate_of(place.approved).digest[:12] not in found.output


def test_a_decision_about_a_model_that_cannot_be_read_any_more_is_found(place: Chain) -> None:
    place.store.write("decisions/0000.json", b"{")
    assert verified(place.first.key).return_value == 3


def test_an_artifact_that_never_served_says_so(place: Chain) -> None:
    assert "· endpoints  none names it: it has never served" in verified(place.base.key).output


def test_own_trust_roots_count_in_place_of_those_found(place: Chain) -> None:
    Path("mine.json").write_bytes(place.keys.trust.model_copy(update={"keys": (place.alice,)}).to_bytes())
    found = verified(ENDPOINT, "--trust", "mine.json")
    assert found.return_value == 3
    assert "a key that nobody trusts" in found.output


@pytest.mark.parametrize("content", [None, "{"])
def test_own_trust_roots_that_are_none_are_invalid_input(place: Chain, content: str | None) -> None:
    if content:
        Path("mine.json").write_text(content)
    assert isinstance(run("verify", ENDPOINT, "--trust", "mine.json").exception, InvalidInput)
    assert run("bundle", ENDPOINT).exception is None
    assert isinstance(run("verify", "helpdesk.tar", "--trust", "mine.json").exception, InvalidInput)


def test_the_command_bundle_says_what_to_hand_on_and_verify_takes_it(place: Chain) -> None:
    found = run("bundle", ENDPOINT, "--out", "mine.tar", "--data", "--json")
    written = json.loads(found.output)
    assert written["sha256"] == sha256(Path("mine.tar").read_bytes())
    assert written["trust"] == sha256(Path("trust.json").read_bytes())
    found = verified("mine.tar", "--trust", "trust.json")
    assert found.return_value == 0
    assert "mine.tar" in run("bundle", ENDPOINT, "--out", "mine.tar").output


def test_a_run_has_no_bundle(place: Chain) -> None:
    recorded(place, "release-helpdesk-1")
    assert "is a run" in str(run("bundle", "release-helpdesk-1").exception)


def test_without_trust_roots_no_decision_counts(place: Chain) -> None:
    Path("trust.json").unlink()
    found = verified(ENDPOINT)
    assert found.return_value == 3
    assert "· trust roots  no decision counts without them" in found.output


def test_damaged_trust_roots_are_a_break(place: Chain) -> None:
    Path("trust.json").write_text("{")
    assert "✗ trust roots" in verified(ENDPOINT).output


def test_a_damaged_record_of_endpoints_is_a_break_and_no_error(place: Chain) -> None:
    place.database.write_bytes(b"x" * 4096)
    found = verified(ENDPOINT)
    assert found.return_value == 3
    assert "✗ endpoint  helpdesk" in found.output


@pytest.mark.parametrize(
    "name", ["helpdsk", "ffffffffff", "x/manifest.json", "../trust.json", "nothing.tar", "a" * 300]
)
def test_an_unknown_name_is_invalid_input(place: Chain, name: str) -> None:
    found = run("verify", name)
    assert isinstance(found.exception, InvalidInput)
    if name == "helpdsk":
        assert "did you mean helpdesk?" in str(found.exception)


def test_a_digest_that_several_begin_with_wants_more_digits(place: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.proof import find

    monkeypatch.setattr(find, "FEWEST_DIGITS", 1)
    digits = {manifest.digest[0] for manifest in (place.first, place.second, place.base, place.tokens, place.clean)}
    complaints = [str(run("verify", digit).exception) for digit in sorted(digits)]
    assert any("write more of the digest" in complaint for complaint in complaints)


# runs


def recorded(chain: Chain, name: str, steps: tuple[StepRun, ...] = (), **changes: Any) -> None:
    """A run as the local backend leaves it."""
    graph = b"pipelineInfo: {}\n"
    chain.store.write(f"graphs/{sha256(graph)}.yaml", graph)
    folder = Runs(Path("runs")).folder_of(name)
    folder.create(Launch(run=name, graph="release", recipe={}, environment={}, now="2026-12-01T09:00:00+00:00"))
    folder.graph.write_bytes(graph)
    given = {
        "graph": "release",
        "backend": "local",
        "recipe": "helpdesk",
        "recipe_digest": "r" * 64,
        "environment": "local",
        "environment_digest": "e" * 64,
        "spec": sha256(graph),
        "now": "2026-12-01T09:00:00+00:00",
        "state": State.DONE,
    }
    folder.write(Run(run=name, steps=steps, **{**given, **changes}))


def a_step(chain: Chain) -> StepRun:
    report = f"{'/'.join(chain.second.key.split('/')[:2])}/report.json"
    return StepRun(name="finetune", state=State.DONE, report=report, outputs={"trained": chain.second.named})


def test_a_run_is_verified_with_its_graph_its_outputs_and_its_decisions(place: Chain) -> None:
    recorded(place, "release-helpdesk-1", (a_step(place),), decisions=(place.approved,))
    found = verified("release-helpdesk-1")
    assert found.return_value == 0, found.output
    for part in ("graph", "step  finetune", "trained", "decision  release pass"):
        assert f"✓ {part}" in found.output


def test_a_run_whose_graph_was_changed_is_broken(place: Chain) -> None:
    recorded(place, "release-helpdesk-1")
    Path("runs/release-helpdesk-1/graph.yaml").write_text("pipelineInfo: {name: other}\n")
    assert "is another graph than the one that the run states" in verified("release-helpdesk-1").output
    recorded(place, "release-helpdesk-2", spec="0" * 64)
    assert "graphs/0000" in verified("release-helpdesk-2").output


def test_a_run_that_names_another_output_than_its_report_is_broken(place: Chain) -> None:
    wrong = a_step(place).model_copy(update={"outputs": {"trained": place.first.named}})
    recorded(place, "release-helpdesk-1", (wrong,))
    found = verified("release-helpdesk-1")
    assert found.return_value == 3
    assert "names another output trained than the run" in found.output


def test_a_run_that_names_what_is_not_there_is_broken(place: Chain) -> None:
    gone = Reference(key="finetune/x/trained/manifest.json", digest="0" * 64, content_digest="0" * 64)
    recorded(place, "release-helpdesk-1", (a_step(place).model_copy(update={"outputs": {"trained": gone}}),))
    assert "is gone" in verified("release-helpdesk-1").output


def test_a_damaged_record_of_a_run_is_a_break_and_no_traceback(place: Chain) -> None:
    recorded(place, "release-helpdesk-1")
    Path("runs/release-helpdesk-1/run.json").write_text("{")
    found = verified("release-helpdesk-1")
    assert found.return_value == 3
    assert "✗ run  release-helpdesk-1" in found.output


def test_a_run_is_followed_to_those_that_it_asked_for(place: Chain) -> None:
    asked = RunRequest(graph="release", spec="s", recipe="r", environment="local", asker="lifecycle")
    asked.put(place.store)
    recorded(place, "lifecycle-helpdesk-1", graph="lifecycle", requests=(asked.name,))
    recorded(place, "release-helpdesk-1", asked_by=asked.name, decisions=(place.released,))
    found = verified("lifecycle-helpdesk-1")
    assert found.return_value == 0, found.output
    assert "  ✓ run  release-helpdesk-1" in found.output
    changed = asked.model_copy(update={"recipe": "another"})
    place.store.write(asked.key, changed.to_bytes())
    assert "asks for something else than its name says" in verified("lifecycle-helpdesk-1").output


# a registry's names


@pytest.fixture
def registry(place: Chain, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """The chain, with a registry in which the first model has an alias and a stranger's model has none."""
    given = {"name": "helpdesk", "endpoint": ENDPOINT, "aliases": ("best",)}
    first = Version(version=1, **given, **place.first.named.model_dump())
    stranger = Version(version=2, name="helpdesk", endpoint=ENDPOINT)
    kept = SimpleNamespace(versions=lambda: (first, stranger))
    monkeypatch.setattr("components.release.registries.registry.open_registry", lambda address: kept)
    text = Path("environments/local.yaml").read_text()
    Path("environments/local.yaml").write_text(text.replace('"name"', '"registry": "sqlite:///mlflow.db", "name"'))
    return place


@pytest.mark.parametrize("name", ["helpdesk@best", "helpdesk/1"])
def test_a_model_is_verified_by_the_name_that_a_registry_gives_it(registry: Chain, name: str) -> None:
    found = verified(name)
    assert found.return_value == 0, found.output
    assert registry.first.digest[:12] in found.output


@pytest.mark.parametrize("name", ["helpdesk@worst", "helpdesk/3", "helpdesk/2", "other@best"])
def test_a_name_that_a_registry_does_not_know_or_cannot_prove_is_invalid_input(registry: Chain, name: str) -> None:
    assert isinstance(run("verify", name).exception, InvalidInput)


def test_an_environment_without_trust_roots_is_told_so(place: Chain) -> None:
    text = Path("environments/local.yaml").read_text()
    Path("environments/local.yaml").write_text(text.replace("./trust.json", ""))
    assert "the environment names no trust roots" in verified(ENDPOINT).output


def test_an_environment_without_endpoints_still_has_models(place: Chain) -> None:
    text = Path("environments/local.yaml").read_text()
    Path("environments/local.yaml").write_text(text.replace("sqlite:///endpoints.db", ""))
    assert verified(place.base.key).return_value == 0
