"""Carries out what was decided, and lets the registry follow."""

from __future__ import annotations

from datetime import UTC, datetime

from components.core.attempt import Attempt, Outcome
from components.core.decision import ENVELOPE, Verdict
from components.core.endpoint import EndpointState, open_endpoints
from components.core.errors import Refused
from components.core.manifest import Manifest, read_beside
from components.core.report import Example, Figure
from components.core.trust import read_trust
from components.release.registries.projection import project_aliases
from components.release.transition.change import carry_out
from components.release.transition.settings import Transition


def transition(
    attempt: Attempt,
    decision: Manifest,
    card: Manifest,
    settings: Transition,
    endpoint: str,
    environment: str,
    policy: str,
    endpoints: str,
    trust: str,
    registry: str,
) -> Outcome:
    """Carries out the decision that ``decision`` holds, and lets the registry's aliases follow. No output.

    Raises Refused (exit 3) for a decision that may not be acted on, Conflict (exit 5) when something else serves than
    it was made against or it was used before. Nothing has changed then. A registry that is away is told of, and does
    not undo the transition: its aliases are a copy of the state.
    """
    if decision.digest not in {parent.digest for parent in card.parents}:
        raise Refused(f"card {card.key}: describes another decision than {decision.key}; run the release again")
    state = carry_out(
        attempt.store,
        read_beside(attempt.store, decision, ENVELOPE, "decision", "decide"),
        endpoints=open_endpoints(endpoints),
        trust=read_trust(trust),
        endpoint=endpoint,
        environment=environment,
        policy=policy,
        now=datetime.now(UTC),
    )
    behind = project_aliases(registry, state, attempt.store)
    attempt.figures["generation"] = Figure(value=state.generation)
    said = f"{endpoint}: {_short(state)} serves from generation {state.generation}"
    if behind:
        attempt.examples.append(Example(title="registry", before=behind, good=False))
        said = f"{said}; {behind}"
    inputs = {"decision": decision, "card": card}
    return attempt.commit({}, settings=settings, inputs=inputs, word=Verdict.PASS, said=said)


def _short(state: EndpointState) -> str:
    return f"{state.champion.digest[:12]}…" if state.champion else "nothing"
