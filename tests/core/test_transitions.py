"""``after``: the one rule of what may follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.decision import Decision, DecisionKind, Permits, Verdict
from components.core.endpoint import MAY, EndpointState, after
from components.core.errors import Conflict, Refused
from components.core.manifest import Reference
from components.core.trust import TrustedKey
from tests.core.keyring import MODEL, Keyring, moment

BETTER = Reference(key="export/b/model/manifest.json", digest="b" * 64, content_digest="d" * 64)
SERVES = EndpointState(endpoint="helpdesk", generation=3, champion=MODEL, weights={"champion": 1.0}, decision="d3")
PERMITTED = [(kind, permits) for permits, kinds in MAY.items() for kind in kinds]


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


@pytest.fixture
def key(ring: Keyring) -> TrustedKey:
    return ring.add("anna", signs=tuple(DecisionKind))


def about_the_endpoint(ring: Keyring, key: TrustedKey, permits: Permits) -> Decision:
    return ring.decision(key, kind=DecisionKind(permits), permits=permits, subject=None)


def test_a_champion_follows_and_what_served_is_the_previous_one(ring: Keyring, key: TrustedKey) -> None:
    decision = ring.decision(key, subject=BETTER, incumbent=MODEL.digest)
    new = after(SERVES, decision, moment())
    assert (new.generation, new.champion, new.previous) == (4, BETTER, MODEL)
    assert (new.weights, new.decision, new.changed) == ({"champion": 1.0}, decision.id, moment())


def test_a_first_champion_follows_nothing(ring: Keyring, key: TrustedKey) -> None:
    new = after(EndpointState(endpoint="helpdesk"), ring.decision(key), moment())
    assert (new.generation, new.champion, new.previous) == (1, MODEL, None)


@pytest.mark.parametrize("incumbent", ["", BETTER.digest])
def test_a_decision_against_what_no_longer_serves_is_a_conflict(ring: Keyring, key: TrustedKey, incumbent: str) -> None:
    with pytest.raises(Conflict, match=r"was made against .* but aaaaaaaaaaaa… serves") as error:
        after(SERVES, ring.decision(key, subject=BETTER, incumbent=incumbent), moment())
    assert error.value.exit_code == 5


def test_a_decision_for_another_endpoint_is_refused(ring: Keyring, key: TrustedKey) -> None:
    with pytest.raises(Refused, match="is about the endpoint payments, not helpdesk"):
        after(SERVES, ring.decision(key, endpoint="payments"), moment())


@pytest.mark.parametrize("verdict", [Verdict.HOLD, Verdict.REFUSE, Verdict.SERVES])
def test_a_decision_that_permits_nothing_changes_nothing(ring: Keyring, key: TrustedKey, verdict: Verdict) -> None:
    with pytest.raises(Refused, match=f"its verdict is {verdict}: it permits no transition"):
        after(SERVES, ring.decision(key, verdict=verdict, permits=Permits.NOTHING), moment())


@pytest.mark.parametrize("permits", list(Permits))
@pytest.mark.parametrize("kind", list(DecisionKind))
def test_a_decision_of_one_kind_cannot_do_what_another_does(
    ring: Keyring, key: TrustedKey, kind: DecisionKind, permits: Permits
) -> None:
    state = SERVES.model_copy(update={"frozen": "d2"}) if permits is Permits.THAW else SERVES
    decision = ring.decision(key, kind=kind, permits=permits, subject=BETTER, incumbent=MODEL.digest)
    if (kind, permits) in PERMITTED:
        assert after(state, decision, moment()).generation == 4
    else:
        with pytest.raises(Refused, match="permits no transition"):
            after(state, decision, moment())


def test_a_frozen_endpoint_takes_no_release_and_no_rollback_until_it_is_thawed(ring: Keyring, key: TrustedKey) -> None:
    frozen = after(SERVES, about_the_endpoint(ring, key, Permits.FREEZE), moment())
    assert (frozen.generation, frozen.frozen, frozen.champion) == (4, frozen.decision, MODEL)
    for kind in (DecisionKind.RELEASE, DecisionKind.ROLLBACK):
        decision = ring.decision(key, kind=kind, subject=BETTER, incumbent=MODEL.digest)
        with pytest.raises(Refused, match=f"is frozen by decision {frozen.frozen[:12]}"):
            after(frozen, decision, moment())
    thawed = after(frozen, about_the_endpoint(ring, key, Permits.THAW), moment())
    assert (thawed.generation, thawed.frozen, thawed.champion) == (5, "", MODEL)
    release = ring.decision(key, subject=BETTER, incumbent=MODEL.digest)
    assert after(thawed, release, moment()).champion == BETTER


def test_breaking_the_glass_goes_through_and_leaves_the_endpoint_frozen(ring: Keyring, key: TrustedKey) -> None:
    frozen = after(SERVES, about_the_endpoint(ring, key, Permits.FREEZE), moment())
    glass = ring.decision(key, kind=DecisionKind.BREAK_GLASS, subject=BETTER, incumbent=MODEL.digest)
    new = after(frozen, glass, moment())
    assert (new.champion, new.frozen) == (BETTER, frozen.frozen)


def test_even_breaking_the_glass_must_know_what_serves(ring: Keyring, key: TrustedKey) -> None:
    glass = ring.decision(key, kind=DecisionKind.BREAK_GLASS, subject=BETTER, incumbent=BETTER.digest)
    with pytest.raises(Conflict, match="was made against"):
        after(SERVES, glass, moment())


def test_what_is_frozen_is_not_frozen_again_and_what_is_not_is_not_thawed(ring: Keyring, key: TrustedKey) -> None:
    freeze, thaw = (about_the_endpoint(ring, key, permits) for permits in (Permits.FREEZE, Permits.THAW))
    with pytest.raises(Refused, match="helpdesk: is frozen already, by decision d2"):
        after(SERVES.model_copy(update={"frozen": "d2"}), freeze, moment())
    with pytest.raises(Refused, match="helpdesk: is not frozen"):
        after(SERVES, thaw, moment())


def test_an_endpoint_can_be_frozen_before_its_first_use(ring: Keyring, key: TrustedKey) -> None:
    frozen = after(EndpointState(endpoint="helpdesk"), about_the_endpoint(ring, key, Permits.FREEZE), moment())
    assert (frozen.generation, frozen.champion) == (1, None)
    with pytest.raises(Refused, match="is frozen"):
        after(frozen, ring.decision(key), moment())


def test_a_state_made_from_one_that_was_read_has_a_digest_of_its_own(ring: Keyring, key: TrustedKey) -> None:
    read = EndpointState.read(SERVES.to_bytes(), "here")
    new = after(read, ring.decision(key, subject=BETTER, incumbent=MODEL.digest), moment())
    assert new.digest == EndpointState.read(new.to_bytes(), "here").digest != read.digest
