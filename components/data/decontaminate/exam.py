"""What the training side must not contain: the questions of a run's suites, indexed by their n-grams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from components.data.normalise import normalised
from components.data.shingles import Hashes, Words, grams, words_of


class Question(NamedTuple):
    """A question by its digest, the suite that asks it, and its text."""

    digest: str
    suite: str
    text: str


class Match(NamedTuple):
    """Which question a text copies, and in which way."""

    reason: str
    question: Question
    words: str


@dataclass(frozen=True)
class NGrams:
    """N-grams of one length: their sorted hashes, and of each the question and the words."""

    size: int
    hashes: Hashes
    questions: tuple[int, ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, size: int, texts: Sequence[str], questions: Sequence[int]) -> NGrams:
        """All runs of ``size`` words in normalised texts; ``questions`` are the positions that the texts belong to."""
        found = grams(words_of(texts), size)
        spelt = [text.split(" ") for text in texts]
        starts = words_of(texts).starts
        hashes, first = np.unique(found.hashes, return_index=True)
        places = [(int(found.texts[at]), int(found.words[at] - starts[found.texts[at]])) for at in first]
        return cls(
            size,
            hashes,
            tuple(questions[text] for text, _ in places),
            tuple(" ".join(spelt[text][begin : begin + size]) for text, begin in places),
        )

    def within(self, texts: Sequence[str], words: Words) -> dict[int, tuple[int, str]]:
        """For each text that contains one of the runs: the question, and the run. Words are compared, not hashes."""
        runs = grams(words, self.size)
        hits = np.flatnonzero(np.isin(runs.hashes, self.hashes))
        places = np.searchsorted(self.hashes, runs.hashes[hits])
        found: dict[int, tuple[int, str]] = {}
        for text, place in zip(runs.texts[hits].tolist(), places.tolist(), strict=True):
            run = self.words[place]
            if text not in found and f" {run} " in f" {texts[text]} ":
                found[text] = (self.questions[place], run)
        return found


class Exam:
    """The questions of all suites, ready to be looked for."""

    def __init__(self, questions: Iterable[Question], ngram_words: int, min_question_words: int) -> None:
        self.questions = tuple(questions)
        texts = [normalised(question.text) for question in self.questions]
        self._whole = {text: at for at, text in reversed(list(enumerate(texts)))}
        lengths = [len(text.split(" ")) for text in texts]
        self._runs = [self._of(ngram_words, texts, [n >= ngram_words for n in lengths])]
        for size in sorted({n for n in lengths if min_question_words <= n < ngram_words}):
            self._runs.append(self._of(size, texts, [n == size for n in lengths]))

    def matches(self, texts: Sequence[str]) -> list[Match | None]:
        """For each text the question that it copies: whole (``exam_exact``) or in part (``exam_ngram``), or None."""
        plain = [normalised(text) for text in texts]
        found: list[Match | None] = [None] * len(texts)
        words = words_of(plain)
        for runs in self._runs:
            for at, (question, run) in runs.within(plain, words).items():
                found[at] = found[at] or Match("exam_ngram", self.questions[question], run)
        for at, text in enumerate(plain):
            if text in self._whole:
                found[at] = Match("exam_exact", self.questions[self._whole[text]], text)
        return found

    @staticmethod
    def _of(size: int, texts: Sequence[str], chosen: Sequence[bool]) -> NGrams:
        places = [at for at, wanted in enumerate(chosen) if wanted]
        return NGrams.of(size, [texts[at] for at in places], places)
