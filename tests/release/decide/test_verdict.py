from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.core.decision import Decision, DecisionKind, Permits, Reason, Verdict, decision_in
from components.core.errors import InvalidInput
from components.core.signing import read_decision, sign
from components.release.decide.settings import Decide
from components.release.people import say, words_about
from tests.release.case import ENDPOINT, ENVIRONMENT, Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def asks(tmp_path: Path, approvals: int, *people: str, approvers: tuple[str, ...] = ()) -> Case:
    """A case whose policy asks people."""
    case = Case(tmp_path, Decide(approvals=approvals, approvers=approvers))
    for name in people:
        case.keys.add(name)
    return case


def speak(
    case: Case, held: Decision, name: str, verdict: Verdict = Verdict.PASS, *, key: str = "", **changes
) -> Decision:
    """A person's signed word about a held decision."""
    trusted = case.keys.trust.active_key(name)
    now = datetime.now(UTC)
    given = {
        "kind": DecisionKind.APPROVAL,
        "endpoint": held.endpoint,
        "environment": held.environment,
        "subject": held.subject,
        "incumbent": held.incumbent,
        "verdict": verdict,
        "reasons": (Reason(code="approved", text="I looked at it."),),
        "policy": held.policy,
        "case": held.case,
        "issued": now.isoformat(),
        "expires": (now + timedelta(hours=1)).isoformat(),
        "signer": name,
        "key_id": trusted.key_id,
    }
    word = Decision(**{**given, **changes})
    say(case.store, word, sign(word, case.keys.address(trusted), case.keys.trust))
    return word


def decided(case: Case, outcome) -> Decision:
    return decision_in(case.store, outcome.report.outputs["decision"])


def test_what_the_gate_passes_is_signed_and_may_serve(case: Case) -> None:
    model = case.model()
    outcome = case.decide(case.evidence(model))
    decision = read_decision(case.store, decided(case, outcome).id, case.keys.trust)
    assert outcome.word == "pass"
    assert (decision.kind, decision.permits, decision.subject) == (
        DecisionKind.RELEASE,
        Permits.CHAMPION,
        model.named,
    )
    assert (decision.endpoint, decision.environment, decision.incumbent) == (ENDPOINT, ENVIRONMENT, "")
    assert {named.role for named in decision.evidence} == {"gate", "policy"}


def test_a_refusal_is_signed_too_and_permits_nothing(case: Case) -> None:
    outcome = case.decide(case.evidence(case.model(), verdict=Verdict.REFUSE, paragraph="It lost."))
    assert outcome.word == "refuse"
    assert outcome.report.said == "It lost."
    assert decided(case, outcome).permits is Permits.NOTHING


def test_a_candidate_that_serves_already_needs_no_decision_to_serve(case: Case) -> None:
    outcome = case.decide(case.evidence(case.model(), verdict=Verdict.SERVES))
    assert outcome.word == "serves"
    assert decided(case, outcome).permits is Permits.NOTHING


def test_the_decision_carries_every_reason_of_the_gate(case: Case) -> None:
    fault = Reason(code="suite_too_small", text="exam: 20 questions see nothing.")
    outcome = case.decide(case.evidence(case.model(), verdict=Verdict.REFUSE, faults=(fault,)))
    assert fault in decided(case, outcome).reasons


def test_evidence_of_another_policy_is_no_evidence(case: Case) -> None:
    evidence = case.evidence(case.model(), policy="0" * 64)
    with pytest.raises(InvalidInput, match="another policy"):
        case.decide(evidence)


def test_a_placeholder_for_the_moment_is_refused(case: Case) -> None:
    with pytest.raises(InvalidInput, match="placeholder"):
        case.decide(case.evidence(case.model()), moment="{{$.pipeline_job_create_time_utc}}")


def test_one_approval_is_waited_for_and_then_it_passes(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna")
    evidence = case.evidence(case.model())
    held = case.decide(evidence)
    assert held.word == "hold"
    assert "anna" in held.report.said
    assert decided(case, held).kind is DecisionKind.GATE
    assert decided(case, held).permits is Permits.NOTHING
    speak(case, decided(case, held), "anna")
    passed = case.decide(evidence)
    assert passed.word == "pass"
    assert [named.role for named in decided(case, passed).evidence].count("approval") == 1


def test_two_approvals_are_of_two_people(tmp_path: Path) -> None:
    case = asks(tmp_path, 2, "anna", "bert")
    evidence = case.evidence(case.model())
    held = decided(case, case.decide(evidence))
    speak(case, held, "anna")
    speak(case, held, "anna", reasons=(Reason(code="approved", text="Again."),))
    again = case.decide(evidence)
    assert again.word == "hold"
    assert "1 more approval is asked of bert" in again.report.said
    speak(case, held, "bert")
    assert case.decide(evidence).word == "pass"


def test_one_refusal_is_enough(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna", "bert")
    evidence = case.evidence(case.model())
    held = decided(case, case.decide(evidence))
    speak(case, held, "anna")
    speak(case, held, "bert", Verdict.REFUSE, reasons=(Reason(code="refused", text="Network got worse."),))
    outcome = case.decide(evidence)
    assert outcome.word == "refuse"
    assert "bert" in outcome.report.said
    assert "Network got worse." in outcome.report.said


def test_the_word_about_another_case_does_not_count(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna")
    first, second = case.evidence(case.model("one")), case.evidence(case.model("two"))
    speak(case, decided(case, case.decide(first)), "anna")
    assert case.decide(second).word == "hold"


def test_a_word_put_beside_a_case_that_it_is_not_about_is_told_of_and_ignored(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna")
    evidence, other = case.evidence(case.model("one")), case.evidence(case.model("two"))
    about_other = decided(case, case.decide(other))
    held = decided(case, case.decide(evidence))
    word = speak(case, about_other, "anna")
    copied = case.store.read(f"approvals/{about_other.case}/{word.id}.json")
    case.store.write(f"approvals/{held.case}/{word.id}.json", copied)
    outcome = case.decide(evidence)
    assert outcome.word == "hold"
    assert "word_ignored" in [reason.code for reason in decided(case, outcome).reasons]


def test_a_forged_word_does_not_count_and_stops_nothing(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna", "bert")
    evidence = case.evidence(case.model())
    held = decided(case, case.decide(evidence))
    word = speak(case, held, "anna")
    key = f"approvals/{held.case}/{word.id}.json"
    case.store.write(key, case.store.read(key).replace(b'"sig":"', b'"sig":"A', 1))
    assert case.decide(evidence).word == "hold"
    speak(case, held, "bert")
    assert case.decide(evidence).word == "pass"


def test_an_approval_expires(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna")
    evidence = case.evidence(case.model())
    held = decided(case, case.decide(evidence))
    speak(case, held, "anna")
    later = datetime.now(UTC) + timedelta(hours=2)
    assert case.decide(evidence, later).word == "hold"


def test_who_was_not_asked_is_not_counted(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna", "bert", approvers=("anna",))
    evidence = case.evidence(case.model())
    held = decided(case, case.decide(evidence))
    speak(case, held, "bert")
    outcome = case.decide(evidence)
    assert outcome.word == "hold"
    assert "asked of anna" in outcome.report.said


def test_a_word_of_a_revoked_key_does_not_count(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna")
    evidence = case.evidence(case.model())
    held = decided(case, case.decide(evidence))
    speak(case, held, "anna")
    anna = case.keys.trust.active_key("anna")
    words = words_about(
        case.store,
        held.case,
        case.keys.change(anna, revoked="2026-01-01T00:00:00+00:00"),
        datetime.now(UTC),
        ENVIRONMENT,
    )
    assert not words.names
    assert "revoked" in words.ignored[0].text
