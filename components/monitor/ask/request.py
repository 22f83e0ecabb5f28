"""Asks for a lifecycle on the decision to retrain; a graph never starts another itself."""

from __future__ import annotations

from components.core.attempt import Attempt, Outcome
from components.core.decision import Decision, Verdict, decision_in
from components.core.errors import Refused
from components.core.manifest import Manifest, read_manifest
from components.core.run_request import CORRECTED, RequestedInput, RunRequest
from components.core.store import Store
from components.monitor.ask.settings import Ask

ASKER = "monitoring"


def ask(
    attempt: Attempt,
    decision: Manifest,
    corrected: Manifest,
    settings: Ask,
    spec: str,
    recipe: str,
    environment: str,
) -> Outcome:
    """Asks for the lifecycle, to learn from ``corrected`` too. The outcome's word is the request's name.

    ``spec`` is the digest of the compiled lifecycle, ``recipe`` that of the recipe. Asking twice on one decision asks
    once. Raises Refused for a decision that is not one to retrain, or that names other corrections as its evidence: the
    branch of the graph is not the only guard, and the dispatcher, which verifies the signature, is not either.
    """
    decided = decision_in(attempt.store, decision.named)
    if decided.verdict is not Verdict.RETRAIN:
        raise Refused(f"{decision.key}: decides to {decided.verdict}, not to retrain; nothing was asked for")
    _check_named(attempt.store, decided, corrected)
    given = RequestedInput(role=CORRECTED, content_digest=corrected.content_digest, reference=corrected.reference())
    asked = RunRequest(
        graph=settings.graph,
        spec=spec,
        recipe=recipe,
        environment=environment,
        inputs=(given,),
        asker=ASKER,
        decision=decided.id,
    )
    asked.put(attempt.store)
    inputs = {"decision": decision, "corrected": corrected}
    return attempt.commit({}, settings=settings, inputs=inputs, word=asked.name)


def _check_named(store: Store, decided: Decision, corrected: Manifest) -> None:
    """Feedback is an attack surface: what is learned from is what lay there when the decision was signed."""
    named = next((one for one in decided.evidence if one.role == CORRECTED), None)
    if named is None or read_manifest(store, named.manifest).content_digest != corrected.content_digest:
        raise Refused(
            f"{corrected.key}: is not what decision {decided.id[:12]} names to learn from; run monitoring from its"
            " first step"
        )
