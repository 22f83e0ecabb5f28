"""Decides about a candidate: the gate's evidence, and people's word where the policy asks for it. Signs the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.core.attempt import Attempt, Draft, Outcome
from components.core.canonical import sha256
from components.core.decision import (
    ENVELOPE,
    POLICY,
    Decision,
    DecisionKind,
    Evidence,
    Permits,
    Reason,
    Verdict,
    keep_decision,
)
from components.core.errors import InvalidInput
from components.core.evidence import GateEvidence, read_evidence
from components.core.manifest import Kind, Manifest
from components.core.moment import parse_moment
from components.core.report import Example
from components.core.signing import policy_digest, sign, signer_fields
from components.core.trust import TrustRoots, read_trust
from components.release.decide.settings import Decide
from components.release.people import Words, words_about

SIGNER = "release"


@dataclass(frozen=True)
class Answer:
    """What is decided, before it is signed."""

    verdict: Verdict
    said: str
    reasons: tuple[Reason, ...] = ()
    approvals: tuple[Evidence, ...] = ()


def decide(
    attempt: Attempt,
    evidence: Manifest,
    settings: Decide,
    now: str,
    endpoint: str,
    environment: str,
    policy: str,
    trust: str,
    key: str,
) -> Outcome:
    """Output: ``decision``, an envelope and the policy. The word is the verdict: pass, hold, refuse or serves.

    ``policy`` is the whole policy in canonical JSON, ``trust`` the address of the trust roots, ``key`` that of the
    key that signs. A decision to hold is of kind gate: it says what people are asked to approve. Raises InvalidInput
    when the evidence was judged by another policy, and when the key cannot sign.
    """
    moment, roots = parse_moment(now), read_trust(trust)
    found = read_evidence(attempt.store, evidence)
    if found.policy != policy_digest(policy) or found.incumbent.endpoint != endpoint:
        raise InvalidInput(f"{evidence.key}: was judged for another endpoint or by another policy; judge it again")
    case = found.case(endpoint, environment)
    words = words_about(attempt.store, case, roots, moment, environment, settings.approvers)
    answer = _answer(found, settings, words, _who_may(roots, settings, environment))
    kept = attempt.attach("decision", POLICY, policy.encode())
    named = (
        Evidence(role="gate", key=evidence.key, digest=evidence.digest),
        Evidence(role="policy", key=kept.uri, digest=kept.sha256),
    )
    where = {"endpoint": endpoint, "environment": environment, "case": case}
    decision = _decision(found, answer, named, **where, **signer_fields(roots, SIGNER, moment, settings.valid_hours))
    envelope = sign(decision, key, roots)
    keep_decision(attempt.store, decision, envelope)
    attempt.examples.append(Example(title=f"decision {decision.id}", before=answer.said))
    beside = (attempt.attach("decision", ENVELOPE, envelope), kept)
    draft = Draft(Kind.REPORT, attempt.rows(Kind.REPORT, "decision"), extra=beside)
    inputs = {"evidence": evidence}
    return attempt.commit({"decision": draft}, settings=settings, inputs=inputs, word=answer.verdict, said=answer.said)


def _decision(found: GateEvidence, answer: Answer, named: tuple[Evidence, ...], **where: str) -> Decision:
    """What is signed: the answer about what the gate looked at. Held, it is the gate's decision, not a release."""
    return Decision(
        kind=DecisionKind.GATE if answer.verdict is Verdict.HOLD else DecisionKind.RELEASE,
        subject=found.candidate,
        incumbent=found.incumbent.model.digest if found.incumbent.model else "",
        verdict=answer.verdict,
        permits=Permits.CHAMPION if answer.verdict is Verdict.PASS else Permits.NOTHING,
        reasons=(*answer.reasons, *found.reasons),
        evidence=(*named, *answer.approvals),
        policy=found.policy,
        **where,
    )


def _who_may(roots: TrustRoots, settings: Decide, environment: str) -> tuple[str, ...]:
    """Who can be asked: those whom the policy names, or all whose key may sign an approval here."""
    may = [
        key.name
        for key in roots.keys
        if key.active and DecisionKind.APPROVAL in key.signs and key.counts_in(environment)
    ]
    return tuple(sorted(name for name in may if not settings.approvers or name in settings.approvers))


def _answer(found: GateEvidence, settings: Decide, words: Words, who: Sequence[str]) -> Answer:
    if found.verdict is not Verdict.PASS or not settings.approvals:
        return Answer(found.verdict, found.paragraph, words.ignored)
    if words.refusal:
        decision = words.refusal.decision
        said = f"Refused by {decision.signer}: {decision.reasons[0].text.rstrip('.')}. What serves was not changed."
        reason = Reason(code="refused_by_a_person", text=said)
        return Answer(Verdict.REFUSE, said, (reason, *words.ignored), _as_evidence(words))
    if len(words.names) >= settings.approvals:
        said = f"{found.paragraph} Approved by {' and '.join(words.names)}."
        reasons = tuple(
            Reason(code="approved", holds=True, text=f"{word.decision.signer}: {word.decision.reasons[0].text}")
            for word in words.approvals
        )
        return Answer(Verdict.PASS, said, (*reasons, *words.ignored), _as_evidence(words))
    return _held(settings, words, who)


def _held(settings: Decide, words: Words, who: Sequence[str]) -> Answer:
    missing = settings.approvals - len(words.names)
    asked = " or ".join(name for name in who if name not in words.names)
    asked = asked or "nobody yet: make a person's key with `sluice keys new NAME`"
    more = "more " if words.names else ""
    so_far = f" {' and '.join(words.names)} approved." if words.names else ""
    said = (
        f"Held: the gate passed it, and {missing} {more}approval{'s are' if missing > 1 else ' is'} asked of {asked}."
        f"{so_far} `sluice approve RUN --as NAME --reason TEXT`, or `sluice refuse`."
    )
    return Answer(Verdict.HOLD, said, (Reason(code="waits_for_people", text=said), *words.ignored))


def _as_evidence(words: Words) -> tuple[Evidence, ...]:
    chosen = (words.refusal,) if words.refusal else words.approvals
    return tuple(Evidence(role="approval", key=word.key, digest=sha256(word.envelope)) for word in chosen)
