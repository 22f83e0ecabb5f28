"""Decides whether the model is trained again, by a window's figures, the policy and the history. Signs the answer."""

from __future__ import annotations

from components.core.attempt import Attempt, Draft, Outcome
from components.core.decision import ENVELOPE, POLICY, Decision, DecisionKind, Evidence, keep_decision
from components.core.endpoint import open_endpoints
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, Reference, Shard
from components.core.moment import parse_moment
from components.core.report import Example, Figure
from components.core.run_request import CORRECTED
from components.core.signing import policy_digest, sign, signer_fields
from components.core.store import Store
from components.core.trust import read_trust
from components.monitor.figures import Figures
from components.monitor.observe.records import figures_of, window_at
from components.monitor.retraining.history import history_of
from components.monitor.retraining.rule import Answer, decide
from components.monitor.retraining.settings import Retraining

SIGNER = "monitor"


def retraining(
    attempt: Attempt,
    evidence: Manifest,
    settings: Retraining,
    now: str,
    endpoint: str,
    endpoints: str,
    environment: str,
    trust: str,
    key: str,
) -> Outcome:
    """Output: ``decision``, an envelope and the policy. The word is the verdict: retrain, wait or alert.

    ``endpoints`` is where the records of what should serve lie, ``trust`` the address of the trust roots, ``key`` that
    of the key that signs as the monitor. Raises InvalidInput when the evidence is about another endpoint or window,
    and when the key cannot sign.
    """
    figures, roots = _figures(attempt, evidence, endpoint, now), read_trust(trust)
    champion = _champion(endpoints, endpoint, figures.model)
    found = history_of(attempt.store, figures, settings, roots, environment, champion)
    answer = decide(figures, settings, found.history)
    attempt.figures |= {
        "earlier_windows": Figure(value=len(found.history.windows), unit="windows"),
        "retrainings": Figure(value=len(found.history.retrainings), unit="runs"),
        "cost": Figure(value=found.history.cpu_hours, unit="CPU-hours"),
    }
    kept = attempt.attach("decision", POLICY, settings.encode().encode())
    named = (
        Evidence(role="figures", key=evidence.key, digest=evidence.digest),
        Evidence(role="policy", key=kept.uri, digest=kept.sha256),
    )
    decision = Decision(
        kind=DecisionKind.RETRAIN,
        endpoint=endpoint,
        environment=environment,
        subject=champion,
        incumbent=figures.model,
        verdict=answer.verdict,
        reasons=(*answer.reasons, *found.ignored),
        evidence=(*named, *_corrected(attempt.store, figures), *found.evidence),
        policy=policy_digest(settings.encode()),
        **signer_fields(roots, SIGNER, parse_moment(now), settings.valid_hours),
    )
    return _commit(attempt, evidence, settings, answer, decision, (sign(decision, key, roots), kept))


def _figures(attempt: Attempt, evidence: Manifest, endpoint: str, now: str) -> Figures:
    """The figures that are decided on: of this endpoint, and of the window that ends now."""
    figures = figures_of(attempt.store, evidence.named)
    if figures.endpoint != endpoint or parse_moment(figures.until) != parse_moment(now):
        raise InvalidInput(
            f"{evidence.key}: is about {figures.endpoint} up to {figures.until}, not about {endpoint} up to {now};"
            " run monitoring from its first step"
        )
    return figures


def _corrected(store: Store, figures: Figures) -> tuple[Evidence, ...]:
    """What this window allows to be learned from: named here, nobody can put something else in its place later."""
    window = window_at(store, figures.endpoint, parse_moment(figures.until), {})
    named = window.outputs.get(CORRECTED) if window else None
    return (Evidence(role=CORRECTED, key=named.key, digest=named.digest),) if named else ()


def _commit(
    attempt: Attempt,
    evidence: Manifest,
    settings: Retraining,
    answer: Answer,
    decision: Decision,
    signed: tuple[bytes, Shard],
) -> Outcome:
    """Keeps the decision under its id, and hands it on with the policy beside it."""
    envelope, policy = signed
    keep_decision(attempt.store, decision, envelope)
    attempt.examples.append(Example(title=f"decision {decision.id}", before=answer.said))
    beside = (attempt.attach("decision", ENVELOPE, envelope), policy)
    draft = Draft(Kind.REPORT, attempt.rows(Kind.REPORT, "decision"), extra=beside)
    inputs = {"evidence": evidence}
    return attempt.commit({"decision": draft}, settings=settings, inputs=inputs, word=answer.verdict, said=answer.said)


def _champion(endpoints: str, endpoint: str, digest: str) -> Reference | None:
    """The model that the window is about; another may serve by now, so it is looked for in all generations."""
    if not digest:
        return None
    history = open_endpoints(endpoints).history(endpoint)
    named = (state.champion for state in reversed(history) if state.champion)
    return next((champion for champion in named if champion.digest == digest), None)
