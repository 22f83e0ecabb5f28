"""Removes from the training side whatever copies an exam question, and tells which questions come near to it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from components.core.attempt import Attempt, Draft, Outcome
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest
from components.core.report import Figure
from components.core.suites import read_heads
from components.data.decontaminate.exam import Exam, Match, Question
from components.data.decontaminate.settings import Decontaminate
from components.data.near_duplicates import near_duplicate_pairs

_QUESTION, _DOCUMENT = "q:", "d:"


def decontaminate(attempt: Attempt, documents: Manifest, suites: Manifest, settings: Decontaminate) -> Outcome:
    """Cleans training documents against the run's suites. Outputs: ``decontaminated`` and ``overlap``.

    ``overlap`` has a row for each question that has a near-duplicate in the incoming training side: the question's
    digest, the document's id, their similarity. Rejects: ``exam_exact``, ``exam_ngram``. Raises InvalidInput when
    nothing is left.
    """
    exam = Exam(_questions(attempt, suites), settings.ngram_words, settings.min_question_words)
    with attempt.timed("copies"), attempt.rows(Kind.DOCUMENTS, "decontaminated") as clean:
        for batch in attempt.read(documents):
            matches = exam.matches(batch.column("text").to_pylist())
            clean.write(batch.filter(pa.array([match is None for match in matches], pa.bool_())))
            for row, match in zip(batch.to_pylist(), matches, strict=True):
                if match:
                    attempt.reject(row, match.reason, _detail(match))
    if documents.rows and not clean.rows:
        raise InvalidInput(
            f"decontaminate: all {documents.rows} training rows copy exam questions; the exam was made of the training"
            " side: give another benchmark, or raise decontaminate.min_question_words"
        )
    with attempt.timed("near_duplicates"), attempt.rows(Kind.REPORT, "overlap") as overlap:
        for question, (document, similarity) in sorted(_nearest(attempt, documents, exam, settings).items()):
            overlap.append({"id": question, "name": document, "value": f"{similarity:.4f}"})
    attempt.figures["questions"] = Figure(value=len(exam.questions), unit="questions")
    attempt.figures["with_near_duplicate"] = Figure(value=overlap.rows, unit="questions")
    against = tuple(sorted(head.content_digest for head in read_heads(attempt.store, suites)))
    drafts = {
        "decontaminated": Draft(Kind.DOCUMENTS, clean, sources=documents.sources, suites=against),
        "overlap": Draft(Kind.REPORT, overlap, suites=against),
    }
    inputs = {"documents": documents, "suites": suites}
    return attempt.commit(drafts, settings=settings, inputs=inputs, rows_in=documents.rows)


def _questions(attempt: Attempt, suites: Manifest) -> Iterator[Question]:
    for row in attempt.read_rows(suites):
        yield Question(row["question"], row["suite"], row["text"])


def _detail(match: Match) -> str:
    words = match.words if len(match.words) <= 80 else f"{match.words[:77]}…"
    return f"question {match.question.digest[:12]} of {match.question.suite}: {words}"


def _nearest(
    attempt: Attempt, documents: Manifest, exam: Exam, settings: Decontaminate
) -> dict[str, tuple[str, float]]:
    """For each question with a near-duplicate on the training side: the nearest document, and the similarity."""
    asked = {question.digest: question.text for question in exam.questions}

    def texts() -> Iterator[pa.RecordBatch]:
        yield _marked(_QUESTION, list(asked), list(asked.values()))
        for batch in attempt.read(documents, ["id", "text"]):
            yield _marked(_DOCUMENT, batch.column("id").to_pylist(), batch.column("text").to_pylist())

    nearest: dict[str, tuple[str, float]] = {}
    for pair in near_duplicate_pairs(texts, settings):
        document, question = pair.first, pair.second
        if document.startswith(_DOCUMENT) and question.startswith(_QUESTION):
            name = question.removeprefix(_QUESTION)
            found = (document.removeprefix(_DOCUMENT), pair.similarity)
            nearest[name] = max(nearest.get(name, found), found, key=lambda one: one[1])
    return nearest


def _marked(mark: str, ids: list[str], texts: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": [mark + name for name in ids], "text": texts})
