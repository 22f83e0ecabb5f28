from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.core.decision import Decision, DecisionKind, Evidence, Permits, Verdict
from components.core.endpoint import Observed, Phase
from components.core.errors import Conflict, Refused
from components.core.manifest import Manifest
from components.core.signing import sign, verify
from components.release.decide.settings import Decide
from components.release.transition.change import carry_out
from tests.release.case import ENDPOINT, ENVIRONMENT, Case
from tests.release.decide.test_verdict import asks, decided, speak

ROOT = Path(__file__).parents[3]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def act(case: Case, envelope: bytes, **changes: Any):
    given = {
        "endpoints": case.endpoints,
        "trust": case.keys.trust,
        "endpoint": ENDPOINT,
        "environment": ENVIRONMENT,
        "policy": case.policy,
        "now": datetime.now(UTC),
    }
    return carry_out(case.store, envelope, **{**given, **changes})


def forged(case: Case, envelope: bytes, **changes: Any) -> bytes:
    """The same decision with something changed, signed by the right key: what a careless service would sign."""
    decision = verify(envelope, case.keys.trust, "x").model_copy(update=changes)
    return sign(decision, case.keys.address(case.key), case.keys.trust)


def untouched(case: Case) -> bool:
    return case.endpoints.read(ENDPOINT).generation == 0


def test_a_decision_that_passes_makes_its_model_the_champion(case: Case) -> None:
    model, envelope = case.passed()
    state = act(case, envelope)
    assert state == case.endpoints.read(ENDPOINT)
    assert (state.generation, state.champion, state.previous) == (1, model.named, None)
    assert state.decision == verify(envelope, case.keys.trust, "x").id


def test_the_one_that_served_is_what_a_rollback_returns_to(case: Case) -> None:
    first, envelope = case.passed("one")
    act(case, envelope)
    second, envelope = case.passed("two")
    state = act(case, envelope)
    assert (state.generation, state.champion, state.previous) == (2, second.named, first.named)


def test_a_decision_counts_once(case: Case) -> None:
    _, envelope = case.passed()
    act(case, envelope)
    with pytest.raises(Conflict, match="used already, for generation 1"):
        act(case, envelope)
    assert case.endpoints.read(ENDPOINT).generation == 1


def test_a_decision_that_was_used_counts_no_more_when_its_incumbent_serves_again(case: Case) -> None:
    _, first = case.passed("one")
    act(case, first)
    _, second = case.passed("two")
    act(case, second)
    _, back = case.passed("one")
    act(case, back)
    with pytest.raises(Conflict, match="used already"):
        act(case, second)


def test_another_incumbent_than_it_was_made_against_is_a_conflict(case: Case) -> None:
    _, stale = case.passed("one")
    _, envelope = case.passed("two")
    act(case, envelope)
    with pytest.raises(Conflict, match="was made against nothing"):
        act(case, stale)
    assert case.endpoints.read(ENDPOINT).generation == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"endpoint": "other"}, "is for helpdesk in local, not for other"),
        ({"environment": "prod"}, "not for helpdesk in prod"),
        ({"now": datetime.now(UTC) + timedelta(hours=25)}, "expired"),
        ({"now": datetime.now(UTC) - timedelta(hours=1)}, "one of the two clocks is wrong"),
        ({"policy": '{"decide":{},"gate":{}}'}, "another policy"),
    ],
)
def test_a_decision_out_of_its_place_or_time_changes_nothing(case: Case, changes: dict, sentence: str) -> None:
    _, envelope = case.passed()
    with pytest.raises(Refused, match=sentence):
        act(case, envelope, **changes)
    assert untouched(case)


def test_a_clock_that_is_a_little_off_is_no_reason(case: Case) -> None:
    _, envelope = case.passed()
    assert act(case, envelope, now=datetime.now(UTC) - timedelta(minutes=4)).generation == 1


@pytest.mark.parametrize(
    "kind", [kind for kind in DecisionKind if kind.value not in ("release", "rollback", "break_glass")]
)
def test_no_other_kind_of_decision_makes_a_champion(case: Case, kind: DecisionKind) -> None:
    _, envelope = case.passed()
    everything = case.keys.change(case.key, signs=tuple(DecisionKind))
    decision = verify(envelope, case.keys.trust, "x").model_copy(update={"kind": kind})
    envelope = sign(decision, case.keys.address(case.key), everything)
    with pytest.raises(Refused, match="permits no transition"):
        act(case, envelope, trust=everything)
    assert untouched(case)


def test_a_refusal_permits_nothing(case: Case) -> None:
    outcome = case.decide(case.evidence(case.model(), verdict=Verdict.REFUSE))
    with pytest.raises(Refused, match="permits no transition"):
        act(case, case.envelope(outcome.manifests["decision"]))
    assert untouched(case)


def test_a_signed_pass_over_evidence_that_refuses_is_refused(case: Case) -> None:
    model, envelope = case.passed()
    refusing = case.evidence(model, verdict=Verdict.REFUSE)
    gate = Evidence(role="gate", key=refusing.key, digest=refusing.digest)
    with pytest.raises(Refused, match="does not pass"):
        act(case, forged(case, envelope, evidence=(gate,)))
    assert untouched(case)


def test_evidence_about_another_model_is_refused(case: Case) -> None:
    _, envelope = case.passed("one")
    with pytest.raises(Refused, match="about something else"):
        act(case, forged(case, envelope, subject=case.model("two").named))
    assert untouched(case)


def test_a_release_without_evidence_is_refused(case: Case) -> None:
    _, envelope = case.passed()
    with pytest.raises(Refused, match="names no evidence"):
        act(case, forged(case, envelope, evidence=()))
    assert untouched(case)


def test_a_model_that_is_gone_cannot_serve(case: Case) -> None:
    model, envelope = case.passed()
    case.store.remove(model.shards[0].uri)
    with pytest.raises(Refused, match="is not whole"):
        act(case, envelope)
    assert untouched(case)


def test_weights_that_were_changed_after_the_examination_do_not_serve(case: Case) -> None:
    model, envelope = case.passed()
    key = model.shards[0].uri
    case.store.write(key, bytes(len(case.store.read(key))))
    with pytest.raises(Refused, match="was changed after it was written"):
        act(case, envelope)
    assert untouched(case)


def test_every_byte_of_the_evidence_under_a_decision_counts(case: Case) -> None:
    model, envelope = case.passed()
    decision = verify(envelope, case.keys.trust, "x")
    for key in (model.key, next(named.key for named in decision.evidence if named.role == "gate")):
        data = case.store.read(key)
        for place in range(0, len(data)):
            case.store.write(key, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with pytest.raises(Refused):
                act(case, envelope)
        case.store.write(key, data)
    assert untouched(case)
    assert act(case, envelope).generation == 1


def test_every_byte_of_the_envelope_counts(case: Case) -> None:
    _, envelope = case.passed()
    for place in range(len(envelope)):
        with pytest.raises(Refused):
            act(case, envelope[:place] + bytes([envelope[place] ^ 1]) + envelope[place + 1 :])
    assert untouched(case)


def test_approvals_are_verified_again(tmp_path: Path) -> None:
    case = asks(tmp_path, 1, "anna")
    evidence = case.evidence(case.model())
    word = speak(case, decided(case, case.decide(evidence)), "anna")
    envelope = case.envelope(case.decide(evidence).manifests["decision"])
    anna = case.keys.trust.active_key("anna")
    with pytest.raises(Refused, match="revoked"):
        act(case, envelope, trust=case.keys.change(anna, revoked="2026-01-01T00:00:00+00:00"))
    without = forged(case, envelope, evidence=verify(envelope, case.keys.trust, "x").evidence[:2])
    with pytest.raises(Refused, match="0 of 1 people approved"):
        act(case, without)
    assert word.id not in case.endpoints.read(ENDPOINT).decision
    assert act(case, envelope).generation == 1


def test_who_holds_the_key_of_the_service_cannot_leave_the_people_out(tmp_path: Path) -> None:
    case = Case(tmp_path, Decide(approvals=1))
    model = case.model()
    evidence = case.evidence(model)
    held = decided(case, case.decide(evidence))
    passed = held.model_copy(
        update={"kind": DecisionKind.RELEASE, "verdict": Verdict.PASS, "permits": Permits.CHAMPION}
    )
    with pytest.raises(Refused, match="0 of 1"):
        act(case, sign(passed, case.keys.address(case.key), case.keys.trust))
    assert untouched(case)


def test_a_frozen_endpoint_takes_no_release_and_takes_a_broken_glass(case: Case) -> None:
    anna = case.keys.add("anna")
    model, envelope = case.passed()
    act(case, case.keys.signed(anna, **_now(kind=DecisionKind.FREEZE, permits=Permits.FREEZE, subject=None)))
    with pytest.raises(Refused, match="frozen"):
        act(case, envelope)
    glass = _now(kind=DecisionKind.BREAK_GLASS, subject=model.named)
    assert act(case, case.keys.signed(anna, **glass)).champion == model.named
    assert case.endpoints.read(ENDPOINT).frozen


def test_a_rollback_leads_to_what_has_served(case: Case) -> None:
    anna = case.keys.add("anna")
    first, envelope = case.passed("one")
    act(case, envelope)
    second, envelope = case.passed("two")
    act(case, envelope)
    to = {"kind": DecisionKind.ROLLBACK, "incumbent": second.digest}
    with pytest.raises(Refused, match="has served"):
        act(case, case.keys.signed(anna, **_now(subject=case.model("never").named, **to)))
    assert act(case, case.keys.signed(anna, **_now(subject=first.named, **to))).champion == first.named


def _now(**fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"issued": now.isoformat(), "expires": (now + timedelta(hours=1)).isoformat(), **fields}


def test_only_transition_changes_what_should_serve() -> None:
    """Nothing else in the code calls compare_and_set, or opens the table behind it."""
    calls = []
    for path in [*ROOT.glob("components/**/*.py"), *ROOT.glob("pipelines/**/*.py")]:
        tree = ast.parse(path.read_text())
        calls += [
            (path.relative_to(ROOT).as_posix(), node.lineno)
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr == "compare_and_set"
        ]
        if "into generations" in path.read_text() or "update generations" in path.read_text():
            assert path.name == "endpoint_sqlite.py"
    assert [file for file, _ in calls] == ["components/release/transition/change.py"]


def test_a_decision_read_from_a_frozen_clock_is_the_same_decision(case: Case) -> None:
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    evidence = case.evidence(case.model())
    first, second = (decided(case, case.decide(evidence, moment)) for _ in range(2))
    assert isinstance(first, Decision)
    assert first.statement().replace(_policy(first), b"") == second.statement().replace(_policy(second), b"")


def _policy(decision: Decision) -> bytes:
    """The place of the policy names the attempt; all else is the same."""
    return next(named.key for named in decision.evidence if named.role == "policy").encode()


# While what was released before is still on its way.


def observe(case: Case, generation: int, phase: Phase = Phase.STARTING, age: float = 0) -> None:
    at = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    seen = Observed(endpoint=ENDPOINT, generation=generation, phase=phase, heartbeat=at, since=at)
    case.endpoints.observe(seen)


def test_a_release_waits_for_the_one_before_it_to_arrive(case: Case) -> None:
    act(case, case.passed("one")[1])
    second, envelope = case.passed("two")
    observe(case, generation=0)
    with pytest.raises(
        Conflict, match=r"on its way to generation 1 \(it serves generation 0, starting .*release again"
    ):
        act(case, envelope)
    assert case.endpoints.read(ENDPOINT).generation == 1
    observe(case, generation=1, phase=Phase.STEADY)
    assert act(case, envelope).champion == second.named


@pytest.mark.parametrize(
    ("phase", "age"),
    [(Phase.FAILED, 0), (Phase.DEGRADED, 0), (Phase.STOPPED, 0), (Phase.STARTING, 31), (Phase.STEADY, 3600)],
)
def test_an_observer_that_failed_or_is_dead_holds_nothing_up(case: Case, phase: Phase, age: float) -> None:
    act(case, case.passed("one")[1])
    second, envelope = case.passed("two")
    observe(case, generation=0, phase=phase, age=age)
    assert act(case, envelope).champion == second.named


@pytest.mark.parametrize("kind", [DecisionKind.ROLLBACK, DecisionKind.BREAK_GLASS])
def test_a_rollback_and_a_broken_glass_wait_for_nobody(case: Case, kind: DecisionKind) -> None:
    first, envelope = case.passed("one")
    act(case, envelope)
    second, envelope = case.passed("two")
    act(case, envelope)
    observe(case, generation=0)
    assert act(case, by_hand(case, kind, first, second)).champion == first.named


def by_hand(case: Case, kind: DecisionKind, model: Manifest, incumbent: Manifest) -> bytes:
    """What a person decides about a model."""
    now = datetime.now(UTC)
    anna = next((key for key in case.keys.trust.keys if key.name == "anna"), None) or case.keys.add("anna")
    given = {"kind": kind, "subject": model.named, "incumbent": incumbent.digest, "issued": now.isoformat()}
    return case.keys.signed(anna, **given, expires=(now + timedelta(hours=1)).isoformat())


def test_a_rollback_does_not_hash_again_what_has_served_and_a_broken_glass_does(case: Case) -> None:
    first, envelope = case.passed("one")
    act(case, envelope)
    second, envelope = case.passed("two")
    act(case, envelope)
    path = case.folder / "store" / first.shards[0].uri
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(Refused, match="is not whole"):
        act(case, by_hand(case, DecisionKind.BREAK_GLASS, first, second))
    assert act(case, by_hand(case, DecisionKind.ROLLBACK, first, second)).champion == first.named


def test_a_rollback_to_a_manifest_that_was_changed_is_refused(case: Case) -> None:
    first, envelope = case.passed("one")
    act(case, envelope)
    second, envelope = case.passed("two")
    act(case, envelope)
    path = case.folder / "store" / first.key
    path.write_bytes(path.read_bytes().replace(b"scratch", b"scr4tch"))
    with pytest.raises(Refused, match="what it names as model does not hold"):
        act(case, by_hand(case, DecisionKind.ROLLBACK, first, second))
    assert case.endpoints.read(ENDPOINT).champion == second.named
