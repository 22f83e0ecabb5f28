"""What somebody with rights to an endpoint's record could try, and what becomes of keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.core.canonical import sha256
from components.core.decision import DecisionKind, Evidence, Permits
from components.core.errors import ExitCode
from components.core.evidence import read_evidence
from components.core.manifest import Manifest
from tests.pipelines.proof.chain import ENDPOINT, Chain, breaks, released


@pytest.mark.parametrize("field", ["champion", "previous", "weights", "phase", "frozen", "shadow", "challenger"])
def test_an_edited_generation_is_found(chain: Chain, field: str) -> None:
    other: dict[str, Any] = {"weights": {"champion": 0.5}, "phase": "canary", "frozen": "f" * 64}
    chain.edit(2, **{field: other.get(field, chain.base.named)})
    assert f"is not what its decision makes of the one before: {field} differ" in breaks(chain.verify())


def test_a_generation_that_is_missing_is_found(chain: Chain) -> None:
    chain.sql("delete from generations where generation = 2")
    assert "generations 2 to 2 are missing" in breaks(chain.verify())


def test_a_history_without_its_beginning_is_found(chain: Chain) -> None:
    chain.sql("delete from generations where generation = 1")
    assert "generations 1 to 1 are missing" in breaks(chain.verify())


def test_a_history_without_its_newest_release_is_found(chain: Chain) -> None:
    chain.sql("delete from generations where generation > 1")
    assert f"carried out decision {chain.approved[:12]}…, and no generation names it" in breaks(chain.verify())


def test_an_empty_history_is_no_verified_one(chain: Chain) -> None:
    chain.sql("delete from generations")
    assert "has no generations" in breaks(chain.verify())


def test_a_decision_that_was_used_twice_is_found(chain: Chain) -> None:
    chain.change(chain.person(DecisionKind.THAW, Permits.THAW))
    again = chain.endpoints.read(ENDPOINT).model_copy(update={"generation": 5, "decision": chain.frozen})
    again = again.model_copy(update={"frozen": chain.frozen, "changed": datetime.now(UTC).isoformat()})
    values = (ENDPOINT, 5, "another", again.to_bytes().decode())
    chain.sql("insert into generations values (?, ?, ?, ?)", *values)
    assert f"its decision {chain.frozen[:12]}… was used before" in breaks(chain.verify())


def test_a_record_that_is_no_database_is_a_break_and_no_traceback(chain: Chain) -> None:
    chain.database.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert "endpoint states" in breaks(chain.verify())


@pytest.mark.parametrize("state", ["{", "[]", '{"version":1}', "\x00", '{"version":99}', "[" * 100_000])
def test_a_row_that_is_no_state_is_a_break_and_no_traceback(chain: Chain, state: str) -> None:
    chain.sql("update generations set state = ? where generation = 2", state)
    assert breaks(chain.verify())


def test_a_decision_in_place_of_another_one_is_found(chain: Chain) -> None:
    policy = chain.policy()
    again = chain.decide(chain.gate_of(chain.released), policy)
    other = chain.decided(id_of(chain, again))
    chain.edit(1, decision=other.id)
    found = breaks(chain.verify())
    assert f"carried out decision {chain.released[:12]}…, and no generation names it" in found


def id_of(chain: Chain, decided: Manifest) -> str:
    """The id of the decision in an output of the step decide."""
    keys = {key: chain.store.read(key) for key in chain.store.list("decisions")}
    envelope = next(shard for shard in decided.shards if shard.uri.endswith("envelope.json"))
    data = chain.store.read(envelope.uri)
    return next(key for key, kept in keys.items() if kept == data).removeprefix("decisions/").removesuffix(".json")


def test_a_moment_outside_what_the_decision_allows_is_found(chain: Chain) -> None:
    later = (datetime.now(UTC) + timedelta(hours=25)).isoformat()
    chain.edit(3, changed=later)
    assert f"was changed at {later}" in breaks(chain.verify())


def test_a_moment_before_the_decision_is_found(chain: Chain) -> None:
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    chain.edit(1, changed=earlier)
    assert f"was changed at {earlier}" in breaks(chain.verify())


def test_generations_that_go_back_in_time_are_found(chain: Chain) -> None:
    late = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    chain.edit(2, changed=late)
    assert "before the generation that it follows" in breaks(chain.verify())


def test_a_word_that_had_expired_when_it_was_acted_on_is_found(chain: Chain) -> None:
    policy = chain.policy(1)
    evidence = chain.evidence(chain.first, chain.answers(chain.first, 0), policy)
    found = read_evidence(chain.store, evidence)
    soon = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    case = found.case(ENDPOINT, "local")
    given = {"subject": found.candidate, "case": case, "expires": soon}
    word = chain.person(DecisionKind.APPROVAL, Permits.NOTHING, **given)
    chain.change(chain.person(DecisionKind.THAW, Permits.THAW))
    approved = Evidence(role="approval", key="approvals/x.json", digest=sha256(chain.signed(word)))
    chain.store.write(approved.key, chain.signed(word))
    decision = released(chain, evidence, policy, approved)
    chain.change(decision, (datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert f"approval {word.id[:12]}… held from" in breaks(chain.verify())


# keys


def test_a_key_that_was_revoked_afterwards_proves_nothing(chain: Chain) -> None:
    trust = chain.keys.change(chain.release, revoked="2026-12-02T00:00:00+00:00", why="stolen")
    found = breaks(chain.verify(trust=trust))
    assert "with a key that was revoked" in found
    assert f"its decision {chain.released[:12]}… does not hold" in found


def test_a_key_that_was_retired_afterwards_still_proves(chain: Chain) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    found = chain.verify(trust=chain.keys.change(chain.release, retired=later))
    assert found.exit_code is ExitCode.DONE
    assert f"retired since ({later})" in "\n".join(found.lines())


def test_a_key_that_was_retired_before_it_signed_proves_nothing(chain: Chain) -> None:
    trust = chain.keys.change(chain.release, retired="2020-01-01T00:00:00+00:00")
    assert "retired before that" in breaks(chain.verify(trust=trust))


def test_a_key_that_nobody_trusts_proves_nothing(chain: Chain) -> None:
    trust = chain.keys.trust.model_copy(update={"keys": (chain.alice,)})
    assert "a key that nobody trusts" in breaks(chain.verify(trust=trust))


def test_a_decision_for_another_environment_is_found(chain: Chain) -> None:
    assert "is for the environment local, and this is production" in breaks(chain.verify(environment="production"))


def test_an_approval_that_was_revoked_is_none(chain: Chain) -> None:
    trust = chain.keys.change(chain.alice, revoked="2026-12-02T00:00:00+00:00", why="left in anger")
    assert "the policy asks for 1, 0 hold" in breaks(chain.verify(trust=trust))
