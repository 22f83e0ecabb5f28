from __future__ import annotations

import random

import pytest

from components.core.attempt import Attempt, Draft
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.rows import read_batches
from components.core.settings import StepSettings
from components.core.suites import HEADS, Scorer, Suite, question_digest, suite_digest, write_heads
from components.data.decontaminate.overlap import decontaminate
from components.data.decontaminate.settings import Decontaminate

QUESTION = "Why was I charged a fee when I used my card to take cash out of a machine abroad last week?"
SHORT = "How do I reset my password?"
WORDS = [f"word{number}" for number in range(5000)]


def prompt(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Which intent of all the many intents that we know is this one? {question}"}]


def a_digest(question: str) -> str:
    return question_digest(prompt(question), "yes", [])


@pytest.fixture
def exam(store):
    """Commits one suite of these questions."""

    def commit(*questions: str, name: str = "exam"):
        attempt = Attempt(store, "suites")
        with attempt.rows(Kind.SUITES) as rows:
            for question in questions:
                row = {"suite": name, "question": a_digest(question), "group": "", "slices": [], "reference": "yes"}
                rows.append({**row, "messages": prompt(question), "choices": [], "text": question})
        digest = suite_digest([a_digest(question) for question in questions])
        head = Suite(id=name, content_digest=digest, questions=len(questions), scorer=Scorer.EXACT_MATCH)
        extra = (attempt.attach("suites", HEADS, write_heads([head])),)
        draft = Draft(Kind.SUITES, rows, extra=extra)
        outcome = attempt.commit({"suites": draft}, settings=StepSettings(), created=len(questions))
        return outcome.manifests["suites"]

    return commit


@pytest.fixture
def cleaned(store, commit_texts):
    """Cleans texts against a suite: the outcome, the ids that are left, the rejects by id, the overlap by question."""

    def clean(suites, *texts: str, **settings):
        step = Attempt(store, "decontaminate")
        outcome = decontaminate(step, commit_texts(*texts), suites, Decontaminate(**settings))
        left, overlap = (
            [row for batch in read_batches(store, outcome.manifests[role].shards) for row in batch.to_pylist()]
            for role in ("decontaminated", "overlap")
        )
        rejects = [row for batch in read_batches(store, outcome.report.rejects) for row in batch.to_pylist()]
        return (
            outcome,
            {row["id"] for row in left},
            {row["id"]: row for row in rejects},
            {row["id"]: (row["name"], row["value"]) for row in overlap},
        )

    return clean


def test_copies_word_for_word_are_removed_whatever_their_punctuation(exam, cleaned) -> None:
    suites = exam(QUESTION, SHORT)
    outcome, left, rejects, _ = cleaned(
        suites, "Something else", QUESTION, QUESTION.upper() + "!!", "how do i reset my password"
    )
    assert left == {"d0"}
    assert {row["reason"] for row in rejects.values()} == {"exam_exact"}
    assert outcome.report.rows.rejected == {"exam_exact": 3}


def test_copies_inside_longer_texts_are_removed_and_what_matched_is_told(exam, cleaned) -> None:
    inside = f"Hello there. {QUESTION} Thank you for your help"
    asked = f"My colleague wrote: {SHORT.lower()} I could not tell"
    texts = (inside, asked, "nothing of the sort in here")
    _, left, rejects, _ = cleaned(exam(QUESTION, SHORT), *texts, min_question_words=6)
    assert left == {"d2"}
    assert {name: row["reason"] for name, row in rejects.items()} == {"d0": "exam_ngram", "d1": "exam_ngram"}
    assert rejects["d1"]["detail"] == f"question {a_digest(SHORT)[:12]} of exam: how do i reset my password"


@pytest.mark.parametrize(("words", "removed"), [(13, True), (12, False)])
def test_thirteen_words_in_a_row_are_a_copy_and_twelve_are_not(exam, cleaned, words, removed) -> None:
    question = " ".join(WORDS[:40])
    shared = " ".join(WORDS[10 : 10 + words])
    _, left, _, _ = cleaned(exam(question), f"so it says {shared} and goes on", "another text")
    assert left == ({"d1"} if removed else {"d0", "d1"})


def test_a_question_of_a_word_wipes_out_only_its_own_copies(exam, cleaned) -> None:
    _, left, rejects, _ = cleaned(exam("Password?"), "password", "I lost my password", "my password is gone")
    assert left == {"d1", "d2"}
    assert rejects["d0"]["reason"] == "exam_exact"


def test_part_of_a_word_is_no_copy(exam, cleaned) -> None:
    _, left, _, _ = cleaned(exam("one two three four five"), "none two three four five", "one two three four fives")
    assert left == {"d0", "d1"}


def test_the_words_around_a_question_do_not_hide_it_or_match_by_themselves(exam, cleaned) -> None:
    around = "Which intent of all the many intents that we know is this one? It is another"
    _, left, _, _ = cleaned(exam(SHORT), around, SHORT)
    assert left == {"d0"}


def test_every_planted_copy_among_many_texts_is_found_and_nothing_else(exam, cleaned) -> None:
    random_ = random.Random(3)
    questions = [" ".join(random_.choices(WORDS, k=random_.randint(6, 30))) for _ in range(60)]
    texts, planted = [], set()
    for at in range(600):
        words = random_.choices(WORDS, k=60)
        if at % 6 == 0:
            words[20:20] = questions[at // 10 % 60].split()
            planted.add(f"d{at}")
        texts.append(" ".join(words))
    _, _, rejects, _ = cleaned(exam(*questions), *texts, min_question_words=6)
    assert set(rejects) == planted


def test_each_question_with_a_near_duplicate_in_the_incoming_texts_is_listed(exam, cleaned) -> None:
    near = QUESTION.replace("last week", "this week")
    outcome, _, _, overlap = cleaned(exam(QUESTION, SHORT), near, SHORT, "nothing of the sort in here", shingle_words=3)
    assert overlap == {a_digest(QUESTION): ("d0", "0.8095"), a_digest(SHORT): ("d1", "1.0000")}  # 17 of 21 shingles
    assert outcome.report.figures["with_near_duplicate"].value == 2


def test_documents_that_resemble_each_other_are_not_listed(exam, cleaned) -> None:
    _, _, _, overlap = cleaned(exam(SHORT), QUESTION, QUESTION + " please")
    assert overlap == {}


def test_the_output_names_the_suites_that_it_was_cleaned_against(exam, cleaned) -> None:
    outcome, *_ = cleaned(exam(SHORT), "some text")
    expected = (suite_digest([a_digest(SHORT)]),)
    assert outcome.manifests["decontaminated"].suites == expected
    assert outcome.manifests["overlap"].suites == expected


def test_nothing_left_to_train_on_is_refused(exam, cleaned) -> None:
    with pytest.raises(InvalidInput, match="all 2 training rows copy exam questions"):
        cleaned(exam(SHORT), SHORT, SHORT)


def test_the_answer_is_the_same_whatever_the_order_of_questions_and_texts(exam, commit_rows, store) -> None:
    texts = [QUESTION, f"well {SHORT} ok", f"well {QUESTION} {SHORT}", "else", QUESTION + " now"]
    rows = [
        {"id": f"d{at}", "text": text, "source": "s", "licence": "", "created": None, "meta": "{}"}
        for at, text in enumerate(texts)
    ]
    found = set()
    for seed in range(4):
        random.Random(seed).shuffle(rows)
        suites = exam(*random.Random(seed).sample([QUESTION, SHORT, "Another question?"], 3))
        step = Attempt(store, "decontaminate")
        outcome = decontaminate(step, commit_rows(Kind.DOCUMENTS, rows), suites, Decontaminate())
        found.add(tuple(sorted((role, made.content_digest) for role, made in outcome.manifests.items())))
    assert len(found) == 1
