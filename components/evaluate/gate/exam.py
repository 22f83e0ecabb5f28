"""The questions of a gate, and what was scored on each of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.core.manifest import Manifest
from components.core.rows import read_batches
from components.core.store import Store
from components.core.suites import Suite, read_heads, suite_digest
from components.evaluate.gate.bounds import Floats
from components.evaluate.gate.rule import Codes

UNIT = 2.0**30
"""Scores count in units of 1 / UNIT: sums of them are exact, so whatever order they are added in, all digits agree."""

Place = tuple[str, str]
"""A suite and the digest of one of its questions."""


@dataclass(frozen=True)
class Exam:
    """All questions of all suites, in one order: that of suite and digest."""

    heads: dict[str, Suite]
    places: tuple[Place, ...]
    groups: Codes
    slices: dict[Place, tuple[str, ...]]

    @cached_property
    def index(self) -> dict[Place, int]:
        """Where each question stands."""
        return {place: number for number, place in enumerate(self.places)}

    @cached_property
    def rows(self) -> dict[Place, npt.NDArray[np.int64]]:
        """Where the questions of each suite and each slice stand, by suite and slice; ("", "") holds all."""
        found: defaultdict[Place, list[int]] = defaultdict(list)
        for number, (suite, question) in enumerate(self.places):
            names = ("", *dict.fromkeys(self.slices[suite, question]))
            for place in (("", ""), *((suite, name) for name in names)):
                found[place].append(number)
        return {place: np.array(numbers, dtype=np.int64) for place, numbers in sorted(found.items())}

    def groups_of(self, rows: npt.NDArray[np.int64]) -> Codes:
        """The groups of some questions, numbered 0, 1, …; equal names are one group, whatever the suite."""
        _, codes = np.unique(self.groups[rows], return_inverse=True)
        return codes.astype(np.int64)

    def altered(self) -> list[str]:
        """Suites whose questions are not those that their digest names."""
        asked: defaultdict[str, list[str]] = defaultdict(list)
        for suite, question in self.places:
            asked[suite].append(question)
        names = self.heads.keys() | asked.keys()
        return sorted(name for name in names if not self._is_whole(name, asked[name]))

    def _is_whole(self, name: str, questions: list[str]) -> bool:
        return name in self.heads and suite_digest(questions) == self.heads[name].content_digest


@dataclass(frozen=True)
class Scores:
    """What one model scored on an exam's questions, NaN where there is no sound score, and what was wrong."""

    values: Floats
    unknown: tuple[Place, ...] = ()  # answers to what was not asked
    twice: tuple[Place, ...] = ()
    missing: tuple[Place, ...] = ()
    no_number: tuple[Place, ...] = ()
    out_of_range: tuple[Place, ...] = ()


def read_exam(store: Store, suites: Manifest) -> Exam:
    """The exam that a ``suites`` artifact holds. Raises InvalidInput when it holds none."""
    heads = {head.id: head for head in read_heads(store, suites)}
    groups: dict[Place, str] = {}
    slices: dict[Place, tuple[str, ...]] = {}
    for batch in read_batches(store, suites.shards, ["suite", "question", "group", "slices"]):
        for row in batch.to_pylist():
            place = (row["suite"], row["question"])
            groups[place], slices[place] = row["group"] or row["question"], tuple(row["slices"] or ())
    places = tuple(sorted(groups))
    _, codes = np.unique([groups[place] for place in places], return_inverse=True)
    return Exam(heads, places, codes.astype(np.int64), slices)


def read_scores(store: Store, answers: Manifest, exam: Exam) -> Scores:
    """The scores of an ``answers`` artifact."""
    given: dict[Place, float | None] = {}
    times: Counter[Place] = Counter()
    for batch in read_batches(store, answers.shards, ["suite", "question", "score"]):
        for row in batch.to_pylist():
            place = (row["suite"], row["question"])
            given[place] = row["score"]
            times[place] += 1
    raw = np.array([_number(given.get(place)) for place in exam.places], dtype=np.float64)
    present = np.array([place in given for place in exam.places], dtype=bool)
    finite = np.isfinite(raw)
    inside = finite & (raw >= 0) & (raw <= 1)
    return Scores(
        values=np.where(inside, np.round(raw * UNIT) / UNIT, np.nan),
        unknown=tuple(sorted(given.keys() - exam.index.keys())),
        twice=tuple(sorted(place for place, count in times.items() if count > 1)),
        missing=_where(exam, ~present),
        no_number=_where(exam, present & ~finite),
        out_of_range=_where(exam, finite & ~inside),
    )


def _number(score: float | None) -> float:
    return float("nan") if score is None else float(score)


def _where(exam: Exam, chosen: npt.NDArray[np.bool_]) -> tuple[Place, ...]:
    return tuple(exam.places[number] for number in np.flatnonzero(chosen))
