from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import phonenumbers
import pytest

from components.core.attempt import Attempt
from components.data.curate.rules import first_broken_rule
from components.data.curate.settings import Curate
from components.data.ingest.documents import ingest
from components.data.ingest.settings import Ingest
from components.data.resolve.pin import resolve
from components.data.resolve.settings import Resolve
from components.data.split.groups import is_held_out
from components.data.split.settings import Split
from components.data.validate.expectations import validate
from components.data.validate.settings import DEFAULTS, Expectation, Validate
from pipelines.demo.tickets import PLANTS, Planted, similarity, word_runs, words, write_tickets


class Written(NamedTuple):
    planted: Planted
    tickets: dict[str, dict[str, Any]]  # rows that can be read, by id
    exam: list[dict[str, Any]]

    def of(self, step: str, kind: str) -> list[dict[str, Any]]:
        return [self.tickets[name] for name in self.planted.ids[step][kind]]

    @property
    def genuine(self) -> list[dict[str, Any]]:
        planted = {name for kinds in self.planted.ids.values() for names in kinds.values() for name in names}
        return [row for name, row in self.tickets.items() if name not in planted]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    planted = write_tickets(tmp_path_factory.mktemp("tickets"), seed=0)
    broken = planted.ids["ingest"]["broken_json"]
    lines = planted.tickets.read_text().splitlines()
    rows = [json.loads(line) for line in lines if not any(name in line for name in broken)]
    exam = [json.loads(line) for line in planted.exam.read_text().splitlines()]
    return Written(planted, {row["id"]: row for row in rows}, exam)


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    def made(name: str, seed: int) -> list[bytes]:
        planted = write_tickets(tmp_path / name, seed=seed, genuine=300, questions=40)
        return [planted.tickets.read_bytes(), planted.exam.read_bytes()]

    assert made("one", 3) == made("two", 3)
    assert made("one", 3) != made("other", 4)


def test_as_much_is_planted_as_is_said(written: Written) -> None:
    found = {step: {kind: len(names) for kind, names in kinds.items()} for step, kinds in written.planted.ids.items()}
    assert found == PLANTS
    assert written.planted.rows == 1600 + sum(count for kinds in PLANTS.values() for count in kinds.values())
    assert written.planted.rows == len(written.tickets) + PLANTS["ingest"]["broken_json"]
    assert written.planted.questions == len(written.exam) == 400


@pytest.mark.parametrize("seed", [0, 7])
def test_no_two_genuine_tickets_or_questions_share_thirteen_words_in_a_row(tmp_path: Path, seed: int) -> None:
    planted = write_tickets(tmp_path, seed=seed)
    copies = {
        name for step in ("deduplicate", "decontaminate") for names in planted.ids[step].values() for name in names
    }
    unread = copies | set(planted.ids["ingest"]["broken_json"])
    lines = [*planted.tickets.read_text().splitlines(), *planted.exam.read_text().splitlines()]
    rows = [json.loads(line) for line in lines if not any(f'"{name}"' in line for name in unread)]
    runs = Counter(run for row in rows for run in set(word_runs(row["text"], 13)) if len(set(run)) > 3)
    assert [run for run, times in runs.items() if times > 1] == []


def test_genuine_tickets_are_not_near_duplicates(written: Written) -> None:
    rows = written.genuine
    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        for run in set(word_runs(row["text"], 5)):
            where[run].append(index)
    shared = Counter((one, other) for indices in where.values() if len(indices) < 60
                     for at, one in enumerate(indices) for other in indices[at + 1 :])  # fmt: skip
    likely = [pair for pair, count in shared.items() if count > 6]
    assert max((similarity(rows[one]["text"], rows[other]["text"]) for one, other in likely), default=0) < 0.65


def test_tickets_are_of_a_length_that_a_small_model_learns(written: Written) -> None:
    lengths = [len(words(row["text"])) for row in written.genuine]
    assert min(lengths) >= 15
    assert max(lengths) <= 60
    assert sum(1 for length in lengths if length <= 45) > 0.95 * len(lengths)
    assert {len(json.loads(row["completion"])) for row in written.genuine} == {3}


def test_every_answer_occurs_often_enough_to_be_learnt(written: Written) -> None:
    for key, least in (("product", 100), ("queue", 200), ("urgency", 400)):
        answers = Counter(json.loads(row["completion"])[key] for row in written.genuine)
        assert min(answers.values()) >= least
    lessons = {row["completion"] for row in written.genuine}
    assert {row["completion"] for row in written.exam} <= lessons


def test_exam_and_tickets_have_no_customer_in_common(written: Written) -> None:
    assert not {row["group"] for row in written.exam} & {row["group"] for row in written.tickets.values()}


def test_exact_duplicates_are_copies_of_one_genuine_ticket_each(written: Written) -> None:
    texts = Counter(row["text"] for row in written.genuine)
    assert [texts[row["text"]] for row in written.of("deduplicate", "exact")] == [1] * 60
    assert len({row["text"] for row in written.of("deduplicate", "exact")}) == 60


def test_near_duplicates_are_similar_but_not_equal_to_one_genuine_ticket_each(written: Written) -> None:
    copies = {row["text"] for row in written.of("deduplicate", "exact")}
    where: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in written.genuine:
        for run in word_runs(row["text"], 5):
            where[run].add(row["text"])
    found = []
    for row in written.of("deduplicate", "near"):
        likely = set().union(*(where[run] for run in word_runs(row["text"], 5)))
        found.append([text for text in likely if similarity(row["text"], text) >= 0.85])
    assert [len(texts) for texts in found] == [1] * 60
    originals = {text for (text,) in found}
    assert len(originals) == 60
    assert not originals & copies
    assert not originals & {row["text"] for row in written.of("deduplicate", "near")}


def test_junk_breaks_the_rule_that_it_is_named_after_and_nothing_else_breaks_one(written: Written) -> None:
    for kind in PLANTS["curate"]:
        assert {first_broken_rule(row["text"], Curate()) for row in written.of("curate", kind)} == {kind}
    good = [*written.genuine, *(row for kind in ("email", "phone") for row in written.of("redact", kind))]
    assert {first_broken_rule(row["text"], Curate()) for row in [*good, *written.exam]} == {None}


def test_personal_data_is_of_nobody_and_stands_where_it_was_planted(written: Written) -> None:
    emails, phones = (written.of("redact", kind) for kind in ("email", "phone"))
    assert all(row["text"].count("@example.") == 1 for row in emails)
    for row in phones:
        (match,) = phonenumbers.PhoneNumberMatcher(row["text"], "US")
        assert "555-0" in phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.NATIONAL) or (
            match.number.country_code == 44 and str(match.number.national_number).startswith("2079460")
        )
    for row in [*written.genuine, *written.exam]:
        assert "@" not in row["text"]
        assert not list(phonenumbers.PhoneNumberMatcher(row["text"], "US"))


def test_copies_of_exam_questions_are_verbatim_or_inside_a_longer_ticket(written: Written) -> None:
    questions = [row["text"] for row in written.exam]
    verbatim, inside = (written.of("decontaminate", kind) for kind in ("verbatim", "inside"))
    assert {row["text"] for row in verbatim} <= set(questions)
    assert [sum(text in row["text"] and text != row["text"] for text in questions) for row in inside] == [1] * 15
    assert len({text for text in questions for row in [*verbatim, *inside] if text in row["text"]}) == 30


def test_copies_of_exam_questions_are_on_the_training_side(written: Written) -> None:
    groups = {row["group"] for kind in ("verbatim", "inside") for row in written.of("decontaminate", kind)}
    assert len(groups) == 1
    assert not is_held_out(f"group:{groups.pop()}", Split(held_out_share=0.5))


def test_ingest_and_validate_find_what_was_planted_for_them(store, written: Written) -> None:
    sources = ({"path": "tickets.jsonl"}, {"path": "exam.jsonl", "role": "benchmark"})
    pinned = resolve(
        Attempt(store, "resolve"),
        Resolve(root=str(written.planted.tickets.parent), sources=sources),
        "2026-11-24T09:00:00Z",
    )
    settings = Ingest(id="id", group="group", created="created")
    ingested = ingest(Attempt(store, "ingest"), pinned.word, settings)
    assert ingested.report.rows.rejected == PLANTS["ingest"]
    is_json = Expectation(type="expect_column_values_to_be_json_parseable", column="meta.completion")
    checked = validate(
        Attempt(store, "validate"), ingested.manifests["documents"], Validate(expectations=(*DEFAULTS, is_json))
    )
    assert checked.report.rows.rejected == {
        "meta.completion_be_json_parseable": PLANTS["validate"]["completion_not_json"]
    }
