"""Whether a gate's evidence is about what a decision is about, and whether the answers still give the same verdict."""

from __future__ import annotations

import json
import math
from typing import Any

from components.core.decision import Decision, Verdict
from components.core.evidence import GateEvidence, read_evidence
from components.core.manifest import Manifest, Reference
from components.core.wording import counted
from pipelines.proof.artifacts import Artifacts
from pipelines.proof.content import heads_of
from pipelines.proof.ledger import DAMAGE
from pipelines.proof.tree import Broken, Mark, Node, sentence, short

TOLERANCE = 1e-9
"""What another machine's arithmetic may differ by."""


def check_judgement(artifacts: Artifacts, decision: Decision, named: Reference) -> str:
    """Holds a decision against the evidence that it names. Raises Broken where they are about different things."""
    found = _evidence(artifacts, named)
    serving = found.incumbent.model.digest if found.incumbent.model else ""
    pairs = {
        "model": (found.candidate, decision.subject),
        "incumbent": (serving, decision.incumbent),
        "endpoint": (found.incumbent.endpoint, decision.endpoint),
        "policy": (found.policy, decision.policy),
        "case": (found.case(decision.endpoint, decision.environment), decision.case),
    }
    for name, (judged, decided) in pairs.items():
        if judged != decided:
            raise Broken(f"the gate judged another {name} than the decision is about")
    if decision.verdict in (Verdict.PASS, Verdict.HOLD) and found.verdict is not Verdict.PASS:
        raise Broken(f"the gate said {found.verdict}, and the decision says {decision.verdict}")
    if not set(found.reasons) <= set(decision.reasons):
        raise Broken("the decision gives other reasons than its evidence")
    _check_examined(artifacts, found)
    applying = [claim for claim in found.claims if claim.applies]
    held = sum(claim.holds for claim in applying)
    against = f"against {short(serving)}" if serving else "nothing served yet"
    return f"{found.verdict}: {held} of {counted(len(applying), 'claim')} held, {against}; the exam was not trained on"


def _check_examined(artifacts: Artifacts, found: GateEvidence) -> None:
    """The answers must be those of the two models, to these suites, which the candidate was cleaned against."""
    suites, candidate = artifacts.read(found.suites), artifacts.read(found.candidate)
    examined = {"candidate": (found.answers, found.candidate)}
    if found.incumbent_answers and found.incumbent.model:
        examined["incumbent"] = (found.incumbent_answers, found.incumbent.model)
    for name, (answers, model) in examined.items():
        asked = {parent.role: parent.digest for parent in artifacts.read(answers).parents}
        if asked.get("model") != model.digest or asked.get("suites") != suites.digest:
            raise Broken(f"the answers of the {name} are another model's, or to other suites")
    for head in heads_of(suites, artifacts.ledger).values():
        if head.content_digest not in candidate.suites:
            raise Broken(f"the model was not decontaminated against suite {head.id} ({short(head.content_digest)})")


def recompute(artifacts: Artifacts, named: Reference, policy: str) -> Node:
    """Judges the same answers by the same policy again, and compares with the evidence that was kept."""
    title = "gate, worked out again"
    if not policy:
        return Node(title, "not possible without the policy", Mark.BROKEN)
    try:
        from components.evaluate.gate import judge
    except ImportError as error:
        return Node(title, f"not done: this installation has no {error.name}", Mark.NOTE)
    try:
        kept = _evidence(artifacts, named)
        again = judge.evaluate(**_given(artifacts, kept, policy), policy=policy)
        # What the gate saw of the endpoint in its moment can only have added faults; nobody can look again.
        seen = kept.faults[: len(kept.faults) - len(again.faults)]
        return Node(title, _compare(kept, judge.with_faults(again, seen)))
    except DAMAGE as error:
        return Node(title, sentence(error), Mark.BROKEN)


def _given(artifacts: Artifacts, kept: GateEvidence, policy: str) -> dict[str, Any]:
    from components.evaluate.gate.settings import Gate

    answered: Manifest | None = artifacts.read(kept.incumbent_answers) if kept.incumbent_answers else None
    return {
        "store": artifacts.ledger.store,
        "settings": Gate.model_validate(json.loads(policy)["gate"]),
        "model": artifacts.read(kept.candidate),
        "suites": artifacts.read(kept.suites),
        "answers": artifacts.read(kept.answers),
        "incumbent_answers": answered,
        "incumbent": kept.incumbent,
    }


def _compare(kept: GateEvidence, again: GateEvidence) -> str:
    if again.to_bytes() == kept.to_bytes():
        return f"the same, to the last digit: {kept.verdict}"
    path = _difference(kept.model_dump(mode="json"), again.model_dump(mode="json"))
    if path:
        raise Broken(f"gives something else than the evidence that was kept: {path}")
    return f"the same within {TOLERANCE:g}: {kept.verdict}"


def _difference(kept: Any, again: Any, path: str = "") -> str:
    """Where two documents differ by more than rounding; empty where they do not."""
    if isinstance(kept, dict) and isinstance(again, dict) and kept.keys() == again.keys():
        pairs = [(f"{path}.{key}".strip("."), kept[key], again[key]) for key in kept]
    elif isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        pairs = [(f"{path}[{at}]", *pair) for at, pair in enumerate(zip(kept, again, strict=True))]
    else:
        numbers = isinstance(kept, float) and isinstance(again, float)
        close = numbers and math.isclose(kept, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        return "" if close or kept == again else f"{path} was {_shown(kept)}, is {_shown(again)}"
    return next(filter(None, (_difference(one, other, at) for at, one, other in pairs)), "")


def _shown(value: Any) -> str:
    return str(value)[:60]


def _evidence(artifacts: Artifacts, named: Reference) -> GateEvidence:
    return read_evidence(artifacts.ledger.store, artifacts.read(named))
