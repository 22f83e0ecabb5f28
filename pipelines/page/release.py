"""What a release, or monitoring, found out, decided and changed, as a person reads it at the top of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from components.core.decision import Decision, Reason, Verdict, decision_in
from components.core.errors import SluiceError
from components.core.evidence import GateEvidence, read_evidence
from components.core.manifest import Manifest, Reference, read_beside, read_manifest
from components.core.report import Report
from components.core.run import Run, State
from components.core.store import Store

if TYPE_CHECKING:
    from markupsafe import Markup

    from components.monitor.drift.pictures import Pictures
    from components.monitor.figures import Figures

CARD = "README.md"
OUTPUTS = {
    "gate": "evidence",
    "decide": "decision",
    "drift": "evidence",
    "retraining": "decision",
    "card": "card",
}
"""The output of each step that is shown."""
TITLES = {
    "promoted": "Promoted",
    "serves": "Serves already",
    "passed": "Passed, and not promoted",
    "held": "Held",
    "refused": "Refused",
    "retrain": "Retrain",
    "wait": "Wait",
    "alert": "Alert",
}
SIGNS = {
    "promoted": "✓",
    "serves": "=",
    "passed": "!",
    "held": "…",
    "refused": "✕",
    "retrain": "↻",
    "wait": "✓",
    "alert": "!",
}
BY_VERDICT = {Verdict.PASS: "passed", Verdict.SERVES: "serves", Verdict.HOLD: "held", Verdict.REFUSE: "refused"}
MONITORED = (Verdict.RETRAIN, Verdict.WAIT, Verdict.ALERT)


@dataclass
class Release:
    """What a run of the release left, as far as the store still has it, and what of it cannot be read and why."""

    evidence: GateEvidence | None = None
    decision: Decision | None = None
    card: str = ""
    drift: tuple[Figures, Pictures] | None = None
    missing: list[str] = field(default_factory=list)


def read_release(run: Run, store: Store) -> Release | None:
    """What a run's gate, drift, decision and card say; None for a run that came to none of them.

    What is gone from the store, or was changed there, is told of and left out: there is a page nevertheless.
    """
    outputs = {
        step.name: step.outputs[role]
        for step in run.steps
        if (role := OUTPUTS.get(step.name)) is not None and role in step.outputs
    }
    if not outputs:
        return None
    release = Release()
    for step, output in outputs.items():
        try:
            _read(release, step, output, store)
        except SluiceError as error:
            release.missing.append(f"{OUTPUTS[step]}: {error}")
        except (ValueError, KeyError, TypeError) as error:
            release.missing.append(f"{OUTPUTS[step]}: {output.key} holds something else ({error!r})")
    return release


def _read(release: Release, step: str, output: Reference, store: Store) -> None:
    if OUTPUTS[step] == "decision":
        release.decision = decision_in(store, output)
        return
    manifest = read_manifest(store, output)
    if step == "gate":
        release.evidence = read_evidence(store, manifest)
    elif step == "drift":
        release.drift = _drift(store, manifest)
    else:
        release.card = read_beside(store, manifest, CARD, "card", "card").decode(errors="backslashreplace")


def _drift(store: Store, manifest: Manifest) -> tuple[Figures, Pictures]:
    # Imported here, as below: most pages are of runs that compare no window, and NumPy takes its time.
    from components.monitor.drift.pictures import PICTURES, Pictures
    from components.monitor.observe.records import figures_of

    drawn = read_beside(store, manifest, PICTURES, "pictures of a window", "drift")
    return figures_of(store, manifest.named), Pictures.read(drawn, manifest.key)


@dataclass(frozen=True)
class ShownRelease:
    """A release on the page."""

    run: Run
    release: Release
    reports: Mapping[str, Report]

    @property
    def look(self) -> str:
        """How it stands: a key of ``TITLES``; empty while it works, and where it failed, which is told elsewhere."""
        if self.run.graph == "monitoring":
            return self._monitored
        if self.run.state in (State.HELD, State.REFUSED):
            return str(self.run.state)
        if self.run.state is not State.DONE:
            return ""
        if any(step.name == "transition" and step.state is State.DONE for step in self.run.steps):
            return "promoted"
        said = self.release.decision or self.release.evidence
        return BY_VERDICT[said.verdict] if said else ""

    @property
    def _monitored(self) -> str:
        """What monitoring decided; by the run's record where the decision is gone."""
        decision = self.release.decision
        word = str(decision.verdict) if decision else self.run.outcome.partition(":")[0].lower()
        return word if word in MONITORED and self.run.state in (State.DONE, State.HELD) else ""

    @property
    def title(self) -> str:
        """The same for a person."""
        return TITLES[self.look]

    @property
    def sign(self) -> str:
        """The same as a sign."""
        return SIGNS[self.look]

    @property
    def said(self) -> str:
        """What came of it and what to do, a paragraph."""
        evidence = self.release.evidence
        decided = self.reports.get("decide") or self.reports.get("retraining")
        said = self.run.outcome or (decided.said if decided else "") or (evidence.paragraph if evidence else "")
        if self.look not in MONITORED:
            return said
        # What monitoring says begins with its verdict, which is the heading above it; its reasons are a line each.
        told = [reason.text for reason in self.reasons if not reason.holds]
        return "\n".join(told) if len(told) > 1 else said.removeprefix(f"{self.title}: ")

    @cached_property
    def gate(self) -> Markup | None:
        """The gate's evidence, drawn."""
        # Imported here: most pages are of runs without a gate.
        from markupsafe import Markup

        from components.evaluate.gate.drawing import verdict_section

        evidence = self.release.evidence
        if evidence is None:
            return None
        return Markup(verdict_section(evidence, paragraph=not (self.look and self.said == evidence.paragraph)))

    @cached_property
    def drift(self) -> Markup | None:
        """What has moved, drawn; the story above it shows the windows before."""
        from markupsafe import Markup

        from components.monitor.drift.drawing import drift_section

        return Markup(drift_section(*self.release.drift)) if self.release.drift else None

    @property
    def reasons(self) -> list[Reason]:
        """Why it was decided so, without what the gate says already."""
        known = self.release.evidence.reasons if self.release.evidence else ()
        return [
            reason for reason in (self.release.decision.reasons if self.release.decision else ()) if reason not in known
        ]

    @property
    def digests(self) -> dict[str, str]:
        """What the decision names, by digest; empty where it names nothing."""
        decision = self.release.decision
        if decision is None:
            return {}
        return {
            "model": decision.subject.digest if decision.subject else "",
            "served before": decision.incumbent,
            "policy": decision.policy,
            "case": decision.case,
            "key": decision.key_id,
        }

    @property
    def changed(self) -> Report | None:
        """What the transition did to the endpoint."""
        return self.reports.get("transition")
