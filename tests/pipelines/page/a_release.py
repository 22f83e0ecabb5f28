"""Releases as they lie in a store, made up: promoted, refused, held for two people, and their pages' runs."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from components.core.attempt import Attempt, Draft, Outcome
from components.core.canonical import canonical_json, sha256
from components.core.decision import Decision, DecisionKind, Evidence, Permits, Reason, Verdict
from components.core.evidence import FILE, GateEvidence
from components.core.manifest import Kind
from components.core.report import Example, Figure, Report
from components.core.run import Run, State, StepRun
from components.core.settings import StepSettings
from components.core.store import Store
from components.evaluate.benchmark.scores import Tally
from tests.pipelines.page import a_run

AFTER = {
    "benchmark": (), "incumbent": (), "gate": ("benchmark", "incumbent"), "decide": ("gate",),
    "card": ("gate", "decide"), "transition": ("decide", "card"),
}  # fmt: skip
CARD = f"---\nlicense: apache-2.0\n---\n# Model card\n\n[a link](https://example.org/)\n\n{a_run.NASTY}\n"


def release(store: Store, evidence: GateEvidence, **more: Any) -> tuple[Run, dict[str, Report]]:
    """A release in the store: what gate, decide, card and transition left, as far as the verdict lets it come."""
    verdict = more.pop("verdict", evidence.verdict)
    told = {"benchmark": _examined(store, "benchmark", 668), "incumbent": _examined(store, "incumbent", 647)}
    told["gate"] = _written(store, "gate", "evidence", FILE, evidence.to_bytes())
    said = more.pop("outcome", evidence.paragraph)
    decision = decided(evidence, told["gate"], verdict, more.pop("reasons", ()))
    told["decide"] = _written(store, "decide", "decision", "envelope.json", enveloped(decision), said)
    if verdict is Verdict.PASS:
        told["card"] = _written(store, "card", "card", "README.md", CARD.encode())
        told["transition"] = _transition(store)
        said = told["transition"].report.said
    state = {Verdict.HOLD: State.HELD, Verdict.REFUSE: State.REFUSED}.get(verdict, State.DONE)
    reports = {name: outcome.report for name, outcome in told.items()}
    run, _ = a_run.release()
    changed = {
        "steps": tuple(_step(name, reports.get(name)) for name in AFTER), "state": state, "outcome": said,
        "exit_code": 0 if state is State.DONE else 3, "decisions": (decision.id,),
    }  # fmt: skip
    return run.model_copy(update={**changed, **more}), reports


def held(store: Store, evidence: GateEvidence, **more: Any) -> tuple[Run, dict[str, Report]]:
    """A release that waits for two people."""
    said = (
        "Held: the gate passed it, and 2 approvals are asked of ann or ben."
        " `sluice approve RUN --as NAME --reason TEXT`, or `sluice refuse`."
    )
    reason = Reason(code="waits_for_people", text=said)
    return release(store, evidence, verdict=Verdict.HOLD, outcome=said, reasons=(reason,), **more)


def decided(evidence: GateEvidence, gate: Outcome, verdict: Verdict, reasons: tuple[Reason, ...] = ()) -> Decision:
    """The decision on that evidence."""
    manifest = gate.manifests["evidence"]
    return Decision(
        kind=DecisionKind.GATE if verdict is Verdict.HOLD else DecisionKind.RELEASE, endpoint="helpdesk",
        environment="local", subject=evidence.candidate, verdict=verdict, reasons=(*reasons, *evidence.reasons),
        incumbent=evidence.incumbent.model.digest if evidence.incumbent.model else "",
        permits=Permits.CHAMPION if verdict is Verdict.PASS else Permits.NOTHING, policy=evidence.policy,
        evidence=(Evidence(role="gate", key=manifest.key, digest=manifest.digest),), case=sha256("case"),
        issued=a_run.START.isoformat(), expires=(a_run.START + timedelta(hours=24)).isoformat(), signer="release",
        key_id=sha256("key"),
    )  # fmt: skip


def enveloped(decision: Decision) -> bytes:
    """An envelope whose signature is nobody's: the page does not verify."""
    payload = base64.b64encode(decision.statement()).decode()
    signature = {"keyid": decision.key_id, "sig": base64.b64encode(b"none").decode()}
    whole = {"payload": payload, "payloadType": "application/vnd.in-toto+json", "signatures": [signature]}
    return canonical_json(whole).encode()


def _written(store: Store, step: str, role: str, name: str, data: bytes, said: str = "") -> Outcome:
    attempt = Attempt(store, step)
    with attempt.rows(Kind.REPORT, role) as writer:
        pass
    draft = Draft(Kind.REPORT, writer, extra=(attempt.attach(role, name, data),))
    return attempt.commit({role: draft}, settings=StepSettings(), word="told", said=said)


def _examined(store: Store, step: str, right: int) -> Outcome:
    attempt = Attempt(store, step)
    attempt.figures["held_out"] = Tally(right=right, asked=700).figure()
    attempt.examples.append(Example(title="held_out: wrong", before=f"user: asked by {step}", after="no", good=False))
    return attempt.commit({}, settings=StepSettings())


def _transition(store: Store) -> Outcome:
    attempt = Attempt(store, "transition")
    attempt.figures["generation"] = Figure(value=4)
    behind = "registry sqlite:///mlflow.db: is away; `sluice registry repair helpdesk` when it is back"
    attempt.examples.append(Example(title="registry", before=behind, good=False))
    said = "helpdesk: dda18a0e21ae… serves from generation 4"
    return attempt.commit({}, settings=StepSettings(), word="pass", said=said)


def _step(name: str, report: Report | None) -> StepRun:
    if report is None:
        return StepRun(name=name, title=name.capitalize(), after=AFTER[name], state=State.SKIPPED)
    place = 118 + 2 * list(AFTER).index(name)
    return StepRun(
        name=name, title=name.capitalize(), after=AFTER[name], state=State.DONE, attempts=1, seconds=1.4,
        started=(a_run.START + timedelta(seconds=place)).isoformat(), outputs=report.outputs,
        report=f"{name}/{report.attempt}/report.json",
    )  # fmt: skip
