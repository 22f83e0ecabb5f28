from __future__ import annotations

from datetime import UTC, datetime

import pytest

from components.core.endpoint import EndpointState
from components.core.errors import Failed, InvalidInput
from components.core.evidence import Tally
from components.core.manifest import Manifest
from components.core.signing import policy_digest
from components.release.registries.mlflow_registry import MlflowRegistry
from components.release.registries.projection import differences, project_aliases, repair
from components.release.registries.registry import Registry, open_registry
from components.release.transition.change import carry_out
from tests.release.case import ENDPOINT, ENVIRONMENT, Case
from tests.release.registries import by_hand
from tests.release.registries.models import state_of


@pytest.fixture(params=["file_address", "vertex_address"])
def registry(request) -> Registry:
    return open_registry(request.getfixturevalue(request.param))


def aliases(registry, endpoint: str) -> dict[str, str]:
    """Which version has which alias: ``{"champion": "desk/2"}``."""
    return {alias: version.word for version in registry.versions(endpoint) for alias in version.aliases}


def test_each_role_of_the_state_becomes_an_alias(registry, model, store) -> None:
    one, two, three, four = (model(weights) for weights in "abcd")
    for each in (one, two, three, four):
        registry.register("desk", "desk", each, "/m")
    state = state_of("desk", champion=one, challenger=two, shadow=three, previous=four)
    assert project_aliases(registry.address, state, store) == ""
    assert aliases(registry, "desk") == {
        "champion": "desk/1",
        "challenger": "desk/2",
        "shadow": "desk/3",
        "previous": "desk/4",
    }


def test_a_transition_moves_the_aliases_and_takes_away_those_of_roles_that_nobody_has(registry, model, store) -> None:
    one, two = model("a"), model("b")
    for each in (one, two):
        registry.register("desk", "desk", each, "/m")
    project_aliases(registry.address, state_of("desk", 1, champion=one, shadow=two), store)
    project_aliases(registry.address, state_of("desk", 2, champion=two, previous=one), store)
    assert aliases(registry, "desk") == {"champion": "desk/2", "previous": "desk/1"}


def test_nothing_is_done_where_nothing_differs(registry, model, store) -> None:
    state = state_of("desk", champion=model("a"))
    assert repair(registry, state, store).differed
    assert repair(registry, state, store).differed == ()
    assert differences(registry.versions("desk"), state) == []


def test_what_somebody_set_by_hand_is_told_and_put_right(registry, model, store) -> None:
    one, two = model("a"), model("b")
    for each in (one, two):
        registry.register("desk", "desk", each, "/m")
    state = state_of("desk", champion=one)
    project_aliases(registry.address, state, store)
    registry.set_alias("desk", "champion", 2)
    registry.set_alias("desk", "shadow", 2)
    registry.set_alias("desk", "favourite", 2)
    assert [difference.sentence for difference in repair(registry, state, store).differed] == [
        "desk: champion is version 2, should be version 1",
        "desk: shadow is version 2, nothing should have it",
    ]
    assert aliases(registry, "desk") == {"champion": "desk/1", "favourite": "desk/2"}


def test_a_model_that_serves_and_was_never_registered_is_registered(registry, model, store) -> None:
    known, unknown = model("a"), model("b")
    registry.register("tickets", "desk", known, "/m")
    differed = repair(registry, state_of("desk", champion=unknown, previous=known), store).differed
    assert f"tickets: champion is not set, and {unknown.digest[:12]}… is not registered" in [
        difference.sentence for difference in differed
    ]
    assert aliases(registry, "desk") == {"champion": "tickets/2", "previous": "tickets/1"}
    assert registry.versions("desk")[1].digest == unknown.digest


def test_a_model_in_two_roles_is_registered_once(registry, model, store) -> None:
    one = model("a")
    repair(registry, state_of("desk", champion=one, previous=one), store)
    assert aliases(registry, "desk") == {"champion": "desk/1", "previous": "desk/1"}


def test_a_name_that_is_no_longer_used_keeps_no_alias_of_a_model_that_does_not_serve(registry, model, store) -> None:
    old, new = model("a"), model("b")
    registry.register("before", "desk", old, "/m")
    project_aliases(registry.address, state_of("desk", champion=old), store)
    registry.register("after", "desk", new, "/m")
    project_aliases(registry.address, state_of("desk", 2, champion=new, previous=old), store)
    assert aliases(registry, "desk") == {"champion": "after/1", "previous": "before/1"}


def test_two_endpoints_do_not_touch_each_others_aliases(registry, model, store) -> None:
    one = model("a")
    registry.register("east", "east", one, "/m")
    registry.register("west", "west", one, "/m")
    project_aliases(registry.address, state_of("east", champion=one), store)
    project_aliases(registry.address, state_of("west"), store)
    assert aliases(registry, "east") == {"champion": "east/1"}
    assert aliases(registry, "west") == {}


def test_a_champion_that_is_gone_from_the_store_is_told_and_no_other_model_is_called_champion(
    registry, model, store
) -> None:
    old, gone = model("a"), model("b")
    registry.register("desk", "desk", old, "/m")
    project_aliases(registry.address, state_of("desk", champion=old), store)
    store.remove(gone.key)
    said = project_aliases(registry.address, state_of("desk", 2, champion=gone, previous=old), store)
    assert f"there is no {gone.key}" in said
    assert "`sluice registry repair desk`" in said
    assert aliases(registry, "desk") == {"previous": "desk/1"}


def test_a_manifest_that_was_changed_is_not_registered(registry, model, store) -> None:
    given = model("a")
    store.write(given.key, given.to_bytes().replace(b"scratch", b"another"))
    assert "was changed after it was written" in project_aliases(
        registry.address, state_of("desk", champion=given), store
    )
    assert registry.versions() == []


def test_without_a_registry_there_is_nothing_to_tell(model, store) -> None:
    assert project_aliases("", state_of("desk", champion=model("a")), store) == ""


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "ftp://nowhere", "sqlite:////proc/none/mlflow.db"])
def test_a_registry_that_cannot_be_reached_is_told_and_raises_nothing(address, model, store) -> None:
    said = project_aliases(address, state_of("desk", champion=model("a")), store)
    assert said.startswith(f"the registry does not show this yet (registry {address}") or repr(address) in said
    assert said.endswith("`sluice registry repair desk` makes up for it")


class DiesAfterOneAlias(MlflowRegistry):
    """A registry whose server ends once it has set one alias."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        super().set_alias(name, alias, version)
        self.kill()


def test_a_server_that_is_killed_midway_is_repaired_afterwards(server, endpoint, model, store, monkeypatch) -> None:
    one, two = model("a"), model("b")
    registry = open_registry(server.address)
    for each in (one, two):
        registry.register(endpoint, endpoint, each, "gs://b/m")
    assert project_aliases(server.address, state_of(endpoint, champion=one), store) == ""

    monkeypatch.setattr("components.release.registries.mlflow_registry.MlflowRegistry", DiesAfterOneAlias)
    monkeypatch.setattr(DiesAfterOneAlias, "kill", lambda self: server.kill(), raising=False)
    state = state_of(endpoint, 2, champion=two, previous=one)
    said = project_aliases(server.address, state, store)
    assert f"registry {server.address}: does not answer" in said
    monkeypatch.undo()

    server.start()
    assert aliases(registry, endpoint) == {"champion": f"{endpoint}/2"}, "half of it was done"
    assert [difference.sentence for difference in repair(registry, state, store).differed] == [
        f"{endpoint}: previous is not set, should be version 1"
    ]
    assert aliases(registry, endpoint) == {"champion": f"{endpoint}/2", "previous": f"{endpoint}/1"}


def test_what_was_released_while_the_server_was_away_is_registered_by_the_repair(
    server, endpoint, model, store
) -> None:
    server.kill()
    state = state_of(endpoint, champion=model("a"))
    assert "does not answer" in project_aliases(server.address, state, store)
    with pytest.raises(Failed, match="does not answer"):
        repair(open_registry(server.address), state, store)
    server.start()
    repair(open_registry(server.address), state, store)
    assert aliases(open_registry(server.address), endpoint) == {"champion": f"{endpoint}/1"}


def test_a_name_that_somebody_else_holds_is_told(registry, model, store) -> None:
    by_hand.make_model(registry, "desk")
    with pytest.raises(InvalidInput, match="was not made by Sluice"):
        registry.register("desk", "desk", model("a"), "/m")
    said = project_aliases(registry.address, state_of("desk", champion=model("a")), store)
    assert "the registered model desk was not made by Sluice" in said
    assert registry.versions() == []


def released(case: Case) -> tuple[EndpointState, Manifest]:
    """What should serve once a decision that rests on a gate's evidence is carried out; and the evidence."""
    model = case.model()
    tallies = (Tally(suite="exam", questions=40, candidate=0.75, incumbent=0.5, won=12, lost=2), Tally(
        suite="exam", slice="long", questions=4, candidate=1.0
    ))  # fmt: skip
    evidence = case.evidence(model, tallies=tallies)
    outcome = case.decide(evidence)
    state = carry_out(
        case.store,
        case.envelope(outcome.manifests["decision"]),
        endpoints=case.endpoints,
        trust=case.keys.trust,
        endpoint=ENDPOINT,
        environment=ENVIRONMENT,
        policy=case.policy,
        now=datetime.now(UTC),
    )
    return state, evidence


def test_what_the_gate_found_stands_beside_what_serves(registry, tmp_path) -> None:
    case = Case(tmp_path)
    state, gate = released(case)
    for _ in range(2):
        assert project_aliases(registry.address, state, case.store) == ""
    (found,) = by_hand.evaluations(registry, ENDPOINT, 1)
    assert (found.evidence, found.policy) == (gate.digest, policy_digest(case.policy))
    assert found.figures == {
        "exam.questions": 40, "exam.candidate": 0.75, "exam.incumbent": 0.5, "exam.won": 12, "exam.lost": 2,
        "exam/long.questions": 4, "exam/long.candidate": 1, "exam/long.won": 0, "exam/long.lost": 0,
    }  # fmt: skip


def test_evidence_that_was_changed_does_not_come_to_stand_there_and_the_aliases_are_right(registry, tmp_path) -> None:
    case = Case(tmp_path)
    state, gate = released(case)
    case.store.write(gate.key, gate.to_bytes().replace(b"gate", b"gale"))
    said = project_aliases(registry.address, state, case.store)
    assert "was changed after it was written" in said
    assert aliases(registry, ENDPOINT) == {"champion": f"{ENDPOINT}/1"}
    assert by_hand.evaluations(registry, ENDPOINT, 1) == []


def test_a_state_that_no_gate_decided_says_nothing_of_one(registry, model, store) -> None:
    state = state_of("desk", champion=model("a")).model_copy(update={"decision": "d" * 64})
    assert project_aliases(registry.address, state, store) == ""
    assert by_hand.evaluations(registry, "desk", 1) == []
