"""Asks a model the questions of its suites, each once ever, and scores its answers.

The asking is lm-evaluation-harness's (Gao et al. 2021, doi:10.5281/zenodo.5371628); what was answered is kept by the
digests of model, question and suite settings, so a second benchmark of the same model loads nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from components.core.attempt import Attempt, Draft, Outcome
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, resolve_reference
from components.core.report import Figure
from components.core.rows import Row
from components.core.seal import Seal
from components.core.suites import HEADS, Suite, read_heads, write_heads
from components.evaluate.benchmark.kept import Kept, Place
from components.evaluate.benchmark.scores import SuiteScores
from components.evaluate.benchmark.settings import Benchmark

Heads = dict[str, Suite]
"""The heads of suites by name."""
Answers = dict[str, dict[str, Kept]]
"""Kept answers by settings digest and question digest."""


def benchmark_references(
    attempt: Attempt,
    settings: Benchmark,
    model: str,
    suites: str,
    overlap: str,
    environment: str,
    trust: str,
    key: str,
) -> Outcome:
    """``benchmark`` for manifests that are named by references: another run made them.

    Kept answers count under the seal of the key at ``key``, which the trust roots at ``trust`` must know.
    """
    named = {"model": model, "suites": suites, "overlap": overlap}
    manifests = {role: resolve_reference(attempt.store, reference) for role, reference in named.items()}
    return benchmark(attempt=attempt, settings=settings, seal=Seal.of(trust, key, environment), **manifests)


def benchmark(
    attempt: Attempt,
    model: Manifest,
    suites: Manifest,
    overlap: Manifest,
    settings: Benchmark,
    seal: Seal | None = None,
) -> Outcome:
    """Scores a model on its suites. Output: ``answers``, one row a question.

    ``overlap`` names the questions that have a near-duplicate on the training side (kind report, the id is the
    question's digest). Figures: ``<suite>`` and ``<suite>_without_near_duplicates``, accuracy with its 95 % interval;
    the weakest slices, ``<suite>/<slice>``; questions asked now, answers kept from before, prompts cut. Raises
    InvalidInput when an input is of the wrong kind, or the model was not decontaminated against one of the suites.
    """
    heads = checked_heads(attempt, suites, overlap)
    _check_candidate(model, heads)
    return examine(attempt, model, suites, overlap, settings, heads, seal)


def examine(
    attempt: Attempt,
    model: Manifest,
    suites: Manifest,
    overlap: Manifest,
    settings: Benchmark,
    heads: Heads,
    seal: Seal | None,
    word: str = "",
) -> Outcome:
    """Asks a model whatever it has not been asked yet, and scores it. Output: ``answers``, with the suites' heads."""
    if model.kind is not Kind.MODEL:
        raise InvalidInput(f"benchmark: model {model.key} is of kind {model.kind}; give one of kind {Kind.MODEL}")
    if model.model and model.model.adapter:
        raise InvalidInput(
            f"benchmark: model {model.key} is an adapter; export it merged with its base to benchmark it"
        )
    places = {
        head.settings_digest: Place(attempt.store, model.content_digest, head.settings_digest, seal)
        for head in heads.values()
    }
    answers = {digest: place.read() for digest, place in places.items()}
    with attempt.timed("ask"):
        asked = _ask_what_is_missing(attempt, model, suites, settings, heads, places, answers)
    draft = _score(attempt, suites, overlap, settings, heads, answers)
    attempt.figures["asked"] = Figure(value=asked, unit="questions")
    attempt.figures["kept"] = Figure(value=suites.rows - asked, unit="answers")
    return attempt.commit(
        {"answers": draft},
        settings=settings,
        inputs={"model": model, "suites": suites, "overlap": overlap},
        created=suites.rows,
        word=word,
    )


def checked_heads(attempt: Attempt, suites: Manifest, overlap: Manifest) -> Heads:
    """The suites by name, once it is sure that suites and overlap belong together."""
    kinds = {"suites": (suites, Kind.SUITES), "overlap": (overlap, Kind.REPORT)}
    for role, (manifest, kind) in kinds.items():
        if manifest.kind is not kind:
            raise InvalidInput(f"benchmark: {role} {manifest.key} is of kind {manifest.kind}; give one of kind {kind}")
    _check_overlap(suites, overlap)
    return {head.id: head for head in read_heads(attempt.store, suites)}


def _check_candidate(model: Manifest, heads: Heads) -> None:
    for head in heads.values():
        if model.kind is Kind.MODEL and head.content_digest not in model.suites:
            raise InvalidInput(
                f"benchmark: model {model.key} was not decontaminated against suite {head.id}"
                f" ({head.content_digest[:12]}…), so its score would prove nothing; run the lifecycle with this suite"
            )


def _check_overlap(suites: Manifest, overlap: Manifest) -> None:
    """An overlap that was found with other suites would let near-duplicates through unseen."""
    measured = [parent.content_digest for parent in overlap.parents if parent.role == "suites"]
    if measured and suites.content_digest not in measured:
        raise InvalidInput(
            f"benchmark: overlap {overlap.key} was measured against other suites than {suites.key};"
            " take both from the same run"
        )


def _ask_what_is_missing(
    attempt: Attempt,
    model: Manifest,
    suites: Manifest,
    settings: Benchmark,
    heads: Heads,
    places: dict[str, Place],
    answers: Answers,
) -> int:
    """Asks part by part and adds to ``answers``; returns how many were asked. Loads the model only when it must."""
    examiner, asked = None, 0
    for head, part in _missing(attempt, suites, heads, answers, settings.part_questions):
        if examiner is None:
            from components.evaluate.benchmark.examiner import Examiner

            examiner = Examiner.load(attempt, model, settings)
        said = places[head.settings_digest].keep(examiner.ask(head, part))
        answers[head.settings_digest].update({kept.question: kept for kept in said})
        asked += len(part)
    return asked


def _missing(
    attempt: Attempt, suites: Manifest, heads: Heads, answers: Answers, most: int
) -> Iterator[tuple[Suite, list[Row]]]:
    """Questions without an answer, in parts of one suite each; one that two suites share comes once."""
    parts: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for row in attempt.read_rows(suites):
        head = _head(heads, row)
        part = parts[head.settings_digest]
        if row["question"] not in answers[head.settings_digest]:
            part.setdefault(row["question"], row)
        if len(part) == most:
            yield head, list(part.values())
            part.clear()
    by_settings = {head.settings_digest: head for head in heads.values()}
    yield from ((by_settings[digest], list(part.values())) for digest, part in parts.items() if part)


def _head(heads: Heads, row: Row) -> Suite:
    try:
        return heads[row["suite"]]
    except KeyError as error:
        raise InvalidInput(
            f"benchmark: question {row['question'][:12]}… belongs to suite {row['suite']!r}, which has no head;"
            " make the suites again"
        ) from error


def _score(
    attempt: Attempt,
    suites: Manifest,
    overlap: Manifest,
    settings: Benchmark,
    heads: Heads,
    answers: Answers,
) -> Draft:
    """Writes the answers and puts scores and examples into the report."""
    near = {row["id"] for row in attempt.read_rows(overlap)}
    scores = {name: SuiteScores(name, settings.examples) for name in heads}
    cut = 0
    with attempt.rows(Kind.ANSWERS, "answers") as writer:
        for row in attempt.read_rows(suites):
            kept = answers[heads[row["suite"]].settings_digest][row["question"]]
            answer = {name: row[name] for name in ("suite", "question", "group", "slices", "reference")}
            answer |= {"answer": kept.answer, "score": kept.score}
            writer.append(answer)
            scores[row["suite"]].add(row, answer, row["question"] in near)
            cut += kept.cut
    attempt.figures["prompts_cut"] = Figure(value=cut, unit="questions")
    for score in scores.values():
        attempt.figures.update(score.figures(settings.slices))
        attempt.examples.extend(score.examples())
    # With the heads beside the answers, whoever reads them sees which suite was asked in which way.
    return Draft(Kind.ANSWERS, writer, extra=(attempt.attach("answers", HEADS, write_heads(heads.values())),))
