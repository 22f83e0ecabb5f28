"""Holds a candidate against what serves, question by question, and says which claims of the policy hold.

Every claim must hold, each shown at its level (intersection-union test: R. L. Berger 1982, Technometrics 24:295-300),
so the chance to pass a candidate for which one of them is not true is at most that level. Which method is used when,
``rule`` says. What cannot be trusted, and what the suites are too small to show, is refused with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from components.core.attempt import Attempt, Draft, Outcome
from components.core.decision import Reason, Verdict
from components.core.endpoint import Incumbent, open_endpoints
from components.core.errors import InvalidInput
from components.core.evidence import FILE, GateEvidence
from components.core.manifest import Kind, Manifest, resolve_reference
from components.core.report import Figure
from components.core.signing import policy_digest
from components.core.store import Store
from components.evaluate.gate import claims, contests, faults, wording
from components.evaluate.gate.drawing import verdict_section
from components.evaluate.gate.exam import Exam, Scores, read_exam, read_scores
from components.evaluate.gate.settings import Gate
from components.evaluate.gate.wording import Findings

TWO_SIDED = 0.025
"""Level of each end of a report's figures, which are 95 % intervals whatever the policy's level is."""

Figures = dict[str, Figure]


@dataclass(frozen=True)
class Case:
    """What is held against what, by which policy."""

    model: Manifest
    suites: Manifest
    answers: Manifest
    incumbent_answers: Manifest | None
    incumbent: Incumbent
    policy: str

    @property
    def papers(self) -> list[faults.Paper]:
        """The candidate's answers, and the incumbent's where there is one."""
        found = [faults.Paper("candidate", self.model.named, self.answers)]
        if self.incumbent.model and self.incumbent_answers:
            found.append(faults.Paper("incumbent", self.incumbent.model, self.incumbent_answers))
        return found


def gate_references(
    attempt: Attempt,
    settings: Gate,
    answers: Manifest,
    incumbent_answers: Manifest,
    model: str,
    suites: str,
    incumbent: str,
    policy: str,
    endpoints: str,
) -> Outcome:
    """``gate`` for a model and suites that are named by references, and the word of the step ``incumbent``."""
    return gate(
        attempt,
        settings,
        answers=answers,
        incumbent_answers=incumbent_answers,
        model=resolve_reference(attempt.store, model),
        suites=resolve_reference(attempt.store, suites),
        incumbent=Incumbent.decode(incumbent),
        policy=policy,
        endpoints=endpoints,
    )


def gate(
    attempt: Attempt,
    settings: Gate,
    *,
    answers: Manifest,
    incumbent_answers: Manifest,
    model: Manifest,
    suites: Manifest,
    incumbent: Incumbent,
    policy: str,
    endpoints: str,
) -> Outcome:
    """Judges, looks at what serves now, and writes the evidence. Output: ``evidence``; the word is the verdict.

    Raises InvalidInput for a claim about a suite or a slice that there is not, for inputs of the wrong kind, and for a
    policy that is not the one of these settings.
    """
    case = Case(model, suites, answers, incumbent_answers, incumbent, policy)
    with attempt.timed("judge"):
        evidence, figures = _judge(attempt.store, settings, case)
    changed = tuple(faults.of_endpoint(incumbent, open_endpoints(endpoints).read(incumbent.endpoint)))
    evidence = with_faults(evidence, changed)
    attempt.figures.update(figures)
    attempt.examples.extend(contests.examples(evidence.lost, evidence.won))
    beside = attempt.attach("evidence", FILE, evidence.to_bytes())
    inputs = {"model": model, "suites": suites, "answers": answers, "incumbent_answers": incumbent_answers}
    return attempt.commit(
        {"evidence": Draft(Kind.REPORT, attempt.rows(Kind.REPORT, "evidence"), extra=(beside,))},
        settings=settings,
        inputs=inputs,
        word=evidence.verdict,
        said=evidence.paragraph,
        section=verdict_section(evidence),
    )


def evaluate(
    store: Store,
    settings: Gate,
    *,
    model: Manifest,
    suites: Manifest,
    answers: Manifest,
    incumbent_answers: Manifest | None,
    incumbent: Incumbent,
    policy: str,
) -> GateEvidence:
    """The evidence, worked out from what lies in the store alone: the same bytes whenever it is done again.

    What serves by now is not looked at; ``with_faults`` adds what ``gate`` found about that. Raises InvalidInput as
    ``gate`` does.
    """
    return _judge(store, settings, Case(model, suites, answers, incumbent_answers, incumbent, policy))[0]


def with_faults(evidence: GateEvidence, found: tuple[Reason, ...]) -> GateEvidence:
    """The evidence refused for faults besides; the same where there are none."""
    if not found:
        return evidence
    findings = Findings(Verdict.REFUSE, faults=(*found, *evidence.faults))
    paragraph = wording.paragraph(findings, evidence.incumbent)
    return evidence.model_copy(update={"verdict": findings.verdict, "faults": findings.faults, "paragraph": paragraph})


def _judge(store: Store, settings: Gate, case: Case) -> tuple[GateEvidence, Figures]:
    _check_kinds(case)
    _check_policy(settings, case.policy)
    exam = read_exam(store, case.suites)
    claims.check_claims(settings, exam)
    serving = case.incumbent.model
    if serving and serving.content_digest == case.model.content_digest:
        return _evidence(settings, case, Findings(Verdict.SERVES)), {}
    # What the suites can show is foretold before an answer is read.
    plans = claims.planned(settings, exam, compared=serving is not None)
    scores = {paper.who: read_scores(store, paper.answers, exam) for paper in case.papers}
    found = (
        *_policy_faults(plans),
        *faults.of_exams(exam, settings.exams),
        *_input_faults(store, case, exam, scores),
    )
    if found:
        return _evidence(settings, case, Findings(Verdict.REFUSE, faults=found)), {}
    judged = claims.judged(plans, settings, exam, {who: given.values for who, given in scores.items()})
    return _evidence(settings, case, _findings(store, settings, case, exam, scores, judged)), _figures(judged)


def _findings(
    store: Store,
    settings: Gate,
    case: Case,
    exam: Exam,
    scores: dict[str, Scores],
    judged: list[claims.Judged],
) -> Findings:
    of_both = {who: given.values for who, given in scores.items()}
    values = list(of_both.values())
    lost, won = contests.contests(store, exam, case.suites, [paper.answers for paper in case.papers], values, settings)
    results = tuple(claims.result(one, settings) for one in judged)
    failed = [pair for pair in zip(judged, results, strict=True) if pair[1].applies and not pair[1].holds]
    return Findings(
        verdict=Verdict.PASS if claims.all_hold(judged) else Verdict.REFUSE,
        claims=results,
        tallies=contests.tallies(exam, values),
        lost=lost,
        won=won,
        advice=tuple(claims.advice(one, result, settings, exam, of_both) for one, result in failed),
    )


def _evidence(settings: Gate, case: Case, findings: Findings) -> GateEvidence:
    against = case.incumbent_answers if case.incumbent.model else None
    return GateEvidence(
        verdict=findings.verdict,
        candidate=case.model.named,
        incumbent=case.incumbent,
        suites=case.suites.named,
        answers=case.answers.named,
        incumbent_answers=against.named if against else None,
        policy=policy_digest(case.policy),
        alpha=settings.alpha,
        claims=findings.claims,
        faults=findings.faults,
        notes=_notes(case.incumbent),
        tallies=findings.tallies,
        lost=findings.lost,
        won=findings.won,
        paragraph=wording.paragraph(findings, case.incumbent),
    )


def _notes(incumbent: Incumbent) -> tuple[Reason, ...]:
    if incumbent.model:
        return ()
    text = (
        f"nothing serves on {incumbent.endpoint} yet: the candidate was held against floors only, not against a model"
    )
    return (Reason(code="no_incumbent", text=text),)


def _policy_faults(plans: list[claims.Planned]) -> Iterator[Reason]:
    if not plans:
        text = "the policy claims nothing, so nothing could be proven; write gate.claims into the recipe"
        yield Reason(code="no_policy", text=text)
    elif not any(plan.applies for plan in plans):
        text = "nothing serves yet and the policy has no floor, so nothing could be proven; give gate.claims a floor"
        yield Reason(code="no_floor", text=text)


def _input_faults(store: Store, case: Case, exam: Exam, scores: dict[str, Scores]) -> Iterator[Reason]:
    yield from faults.of_model(case.model, exam)
    yield from faults.of_incumbent(case.incumbent, case.incumbent_answers)
    for paper in case.papers:
        yield from faults.of_paper(store, paper, case.suites, exam)
    for who, given in scores.items():
        yield from faults.of_scores(who, given)


def _figures(judged: list[claims.Judged]) -> Figures:
    return {
        one.planned.claim.name: Figure(
            value=float(one.bounds.mean),
            unit="share",
            low=float(one.bounds.low(TWO_SIDED)),
            high=float(one.bounds.high(TWO_SIDED)),
            n=one.planned.plan.questions,
        )
        for one in judged
        if one.bounds is not None
    }


def _check_kinds(case: Case) -> None:
    expected = {
        "model": (case.model, Kind.MODEL),
        "suites": (case.suites, Kind.SUITES),
        "answers": (case.answers, Kind.ANSWERS),
        "incumbent_answers": (case.incumbent_answers, Kind.ANSWERS),
    }
    for role, (manifest, kind) in expected.items():
        if manifest is not None and manifest.kind is not kind:
            raise InvalidInput(f"gate: {role} {manifest.key} is of kind {manifest.kind}; give one of kind {kind}")


def _check_policy(settings: Gate, policy: str) -> None:
    """The evidence names the policy by digest, so the claims that were looked at must be the policy's."""
    try:
        section = json.loads(policy)["gate"]
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            f"gate: {policy[:80]!r} is no policy: it has no section gate; compile the graph again"
        ) from error
    if section != settings.model_dump(mode="json"):
        raise InvalidInput("gate: the policy's section gate is not what this step was set to; compile the graph again")
