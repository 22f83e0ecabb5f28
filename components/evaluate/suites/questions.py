"""Fixes what the model will be asked, by digest, before anything is trained on what is left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from components.core.attempt import Attempt, Draft, Outcome
from components.core.conversation import ConversationFormat, Message, columns_of, exchange
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, Source
from components.core.readers import Fault
from components.core.report import Figure
from components.core.rows import Row
from components.core.sources import PinnedSource, pinned_sources, read_source
from components.core.suites import HEADS, Scorer, Suite, question_digest, suite_digest, write_heads
from components.evaluate.suites.settings import Suites


class Found(NamedTuple):
    """A row that may be a question: where it stands, its text, its other columns."""

    place: str
    text: str
    columns: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One question before its choices are known."""

    text: str
    prompt: list[Message]
    reference: str
    group: str
    slices: tuple[str, ...]
    choices: tuple[str, ...] = ()


@dataclass
class Paper:
    """One suite while its questions are read."""

    id: str
    format: ConversationFormat
    scorer: Scorer
    choices: str
    settings: Suites
    asked: list[Asked] = field(default_factory=list)

    def read(self, attempt: Attempt, rows: Iterable[Found | Fault]) -> int:
        """Takes questions in; a faulty one is rejected with its reason. Returns how many rows there were."""
        count = 0
        for item in rows:
            count += 1
            if isinstance(item, Fault):
                attempt.reject(item.row, item.reason, item.detail)
                continue
            made = self._question(item.text, item.columns)
            if isinstance(made, str):
                what = f"{item.place}: {made.replace('_', ' ')} (column {self.format.column})"
                attempt.reject({"suite": self.id, "text": item.text, **item.columns}, made, what)
            else:
                self.asked.append(made)
        return count

    def rows(self) -> Iterator[Row]:
        """The suite's rows, equal questions once: the one whose group is the smallest, whatever their order."""
        labels = tuple(sorted({question.reference for question in self.asked}))
        seen: set[str] = set()
        for question in sorted(self.asked, key=lambda asked: (asked.group, asked.slices, asked.text)):
            if self.scorer is Scorer.MULTIPLE_CHOICE and not question.choices:
                question = replace(question, choices=labels)
            digest = question_digest(question.prompt, question.reference, list(question.choices))
            if digest not in seen:
                seen.add(digest)
                yield {
                    "suite": self.id,
                    "question": digest,
                    "group": question.group or digest,
                    "slices": list(question.slices),
                    "messages": question.prompt,
                    "text": question.text,
                    "reference": question.reference,
                    "choices": list(question.choices),
                }

    def _question(self, text: str, columns: dict[str, Any]) -> Asked | str:
        made = exchange(text, columns, self.format)
        if isinstance(made, str):
            return made
        choices = self._choices(columns)
        if self.scorer is Scorer.MULTIPLE_CHOICE and self.choices and made.answer not in choices:
            return "answer_not_among_choices" if choices else "no_choices"
        names = [*self.settings.slices, *([self.format.column] if self.format.kind == "classification" else [])]
        slices = tuple(f"{name}={columns[name]}" for name in names if columns.get(name) is not None)
        group = str(columns.get("group") or "")
        return Asked(text, made.prompt, made.answer, group, slices, choices)

    def _choices(self, columns: dict[str, Any]) -> tuple[str, ...]:
        """The question's own choices, a list or JSON of one, put as its answer is; none where there are none."""
        given = columns.get(self.choices) if self.scorer is Scorer.MULTIPLE_CHOICE and self.choices else None
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except (ValueError, RecursionError):
                return ()
        made = (
            [exchange("", {self.format.column: choice}, self.format) for choice in given]
            if isinstance(given, list)
            else []
        )
        return tuple(choice.answer for choice in made if not isinstance(choice, str))


def suites(attempt: Attempt, held_out: Manifest, sources: str, settings: Suites) -> Outcome:
    """The run's exam: a suite of the held-out rows and one for each benchmark. Output: ``suites``.

    Raises InvalidInput when there is nothing to ask, when a benchmark has no sound question, and when an override
    names a suite that there is not.
    """
    benchmarks = [source for source in pinned_sources(sources) if source.role == "benchmark"]
    papers = {source.name: _paper(source.name, settings) for source in benchmarks}
    created = sum(papers[source.name].read(attempt, _benchmark(source, papers[source.name])) for source in benchmarks)
    if held_out.rows:
        if settings.held_out in papers:
            raise InvalidInput(f"suites: a benchmark is named {settings.held_out} too; set suites.held_out to another")
        papers[settings.held_out] = _paper(settings.held_out, settings)
        papers[settings.held_out].read(attempt, _documents(attempt, held_out))
    _refuse_nothing_to_ask(papers, settings)
    heads, merged = [], 0
    with attempt.rows(Kind.SUITES) as questions:
        for name in sorted(papers):
            rows = list(papers[name].rows())
            merged += len(papers[name].asked) - len(rows)
            for row in rows:
                questions.append(row)
            heads.append(_head(papers[name], rows))
            attempt.figures[name] = Figure(value=len(rows), unit="questions")
    heads_object = attempt.attach("suites", HEADS, write_heads(heads))
    draft = Draft(Kind.SUITES, questions, sources=_sources(held_out, benchmarks), extra=(heads_object,))
    return attempt.commit(
        {"suites": draft},
        settings=settings,
        inputs={"held_out": held_out},
        rows_in=held_out.rows,
        created=created,
        merged=merged,
    )


def _paper(name: str, settings: Suites) -> Paper:
    own = settings.overrides.get(name)
    style = own.format if own and own.format else settings.format
    scorer = own.scorer if own and own.scorer else settings.scorer
    choices = settings.choices if own is None or own.choices is None else own.choices
    return Paper(name, style, scorer, choices, settings)


def _head(paper: Paper, rows: list[Row]) -> Suite:
    own = paper.settings.overrides.get(paper.id)
    return Suite(
        id=paper.id,
        content_digest=suite_digest([row["question"] for row in rows]),
        questions=len(rows),
        scorer=paper.scorer,
        generation=own.generation if own and own.generation else paper.settings.generation,
    )


def _benchmark(source: PinnedSource, paper: Paper) -> Iterator[Found | Fault]:
    settings = paper.settings
    for item in read_source(source, [settings.text, paper.format.column]):
        if isinstance(item, Fault):
            yield item
            continue
        columns = dict(item.row)
        text = columns.pop(settings.text, None)
        if not isinstance(text, str) or not text.strip():
            place = f"{source.uri}:{item.number}: column {settings.text}"
            yield Fault(item.number, "no_question", place, item.row)
            continue
        if settings.group:
            columns["group"] = columns.get(settings.group)
        yield Found(f"{source.uri}:{item.number}", text, columns)


def _documents(attempt: Attempt, held_out: Manifest) -> Iterator[Found]:
    for row in attempt.read_rows(held_out):
        yield Found(f"held-out row {row['id']}", row["text"], columns_of(row["meta"]))


def _refuse_nothing_to_ask(papers: dict[str, Paper], settings: Suites) -> None:
    if not papers:
        raise InvalidInput(
            "suites: there is nothing to ask: no rows were held out and no source is a benchmark; raise"
            " split.held_out_share, or give a source the role benchmark"
        )
    for name, paper in papers.items():
        if not paper.asked:
            raise InvalidInput(f"suites: {name} has no sound question; look at `sluice report latest --rejects suites`")
    for name in settings.overrides:
        if name not in papers:
            raise InvalidInput(f"suites.overrides: there is no suite {name}; there are: {', '.join(sorted(papers))}")


def _sources(held_out: Manifest, benchmarks: list[PinnedSource]) -> tuple[Source, ...]:
    pinned = {source.uri: source for source in (*held_out.sources, *(given.as_source() for given in benchmarks))}
    return tuple(pinned[uri] for uri in sorted(pinned))
