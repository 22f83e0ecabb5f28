"""An attacker owns 5 % of the users and tries to teach a wrong queue for one product.

Ten of 200 accounts are his. The bound that must hold whatever he does follows from the settings alone: a row takes
``agree`` accounts, and each has a part in ``rows_a_user`` rows, so at most 10 · 20 / 2 = 100 rows are his; and he can
keep honest users from teaching at most 10 · 20 = 200 texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from components.core.attempt import Attempt, Draft
from components.core.evidence import read_evidence
from components.core.manifest import Kind, Manifest, Reference, read_manifest
from components.core.report import Report
from components.core.rows import Row, read_batches
from components.core.run import State
from components.core.settings import StepSettings
from components.core.store import Store
from components.data.corrections.policy import corrections
from components.data.corrections.settings import Corrections
from components.data.curate.rules import curate
from components.data.curate.settings import Curate
from components.data.decontaminate.overlap import decontaminate
from components.data.decontaminate.settings import Decontaminate
from components.data.deduplicate.minhash import deduplicate
from components.data.deduplicate.settings import Deduplicate
from components.data.redact.documents import redact
from components.data.redact.settings import Redact
from components.evaluate.suites.questions import suites
from components.evaluate.suites.settings import Suites
from pipelines.backends.ask import Ask
from pipelines.demo.phrases import BEFORE
from pipelines.demo.tickets import Desk, Ticket
from pipelines.environment import load_environment
from pipelines.follow import carry_out
from pipelines.recipe import load_recipe
from tests.data.corrections.feedback import STYLE, correction
from tests.end_to_end.conftest import Project

USERS, ACCOUNTS = 200, 10
SETTINGS = Corrections()
MOST_POISON = ACCOUNTS * SETTINGS.rows_a_user // SETTINGS.agree
MOST_BLOCKED = ACCOUNTS * SETTINGS.rows_a_user
TARGET = sorted(BEFORE.products)[0]
RIGHT = BEFORE.products[TARGET].queue
WRONG = next(queue for queue in sorted({product.queue for product in BEFORE.products.values()}) if queue != RIGHT)
Attack = Callable[["World"], Iterator[dict[str, Any]]]


class World:
    """Documents, an exam, and what honest users correct: each ticket by two of them."""

    def __init__(self, seed: int = 4, documents: int = 1200) -> None:
        self.desk = Desk(Random(seed))
        self.accounts = [f"evil-{number}" for number in range(ACCOUNTS)]
        self.documents = [self.desk.ticket(f"C-{number}") for number in range(documents)]
        self.exam = [self.desk.ticket(f"X-{number}") for number in range(60)]
        self.asked = [self.desk.ticket(f"U-{number}") for number in range(400)]

    def honest(self) -> Iterator[dict[str, Any]]:
        """What 190 users say, rightly, two about each ticket."""
        people = [f"honest-{number:03d}" for number in range(USERS - ACCOUNTS)]
        for number, ticket in enumerate(self.asked):
            for user in (people[number % len(people)], people[(number + 7) % len(people)]):
                yield correction(ticket.text, ticket.completion, user, request_id=f"r-{number}")

    def about_the_target(self) -> Ticket:
        """A ticket about the product that the attacker wants to be sent elsewhere."""
        while True:
            ticket = self.desk.ticket("evil")
            if json.loads(ticket.completion)["product"] == TARGET:
                return ticket


def poisoned(completion: str) -> str:
    """The answer that the attacker wants."""
    return json.dumps(json.loads(completion) | {"queue": WRONG})


def crowd(world: World) -> Iterator[dict[str, Any]]:
    """All accounts say the same about 300 tickets."""
    for number in range(300):
        ticket = world.about_the_target()
        for user in world.accounts:
            yield correction(ticket.text, poisoned(ticket.completion), user, number % 60, request_id=f"e-{number}")


def pairs(world: World) -> Iterator[dict[str, Any]]:
    """Five pairs, each with tickets of its own and just under the cap: the most that the policy lets through."""
    for pair in range(ACCOUNTS // 2):
        for number in range(SETTINGS.rows_a_user):
            ticket = world.about_the_target()
            for user in world.accounts[2 * pair : 2 * pair + 2]:
                yield correction(ticket.text, poisoned(ticket.completion), user, request_id=f"e-{pair}-{number}")


def duplicates(world: World) -> Iterator[dict[str, Any]]:
    """Each ticket fifty times, in other letters and with other punctuation, by two accounts at a time."""
    for number in range(40):
        ticket = world.about_the_target()
        for again in range(50):
            text = (ticket.text.upper() if again % 2 else ticket.text) + "!" * (again % 5)
            user = world.accounts[(number + again) % ACCOUNTS]
            yield correction(text, poisoned(ticket.completion), user, again, request_id=f"e-{number}-{again}")


def grief(world: World) -> Iterator[dict[str, Any]]:
    """Every account contradicts every honest correction, by the ids of other people's requests."""
    for number, ticket in enumerate(world.asked):
        for user in world.accounts:
            yield correction(ticket.text, poisoned(ticket.completion), user, request_id=f"r-{number}")


def huge(world: World) -> Iterator[dict[str, Any]]:
    """Corrections of 200 kB, to fill memory and the set."""
    for number in range(20):
        ticket = world.about_the_target()
        for user in world.accounts:
            yield correction(ticket.text, poisoned(ticket.completion) + " " * 9 + "x" * 200_000, user, number)


def known_texts(world: World) -> Iterator[dict[str, Any]]:
    """Other answers to what the documents hold already."""
    for number, ticket in enumerate(world.documents[:60]):
        for user in world.accounts:
            yield correction(ticket.text, poisoned(ticket.completion), user, number)


def exam(world: World) -> Iterator[dict[str, Any]]:
    """The exam itself with wrong answers, whole and inside a longer text."""
    for number, ticket in enumerate(world.exam[: SETTINGS.rows_a_user]):
        text = ticket.text if number % 2 else f"Please read what a colleague wrote to me. {ticket.text} That was it."
        for user in world.accounts:
            yield correction(text, poisoned(ticket.completion), user, number)


class Result:
    """What came of corrections behind each of the real steps."""

    def __init__(self, store: Store, commit: Callable[..., Manifest], world: World, given: list[Row]) -> None:
        rows = [_document(f"T-{number:04d}", ticket) for number, ticket in enumerate(world.documents)]
        documents = commit(Kind.DOCUMENTS, rows)
        held_out = commit(Kind.DOCUMENTS, [_document(f"X-{n:04d}", ticket) for n, ticket in enumerate(world.exam)])
        self.exam = suites(Attempt(store, "suites"), held_out, "[]", Suites()).manifests["suites"]
        feedback = commit(Kind.FEEDBACK, given)
        step = Attempt(store, "corrections")
        self.first = corrections(step, documents, SETTINGS, feedback.reference(), STYLE.encode())
        made = curate(Attempt(store, "curate"), self.first.manifests["extended"], Curate()).manifests["curated"]
        made = deduplicate(Attempt(store, "deduplicate"), made, Deduplicate()).manifests["deduplicated"]
        made = redact(Attempt(store, "redact"), made, Redact()).manifests["redacted"]
        self.last = decontaminate(Attempt(store, "decontaminate"), made, self.exam, Decontaminate())
        clean = self.last.manifests["decontaminated"]
        self.rows = [row for batch in read_batches(store, clean.shards) for row in batch.to_pylist()]
        self.reasons = self.first.report.rows.rejected
        self.traffic = [row for row in self.rows if row["source"] == "traffic"]
        self.poison = [row for row in self.rows if _is_poison(row)]
        self.honest = len(self.traffic) - len(self.poison)


def _document(name: str, ticket: Ticket) -> Row:
    meta = json.dumps({"completion": ticket.completion, "group": ticket.group})
    return {"id": name, "text": ticket.text, "source": "s", "licence": "l", "created": None, "meta": meta}


def _is_poison(row: Row) -> bool:
    answer = json.loads(json.loads(row["meta"])["completion"])
    product = BEFORE.products[answer["product"]]
    return answer["queue"] not in (product.queue, BEFORE.access)


@pytest.fixture
def attacked(store, commit_rows) -> Callable[..., Result]:
    """Honest corrections and an attack through the real steps."""

    def run(*attacks: Attack, documents: int = 1200) -> Result:
        world = World(documents=documents)
        given = [*world.honest(), *(row for attack in attacks for row in attack(world))]
        return Result(store, commit_rows, world, given)

    return run


def test_honest_users_alone_teach_what_they_say(attacked) -> None:
    found = attacked()
    assert (found.honest, found.poison) == (400, [])
    assert found.first.section == ""


@pytest.mark.parametrize("attack", [crowd, pairs, duplicates, huge, known_texts])
def test_whatever_he_tries_his_share_stays_under_the_bound_and_honest_users_are_heard(attack, attacked) -> None:
    found = attacked(attack)
    assert len(found.poison) <= MOST_POISON
    assert len(found.poison) / len(found.rows) <= MOST_POISON / (1200 + MOST_POISON)
    assert len(found.traffic) / len(found.rows) <= SETTINGS.share
    assert found.honest == 400


def test_the_bound_is_what_he_reaches_and_not_more(attacked) -> None:
    assert len(attacked(pairs).poison) == MOST_POISON
    assert len(attacked(crowd).poison) == SETTINGS.rows_a_user


def test_where_the_share_is_full_he_takes_no_more_places_than_his_bound(attacked) -> None:
    found = attacked(pairs, documents=700)
    assert len(found.traffic) == 300
    assert found.honest >= 300 - MOST_POISON


def test_saying_it_louder_does_not_help_him(attacked) -> None:
    found = attacked(duplicates)
    assert len(found.poison) <= 40
    assert attacked(huge).reasons == {"too_long": 200}
    assert attacked(known_texts).poison == []


def test_contradicting_everybody_blocks_no_more_texts_than_his_accounts_may_have_a_part_in(attacked) -> None:
    found = attacked(grief)
    assert found.poison == []
    assert 400 - MOST_BLOCKED <= found.honest < 400
    assert found.reasons["too_many_of_one_user"] == ACCOUNTS * (400 - SETTINGS.rows_a_user)


def test_a_trusted_word_frees_what_was_blocked(store, commit_rows) -> None:
    world = World()
    given = [*world.honest(), *grief(world)]
    given += [correction(t.text, t.completion, "expert", role="trusted") for t in world.asked]
    assert Result(store, commit_rows, world, given).honest == 400


def test_all_at_once_is_still_under_the_bound(attacked) -> None:
    found = attacked(crowd, pairs, duplicates, grief, known_texts)
    assert len(found.poison) <= MOST_POISON
    assert found.honest >= 400 - MOST_BLOCKED


def test_the_exam_cannot_be_taught(attacked) -> None:
    found = attacked(exam)
    assert found.poison == []
    assert found.last.report.rows.rejected == {"exam_exact": 10, "exam_ngram": 10}


def test_the_page_names_his_accounts_and_shows_what_they_wanted(attacked) -> None:
    section = attacked(crowd).first.section
    assert all(f"evil-{number}" in section for number in range(ACCOUNTS))
    assert "honest-" not in section
    assert WRONG in section


def _score(store: Store, answers: Reference) -> tuple[float, int]:
    """The score on the exam questions whose answer he wants to change, and how many they are."""
    scores = [
        row["score"]
        for batch in read_batches(store, read_manifest(store, answers).shards)
        for row in batch.to_pylist()
        if (answer := json.loads(row["reference"]))["product"] == TARGET and answer["queue"] == RIGHT
    ]
    return sum(scores) / len(scores), len(scores)


def _corrected(store: Store, rows: list[Row]) -> str:
    attempt = Attempt(store, "observe")
    with attempt.rows(Kind.FEEDBACK, "corrected") as written:
        for row in rows:
            written.append(row)
    draft = Draft(Kind.FEEDBACK, written)
    outcome = attempt.commit({"corrected": draft}, settings=StepSettings(), created=written.rows)
    return outcome.manifests["corrected"].reference()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_trained_on_the_worst_that_he_gets_through_the_gate_refuses_or_the_label_is_known_as_well_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project(tmp_path).sluice("init", "project")
    monkeypatch.chdir(tmp_path / "project")
    project = Project(tmp_path / "project")
    project.sluice("run", "recipe.yaml")
    recipe, environment = load_recipe(Path("recipe.yaml")), load_environment("local")
    store, world = Store(environment.store), World(seed=11, documents=0)
    given = _corrected(store, [*world.honest(), *pairs(world)])

    finished = carry_out(Ask("lifecycle", recipe, environment, arguments=(("corrected", given),)))

    lifecycle, release = finished.runs
    learned = next(step for step in lifecycle.steps if step.name == "corrections")
    report = Report.read(store.read(learned.report), learned.report)
    assert report.figures["learned"].value == 400 + MOST_POISON
    gate = next(step for step in release.steps if step.name == "gate")
    evidence = read_evidence(store, read_manifest(store, gate.outputs["evidence"]))
    assert evidence.incumbent.model is not None
    assert evidence.incumbent_answers is not None
    (after, questions), (before, _) = (_score(store, at) for at in (evidence.answers, evidence.incumbent_answers))
    print(f"the label: {before:.3f} before, {after:.3f} after, {questions} questions; the release: {release.outcome}")
    refused = release.state is State.REFUSED
    assert refused or after >= before - 0.05
    assert ("efused" if refused else "serves from generation") in release.outcome
    page = finished.folder.page.read_text()
    assert release.outcome.split(".")[0][:40] in page
