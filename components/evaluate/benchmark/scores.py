"""What the answers of one suite add up to: scores with intervals, the weakest slices, answers to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from components.core.report import Example, Figure
from components.core.rows import Row
from components.core.wilson import wilson_interval

MOST_LETTERS = 4000
"""Of a prompt or an answer in the report; the answers have all."""


@dataclass
class Tally:
    """Right answers out of those asked."""

    right: float = 0.0
    asked: int = 0

    def add(self, score: float) -> None:
        """Counts one answer."""
        self.right += score
        self.asked += 1

    def figure(self) -> Figure:
        """The share of right answers with its interval."""
        low, high = wilson_interval(self.right, self.asked)
        return Figure(
            value=self.right / self.asked if self.asked else 0.0, unit="share", low=low, high=high, n=self.asked
        )


@dataclass
class SuiteScores:
    """The scores of one suite, told answer by answer."""

    suite: str
    most_examples: int
    whole: Tally = field(default_factory=Tally)
    without_near_duplicates: Tally = field(default_factory=Tally)
    slices: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    _examples: dict[bool, dict[str, Example]] = field(default_factory=lambda: {True: {}, False: {}})

    def add(self, question: Row, answer: Row, near_duplicate: bool) -> None:
        """Counts one answer (a row of kind answers) to a question (a row of kind suites)."""
        score = float(answer["score"])
        self.whole.add(score)
        if not near_duplicate:
            self.without_near_duplicates.add(score)
        for name in question["slices"]:
            self.slices[name].add(score)
        self._remember(question, answer)

    def figures(self, most_slices: int) -> Iterator[tuple[str, Figure]]:
        """Accuracy by name: the suite, the suite without near-duplicates, its weakest slices."""
        yield self.suite, self.whole.figure()
        yield f"{self.suite}_without_near_duplicates", self.without_near_duplicates.figure()
        yield from self._weakest_slices(most_slices)

    def examples(self) -> list[Example]:
        """A few wrong answers, then a few right ones."""
        return [example for good in (False, True) for _, example in sorted(self._examples[good].items())]

    def _weakest_slices(self, most: int) -> Iterator[tuple[str, Figure]]:
        """Those whose interval ends lowest: a slice of two questions says little and does not come first."""
        named = [(name, tally.figure()) for name, tally in self.slices.items()]
        for name, figure in sorted(named, key=lambda slice_: (slice_[1].high, slice_[0]))[:most]:
            yield f"{self.suite}/{name}", figure

    def _remember(self, question: Row, answer: Row) -> None:
        """Keeps the questions with the smallest digests: the same whatever the order of the rows."""
        few = self._examples[answer["score"] == 1.0]
        if self.most_examples and (len(few) < self.most_examples or question["question"] < max(few)):
            few[question["question"]] = _example(question, answer)
            if len(few) > self.most_examples:
                del few[max(few)]


def _example(question: Row, answer: Row) -> Example:
    good = answer["score"] == 1.0
    prompt = "\n".join(f"{message['role']}: {message['content']}" for message in question["messages"])
    said = answer["answer"] if good else f"{answer['answer']}\n\nexpected: {answer['reference']}"
    title = f"{answer['suite']}: {'right' if good else 'wrong'}"
    return Example(title=title, before=_clipped(prompt), after=_clipped(said), good=good)


def _clipped(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"
