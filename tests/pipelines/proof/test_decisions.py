"""What somebody who holds the key of the release could sign, though no gate said it."""

from __future__ import annotations

from typing import Any

import pytest

from components.core.canonical import canonical_json, sha256
from components.core.decision import DecisionKind, Evidence, Permits, Reason, Verdict, keep_decision
from components.core.endpoint import Incumbent
from components.core.errors import ExitCode
from components.core.evidence import read_evidence
from components.core.manifest import Manifest
from pipelines.proof.tree import broken
from pipelines.proof.walk import verify_model
from tests.pipelines.proof.chain import ENDPOINT, Chain, breaks, of_decision, released


def judged(chain: Chain, wrong: int = 0, policy: str = "", **changes: Any) -> tuple[Manifest, str]:
    policy = policy or chain.policy()
    return chain.evidence(chain.third, chain.answers(chain.third, wrong), policy, **changes), policy


def test_what_the_step_decide_would_sign_holds(chain: Chain) -> None:
    evidence, policy = judged(chain)
    decision = released(chain, evidence, policy)
    keep_decision(chain.store, decision, chain.signed(decision))
    assert verify_model(chain.scene(), [chain.third.named]).exit_code is ExitCode.DONE


def test_a_verdict_that_the_answers_do_not_give_is_found(chain: Chain) -> None:
    evidence, policy = judged(chain, wrong=35)
    claims = tuple(claim.model_copy(update={"holds": True}) for claim in read_evidence(chain.store, evidence).claims)
    forged, _ = judged(chain, wrong=35, verdict=Verdict.PASS, claims=claims)
    assert "gives something else than the evidence that was kept" in of_decision(chain, released(chain, forged, policy))


def test_a_decision_that_passes_what_the_gate_refused_is_found(chain: Chain) -> None:
    evidence, policy = judged(chain, wrong=35)
    assert "the gate said refuse, and the decision says pass" in of_decision(chain, released(chain, evidence, policy))


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("incumbent", "", "incumbent"),
        ("case", "0" * 64, "case"),
        ("policy", sha256("another"), "policy"),
    ],
)
def test_a_decision_about_something_else_than_its_evidence_is_found(
    chain: Chain, field: str, value: str, name: str
) -> None:
    evidence, policy = judged(chain)
    found = of_decision(chain, released(chain, evidence, policy, **{field: value}))
    assert f"the gate judged another {name} than the decision is about" in found


def test_a_decision_about_another_model_than_its_evidence_is_found(chain: Chain) -> None:
    evidence, policy = judged(chain)
    found = of_decision(chain, released(chain, evidence, policy, subject=chain.first.named))
    assert "the gate judged another model" in found


def test_evidence_for_another_endpoint_is_found(chain: Chain) -> None:
    state = chain.endpoints.read(ENDPOINT)
    other = Incumbent(endpoint="elsewhere", generation=state.generation, model=state.champion)
    evidence, policy = judged(chain, incumbent=other)
    assert "the gate judged another endpoint" in of_decision(chain, released(chain, evidence, policy))


def test_reasons_that_the_gate_did_not_give_are_found(chain: Chain) -> None:
    evidence, policy = judged(chain)
    reasons = (Reason(code="trust_me", text="It is fine.", holds=True),)
    assert "gives other reasons" in of_decision(chain, released(chain, evidence, policy, reasons=reasons))


def test_a_policy_that_was_replaced_is_found(chain: Chain) -> None:
    evidence, policy = judged(chain)
    decision = released(chain, evidence, policy)
    chain.store.write("insider/policy.json", chain.policy(2).encode())
    assert "insider/policy.json was changed" in of_decision(chain, decision)


def test_a_policy_of_another_digest_than_the_decision_says_is_found(chain: Chain) -> None:
    evidence, policy = judged(chain)
    lenient = canonical_json({"gate": {"claims": [], "alpha": 0.4}, "decide": {}})
    named = (
        Evidence(role="gate", key=evidence.key, digest=evidence.digest),
        Evidence(role="policy", key="insider/lenient.json", digest=sha256(lenient)),
    )
    chain.store.write("insider/lenient.json", lenient.encode())
    found = of_decision(chain, released(chain, evidence, policy, evidence=named))
    assert "is another policy than the one that it was decided by" in found


@pytest.mark.parametrize("role", ["gate", "policy"])
def test_a_release_without_evidence_or_policy_is_found(chain: Chain, role: str) -> None:
    evidence, policy = judged(chain)
    decision = released(chain, evidence, policy)
    kept = tuple(named for named in decision.evidence if named.role != role)
    found = of_decision(chain, decision.model_copy(update={"evidence": kept}))
    said = {"gate": "rests on a gate's evidence, and names none", "policy": "does not say where its policy lies"}
    assert said[role] in found


def test_a_release_without_the_people_whom_the_policy_asks_is_found(chain: Chain) -> None:
    evidence, policy = judged(chain, policy=chain.policy(1))
    assert "the policy asks for 1, 0 hold" in of_decision(chain, released(chain, evidence, policy))


def test_one_person_who_approves_twice_is_one_person(chain: Chain) -> None:
    evidence, policy = judged(chain, policy=chain.policy(2))
    found = read_evidence(chain.store, evidence)
    words = []
    for text in ("once", "twice"):
        reasons = (Reason(code="said", text=text, holds=True),)
        case = {"subject": found.candidate, "case": found.case(ENDPOINT, "local"), "reasons": reasons}
        envelope = chain.signed(chain.person(DecisionKind.APPROVAL, Permits.NOTHING, **case))
        words.append(Evidence(role="approval", key=f"approvals/{text}.json", digest=sha256(envelope)))
        chain.store.write(words[-1].key, envelope)
    assert "the policy asks for 2, 1 hold" in of_decision(chain, released(chain, evidence, policy, *words))


def test_an_approval_of_another_case_is_none(chain: Chain) -> None:
    evidence, policy = judged(chain, policy=chain.policy(1))
    old = next(named for named in chain.decided(chain.approved).evidence if named.role == "approval")
    assert "is no word about this case" in of_decision(chain, released(chain, evidence, policy, old))


def test_a_refusal_among_the_approvals_is_found(chain: Chain) -> None:
    evidence, policy = judged(chain)
    found = read_evidence(chain.store, evidence)
    case = {"subject": found.candidate, "case": found.case(ENDPOINT, "local"), "verdict": Verdict.REFUSE}
    envelope = chain.signed(chain.person(DecisionKind.APPROVAL, Permits.NOTHING, **case))
    chain.store.write("approvals/no.json", envelope)
    no = Evidence(role="approval", key="approvals/no.json", digest=sha256(envelope))
    assert "alice said refuse, and the decision passes" in of_decision(chain, released(chain, evidence, policy, no))


def test_other_evidence_that_a_decision_names_is_hashed(chain: Chain) -> None:
    evidence, policy = judged(chain)
    chain.store.write("drift/figures.json", b"{}")
    extra = Evidence(role="drift", key="drift/figures.json", digest=sha256("[]"))
    assert "drift/figures.json was changed" in of_decision(chain, released(chain, evidence, policy, extra))


def test_a_release_without_a_card_is_found_where_it_serves(chain: Chain) -> None:
    evidence, policy = judged(chain)
    chain.change(chain.person(DecisionKind.THAW, Permits.THAW))
    chain.change(released(chain, evidence, policy))
    assert "no model card describes its decision" in breaks(chain.verify())


def test_a_rollback_to_what_never_served_is_found(chain: Chain) -> None:
    chain.change(chain.person(DecisionKind.THAW, Permits.THAW))
    serving = chain.second.digest
    to = {"subject": chain.base.named, "incumbent": serving}
    chain.change(chain.person(DecisionKind.ROLLBACK, Permits.CHAMPION, **to))
    assert "which never served here" in breaks(chain.verify())


def test_a_rollback_to_what_served_holds(chain: Chain) -> None:
    chain.change(chain.person(DecisionKind.THAW, Permits.THAW))
    to = {"subject": chain.first.named, "incumbent": chain.second.digest}
    chain.change(chain.person(DecisionKind.ROLLBACK, Permits.CHAMPION, **to))
    assert chain.verify().exit_code is ExitCode.DONE


def test_broken_glass_is_told_and_counts(chain: Chain) -> None:
    to = {"subject": chain.base.named, "incumbent": chain.second.digest}
    chain.change(chain.person(DecisionKind.BREAK_GLASS, Permits.CHAMPION, **to))
    found = chain.verify()
    assert found.exit_code is ExitCode.DONE
    assert any("· decision  break_glass" in line and "I looked at it." in line for line in found.lines())


def test_a_decision_to_retrain_rests_on_monitorings_policy_which_has_no_claims(chain: Chain) -> None:
    monitor = chain.keys.add("monitor", signs=(DecisionKind.RETRAIN,))
    policy = canonical_json({"cool_down_hours": 24, "least_labelled": 50})
    chain.store.write("observed/policy.json", policy.encode())
    decision = chain.decision(
        monitor,
        kind=DecisionKind.RETRAIN,
        verdict=Verdict.WAIT,
        permits=Permits.NOTHING,
        evidence=(Evidence(role="policy", key="observed/policy.json", digest=sha256(policy)),),
        policy=sha256(policy),
    )
    keep_decision(chain.store, decision, chain.signed(decision))
    found = chain.scene().decisions.verified(decision.id).node
    assert [node.said for node in found.children] == ["2 settings of when to retrain"]
    assert not [*broken(found)]
    chain.store.write("observed/policy.json", policy.replace("24", "1").encode())
    assert [*broken(chain.scene().decisions.verified(decision.id).node)]
