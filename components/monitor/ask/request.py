"""Asks for a lifecycle on the decision to retrain; a graph never starts another itself."""

from __future__ import annotations

from components.core.attempt import Attempt, Outcome
from components.core.decision import Verdict, decision_in
from components.core.errors import Refused
from components.core.manifest import Manifest
from components.core.run_request import RequestedInput, RunRequest
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
    once. Raises Refused for a decision that is not one to retrain: the branch of the graph is not the only guard, and
    the dispatcher, which verifies the signature, is not either.
    """
    decided = decision_in(attempt.store, decision.named)
    if decided.verdict is not Verdict.RETRAIN:
        raise Refused(f"{decision.key}: decides to {decided.verdict}, not to retrain; nothing was asked for")
    given = RequestedInput(role="corrected", content_digest=corrected.content_digest, reference=corrected.reference())
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
