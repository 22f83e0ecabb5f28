"""Why nothing that the answers say could be trusted: looked for before a claim is, a code each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.core.decision import Reason
from components.core.endpoint import EndpointState, Incumbent
from components.core.manifest import Manifest, Reference, file_name
from components.core.store import Store
from components.core.suites import HEADS, Suite, read_heads
from components.evaluate.gate.exam import Exam, Place, Scores


@dataclass(frozen=True)
class Paper:
    """One model's answers, and whose they must be."""

    who: str  # `candidate` or `incumbent`
    model: Reference
    answers: Manifest


def of_model(model: Manifest, exam: Exam) -> Iterator[Reason]:
    """Of the exam itself, and of the candidate's training."""
    for name in exam.altered():
        yield _fault(
            "other_questions", f"suite {name} does not hold the questions that its digest names; make the suites again"
        )
    for head in exam.heads.values():
        if not head.higher_is_better:
            yield _fault(
                "other_scorer", f"suite {head.id} is better the lower it scores ({head.metric}); a gate takes scores"
            )
        if head.content_digest not in model.suites:
            yield _fault(
                "not_decontaminated",
                f"the candidate's data was not decontaminated against suite {head.id} ({head.content_digest[:12]}…), so"
                " its score proves nothing; run the lifecycle with this suite",
            )


def of_exams(exam: Exam, pinned: dict[str, str]) -> Iterator[Reason]:
    """Of an exam that is not the one that the policy names by digest."""
    for name, digest in pinned.items():
        head = exam.heads.get(name)
        if head is None:
            yield _fault("missing_suite", f"the policy names an exam {name}, and there is no such suite")
        elif not head.content_digest.startswith(digest):
            yield _fault(
                "other_exam",
                f"suite {name} is {head.content_digest[:12]}…, and the policy (gate.exams) asks for {digest[:12]}…: the"
                " questions were exchanged, or the policy is older than the exam",
            )


def of_incumbent(incumbent: Incumbent, answers: Manifest | None) -> Iterator[Reason]:
    """Of an incumbent and its answers: both, or neither."""
    if incumbent.model and answers is None:
        yield _fault("missing_suite", f"what serves on {incumbent.endpoint} was asked nothing; benchmark it")
    if incumbent.model is None and answers is not None and answers.rows:
        yield _fault("other_model", f"nothing serves on {incumbent.endpoint}, yet there are answers of an incumbent")


def of_paper(store: Store, paper: Paper, suites: Manifest, exam: Exam) -> Iterator[Reason]:
    """Of where answers come from: whose they are, to which questions, asked and scored how."""
    parents = {parent.role: parent for parent in paper.answers.parents}
    if "model" not in parents or parents["model"].digest != paper.model.digest:
        yield _fault("other_model", f"the {paper.who}'s answers are not those of {paper.model.key}; benchmark it again")
    if "suites" not in parents or parents["suites"].content_digest != suites.content_digest:
        yield _fault(
            "other_questions", f"the {paper.who} was asked other suites than {suites.key}; benchmark it with these"
        )
    yield from _of_heads(paper.who, _heads(store, paper.answers), exam.heads)


def of_scores(who: str, scores: Scores) -> Iterator[Reason]:
    """Of the scores themselves."""
    found: tuple[tuple[str, tuple[Place, ...], str], ...] = (
        ("other_questions", scores.unknown, "answers to questions that no suite asks"),
        ("other_questions", scores.twice, "questions that were answered twice"),
        ("too_few_answers", scores.missing, "questions without an answer"),
        ("not_a_number", scores.no_number, "scores that are no number"),
        ("score_out_of_range", scores.out_of_range, "scores outside 0 to 1"),
    )
    for code, places, what in found:
        if places:
            suite, question = places[0]
            first = f"the first: {suite}, question {question[:12]}…"
            yield _fault(code, f"the {who} has {len(places):,} {what} ({first}); benchmark it again")


def of_endpoint(incumbent: Incumbent, state: EndpointState) -> Iterator[Reason]:
    """Of what serves now. A gate that compared with something else has proven nothing."""
    if state.champion != incumbent.model:
        was, now = (_short(reference) for reference in (incumbent.model, state.champion))
        yield _fault(
            "incumbent_changed",
            f"{was} was compared with, but {now} serves on {incumbent.endpoint} now (generation {state.generation});"
            " run the release again",
        )


def _of_heads(who: str, answered: dict[str, Suite], asked: dict[str, Suite]) -> Iterator[Reason]:
    for name, head in asked.items():
        if name not in answered:
            yield _fault("missing_suite", f"the {who} was not asked suite {name}; benchmark it with all suites")
            continue
        for code, differs, what in _differences(answered[name], head):
            if differs:
                yield _fault(code, f"the {who}'s answers to suite {name} {what}; benchmark it again")
    for name in sorted(answered.keys() - asked.keys()):
        yield _fault("other_questions", f"the {who} was asked suite {name}, which is none of these; benchmark it again")


def _differences(one: Suite, other: Suite) -> tuple[tuple[str, bool, str], ...]:
    scorers = [(head.scorer, head.scorer_version, head.metric, head.higher_is_better) for head in (one, other)]
    return (
        ("other_questions", one.content_digest != other.content_digest, "are to other questions"),
        ("other_settings", one.generation != other.generation, "were generated with other settings"),
        ("other_scorer", scorers[0] != scorers[1], "were scored by another scorer, or another version of it"),
    )


def _heads(store: Store, answers: Manifest) -> dict[str, Suite]:
    if not any(file_name(shard) == HEADS for shard in answers.shards):
        return {}
    return {head.id: head for head in read_heads(store, answers)}


def _short(model: Reference | None) -> str:
    return f"{model.digest[:12]}…" if model else "nothing"


def _fault(code: str, text: str) -> Reason:
    return Reason(code=code, text=text)
