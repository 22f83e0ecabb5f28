"""Questions won and lost: counted by suite and slice, and a few to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from components.core.evidence import Contest, Tally
from components.core.manifest import Manifest
from components.core.report import Example
from components.core.rows import Row, read_batches
from components.core.store import Store
from components.evaluate.gate.bounds import Floats
from components.evaluate.gate.claims import digits
from components.evaluate.gate.exam import Exam, Place
from components.evaluate.gate.settings import Gate

MOST_LETTERS = 4000
"""Of a prompt or an answer; the artifacts have all."""


def tallies(exam: Exam, scores: Sequence[Floats]) -> tuple[Tally, ...]:
    """Mean scores on each suite and each of its slices; ``scores`` are the candidate's and, where one serves, the
    incumbent's."""
    places = [place for place in exam.rows if place[0]]
    return tuple(_tally(place, [values[exam.rows[place]] for values in scores]) for place in places)


def contests(
    store: Store,
    exam: Exam,
    suites: Manifest,
    answers: Sequence[Manifest],
    scores: Sequence[Floats],
    settings: Gate,
) -> tuple[tuple[Contest, ...], tuple[Contest, ...]]:
    """A few lost and a few won questions, those of the smallest digests; none where there is no incumbent."""
    if len(scores) < 2:
        return (), ()
    masks = (scores[0] < scores[1], scores[0] > scores[1])
    chosen = [_first(exam, np.flatnonzero(mask), settings.shown) for mask in masks]
    wanted = {place for places in chosen for place in places}
    texts = [_texts(store, suites, wanted, ["messages", "reference"])]
    texts += [_texts(store, manifest, wanted, ["answer"]) for manifest in answers]
    lost, won = (tuple(_contest(place, exam, texts, scores) for place in places) for places in chosen)
    return lost, won


def examples(lost: Iterable[Contest], won: Iterable[Contest]) -> list[Example]:
    """The same for a step's report: prompt on one side, both answers on the other."""
    return [_example(contest, good) for good, part in ((False, lost), (True, won)) for contest in part]


def _tally(place: Place, scores: Sequence[Floats]) -> Tally:
    mine, theirs = scores[0], scores[-1]
    return Tally(
        suite=place[0],
        slice=place[1],
        questions=len(mine),
        candidate=digits(float(mine.mean())),
        incumbent=digits(float(theirs.mean())) if len(scores) > 1 else None,
        won=int((mine > theirs).sum()),
        lost=int((mine < theirs).sum()),
    )


def _contest(place: Place, exam: Exam, texts: Sequence[dict[Place, Row]], scores: Sequence[Floats]) -> Contest:
    asked, said, against = (found[place] for found in texts)
    row = exam.index[place]
    return Contest(
        suite=place[0],
        question=place[1],
        prompt=_clipped("\n".join(f"{turn['role']}: {turn['content']}" for turn in asked["messages"])),
        reference=_clipped(asked["reference"]),
        candidate=_clipped(said["answer"]),
        incumbent=_clipped(against["answer"]),
        candidate_score=float(scores[0][row]),
        incumbent_score=float(scores[1][row]),
    )


def _first(exam: Exam, rows: npt.NDArray[np.int64], most: int) -> list[Place]:
    places = [exam.places[row] for row in rows]
    return sorted(places, key=lambda place: (place[1], place[0]))[:most]


def _texts(store: Store, manifest: Manifest, wanted: set[Place], columns: list[str]) -> dict[Place, Row]:
    found: dict[Place, Row] = {}
    for batch in read_batches(store, manifest.shards, ["suite", "question", *columns]) if wanted else ():
        rows = (((row["suite"], row["question"]), row) for row in batch.to_pylist())
        found.update({place: row for place, row in rows if place in wanted})
    return found


def _example(contest: Contest, good: bool) -> Example:
    title = f"{contest.suite}: {'won' if good else 'lost'}"
    after = f"candidate: {contest.candidate}\n\nincumbent: {contest.incumbent}\n\nexpected: {contest.reference}"
    return Example(title=title, before=contest.prompt, after=after, good=good)


def _clipped(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"
