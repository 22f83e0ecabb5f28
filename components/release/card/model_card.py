"""Writes the model card from what was measured and decided. A part that is missing refuses the release."""

from __future__ import annotations

from collections.abc import Sequence

from components.core.attempt import Attempt, Draft, Outcome
from components.core.decision import Decision, Verdict, decision_in
from components.core.errors import InvalidInput
from components.core.evidence import GateEvidence, read_evidence
from components.core.manifest import Kind, Manifest, read_manifest, resolve_reference
from components.core.report import Example, Figure
from components.core.store import Store
from components.core.suites import Suite, read_heads
from components.release.card.facts import Facts, missing_parts
from components.release.card.front_matter import front_matter, whole_card
from components.release.card.lineage import trace
from components.release.card.sections import body
from components.release.card.settings import Card

README = "README.md"


def card_reference(attempt: Attempt, settings: Card, evidence: Manifest, decision: Manifest, model: str) -> Outcome:
    """Output: ``card``, a README.md with Hugging Face's front matter. The word is `pass`, or `refuse` where a part is
    missing; the card is written all the same, and says which.

    ``model`` names the model's manifest by place and digest. The decision is read and not verified: whoever acts on it
    does that. Raises InvalidInput when model, evidence and decision are not about the same model.
    """
    described = resolve_reference(attempt.store, model)
    facts = _facts(attempt.store, settings, described, evidence, decision)
    missing = missing_parts(facts)
    text = whole_card(front_matter(facts), body(facts, missing))
    for sentence in missing:
        attempt.examples.append(Example(title="missing", before=sentence, good=False))
    attempt.figures["missing"] = Figure(value=len(missing), unit="parts")
    readme = attempt.attach("card", README, text.encode())
    return attempt.commit(
        {"card": Draft(Kind.REPORT, attempt.rows(Kind.REPORT, "card"), extra=(readme,))},
        settings=settings,
        inputs={"evidence": evidence, "decision": decision, "model": described},
        word=Verdict.REFUSE if missing else Verdict.PASS,
        said=_said(missing),
    )


def _facts(store: Store, settings: Card, model: Manifest, evidence: Manifest, decision: Manifest) -> Facts:
    found, decided = read_evidence(store, evidence), decision_in(store, decision.named)
    subject = decided.subject.digest if decided.subject else ""
    if model.kind is not Kind.MODEL or model.model is None:
        raise InvalidInput(f"{model.key}: holds {model.kind}, no model; name the output of the step export")
    if {found.candidate.digest, subject} != {model.digest} or evidence.digest not in _named(decided):
        raise InvalidInput(
            f"{model.key}: evidence {evidence.key} and decision {decision.key} are about another model, or not about"
            " each other; take all three from one release"
        )
    return Facts(
        settings=settings,
        model=model,
        about=model.model,
        lineage=trace(store, model),
        evidence=found,
        decision=decided,
        heads=_heads(store, found),
    )


def _named(decision: Decision) -> set[str]:
    return {one.digest for one in decision.evidence}


def _heads(store: Store, evidence: GateEvidence) -> tuple[Suite, ...]:
    return read_heads(store, read_manifest(store, evidence.suites))


def _said(missing: Sequence[str]) -> str:
    if not missing:
        return "The model card is whole."
    parts = "1 part" if len(missing) == 1 else f"{len(missing)} parts"
    return f"The model card lacks {parts}, so nothing was released: {'; '.join(missing)}. Add that and release again."
