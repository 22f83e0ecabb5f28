"""What cannot be trusted is refused, with a code each, before any claim is looked at."""

from __future__ import annotations

import pytest

from components.core.suites import Generation, Scorer
from tests.evaluate.gate.conftest import head, question

FLOOR = {"suite": "exam", "floor": 0.5, "see": 0.3}
MARGIN = {"suite": "exam", "margin": 0.1}
GOOD = [1.0] * 190 + [0.0] * 10


@pytest.fixture
def fair(world):
    """A candidate and an incumbent of which nothing is wrong."""
    return world(GOOD, GOOD[::-1])


def test_nothing_is_wrong_with_a_fair_one(fair) -> None:
    found = fair.evidence(FLOOR, MARGIN)
    assert (found.verdict, found.faults) == ("pass", ())


def test_a_policy_without_claims(fair) -> None:
    assert fair.codes() == {"no_policy"}


def test_only_comparisons_where_nothing_serves(world) -> None:
    assert world(GOOD).codes(MARGIN) == {"no_floor"}


def test_a_suite_that_one_of_them_was_not_asked(fair) -> None:
    fair.answers = fair.commit_answers(fair.model, GOOD, heads=[])
    assert fair.codes(FLOOR, MARGIN) == {"missing_suite"}


def test_answers_that_do_not_say_how_they_were_asked(fair) -> None:
    shards = tuple(shard for shard in fair.answers.shards if not shard.uri.endswith("suites.json"))
    fair.answers = fair.answers.model_copy(update={"shards": shards})
    assert fair.codes(FLOOR) == {"missing_suite"}


@pytest.mark.parametrize("side", ["candidate", "incumbent"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"generation": Generation(max_new_tokens=9)}, "other_settings"),
        ({"generation": Generation(stop=("\n",))}, "other_settings"),
        ({"scorer": Scorer.MULTIPLE_CHOICE}, "other_scorer"),
        ({"scorer_version": 2}, "other_scorer"),
        ({"metric": "f1"}, "other_scorer"),
        ({"content_digest": "0" * 64}, "other_questions"),
    ],
)
def test_a_suite_that_was_asked_or_scored_in_another_way(fair, side, changes, code) -> None:
    heads = [head("exam", fair.questions, **changes)]
    if side == "candidate":
        fair.answers = fair.commit_answers(fair.model, GOOD, heads=heads)
    else:
        fair.incumbent_answers = fair.commit_answers(fair.serving, GOOD, heads=heads)
    found = fair.evidence(FLOOR, MARGIN)
    assert [(fault.code, side in fault.text) for fault in found.faults] == [(code, True)]


def test_a_suite_of_which_nobody_knows(fair) -> None:
    more = [question(number, "extra") for number in range(30)]
    heads = [*fair.heads.values(), head("extra", more)]
    fair.answers = fair.commit_answers(fair.model, GOOD, heads=heads)
    assert fair.codes(FLOOR) == {"other_questions"}


def test_other_suites_of_the_same_questions(fair) -> None:
    other = fair.commit_suites([head("exam", fair.questions, scorer_version=3)])
    fair.incumbent_answers = fair.commit_answers(fair.serving, GOOD, suites=other)
    assert fair.codes(FLOOR, MARGIN) == {"other_questions"}


def test_answers_to_other_questions(fair) -> None:
    rows = [*fair.questions[:-1], question(9999)]
    fair.answers = fair.commit_answers(fair.model, GOOD, rows=rows)
    assert fair.codes(FLOOR) == {"other_questions", "too_few_answers"}


def test_a_question_that_was_answered_twice(fair) -> None:
    rows = [*fair.questions, fair.questions[0]]
    fair.answers = fair.commit_answers(fair.model, [*GOOD, 1.0], rows=rows)
    assert fair.codes(FLOOR) == {"other_questions"}


def test_a_suite_whose_questions_are_not_those_that_its_digest_names(fair) -> None:
    """Decontamination looked for what the digest names; other questions under that digest may have been trained on."""
    easier = [*fair.questions[:-1], question(9999)]
    fair.suites = fair.commit_suites(fair.heads.values(), easier)
    fair.answers = fair.commit_answers(fair.model, GOOD, rows=easier)
    fair.incumbent_answers = fair.commit_answers(fair.serving, GOOD, rows=easier)
    assert fair.codes(FLOOR) == {"other_questions"}


@pytest.mark.parametrize("side", ["candidate", "incumbent"])
@pytest.mark.parametrize(
    ("score", "code"),
    [
        (float("nan"), "not_a_number"),
        (float("inf"), "not_a_number"),
        (None, "not_a_number"),
        (1.01, "score_out_of_range"),
        (-1e-9, "score_out_of_range"),
    ],
)
def test_a_score_that_is_none(fair, side, score, code) -> None:
    scores = [score, *GOOD[1:]]
    if side == "candidate":
        fair.answers = fair.commit_answers(fair.model, scores)
    else:
        fair.incumbent_answers = fair.commit_answers(fair.serving, scores)
    found = fair.evidence(FLOOR, MARGIN)
    assert [(fault.code, side in fault.text) for fault in found.faults] == [(code, True)]


@pytest.mark.parametrize("side", ["candidate", "incumbent"])
def test_a_question_without_an_answer(fair, side) -> None:
    rows = fair.questions[1:]
    if side == "candidate":
        fair.answers = fair.commit_answers(fair.model, GOOD[1:], rows=rows)
    else:
        fair.incumbent_answers = fair.commit_answers(fair.serving, GOOD[1:], rows=rows)
    assert fair.codes(FLOOR, MARGIN) == {"too_few_answers"}


def test_an_incumbent_that_answered_nothing(fair) -> None:
    fair.incumbent_answers = fair.commit_answers(fair.serving, [])
    assert fair.codes(FLOOR, MARGIN) == {"too_few_answers"}


def test_a_candidate_whose_data_may_hold_the_exam(fair) -> None:
    fair.model = fair.commit_model("other", suites=["0" * 64])
    fair.answers = fair.commit_answers(fair.model, GOOD)
    assert fair.codes(FLOOR) == {"not_decontaminated"}


def test_answers_of_another_model(fair) -> None:
    fair.answers = fair.commit_answers(fair.commit_model("better"), GOOD)
    assert fair.codes(FLOOR) == {"other_model"}


def test_answers_of_nobody(fair) -> None:
    fair.answers = fair.commit_answers(None, GOOD)
    assert fair.codes(FLOOR) == {"other_model"}


def test_an_incumbents_answers_that_are_not_its_own(fair) -> None:
    fair.incumbent_answers = fair.commit_answers(fair.commit_model("worse"), GOOD)
    assert fair.codes(FLOOR, MARGIN) == {"other_model"}


def test_answers_of_an_incumbent_where_nothing_serves(world) -> None:
    first = world(GOOD)
    first.incumbent_answers = first.commit_answers(first.commit_model("stray"), GOOD)
    assert first.codes(FLOOR) == {"other_model"}


def test_an_incumbent_that_serves_no_longer(fair) -> None:
    fair.serve(fair.commit_model("hasty"))
    fair.generation -= 1
    found = fair.evidence(FLOOR, MARGIN)
    assert found.verdict == "refuse"
    assert [fault.code for fault in found.faults] == ["incumbent_changed"]
    assert "run the release again" in found.paragraph


def test_the_first_model_of_an_endpoint_that_has_one_meanwhile(world) -> None:
    first = world(GOOD)
    first.serve(first.commit_model("hasty"))
    assert [fault.code for fault in first.evidence(FLOOR).faults] == ["incumbent_changed"]


def test_a_change_that_left_the_champion_alone_is_none(fair) -> None:
    fair.serve(fair.serving)
    assert fair.evidence(FLOOR, MARGIN).verdict == "pass"


def test_a_suite_that_is_better_the_lower_it_scores(world) -> None:
    questions = [question(number) for number in range(200)]
    errors = world(GOOD, questions=questions, heads={"exam": head("exam", questions, higher_is_better=False)})
    assert errors.codes(FLOOR) == {"other_scorer"}


def test_all_that_is_wrong_is_told_at_once(fair) -> None:
    fair.answers = fair.commit_answers(fair.commit_model("better"), [None, 2.0, *GOOD[2:]])
    assert fair.codes(FLOOR) == {"other_model", "not_a_number", "score_out_of_range"}
    assert "Besides, 2 more things are wrong." in fair.evidence(FLOOR).paragraph


def test_another_exam_than_the_policy_names(fair) -> None:
    assert fair.codes(FLOOR, exams={"exam": "f" * 64}) == {"other_exam"}
    assert fair.evidence(FLOOR, exams={"exam": fair.heads["exam"].content_digest[:12]}).verdict == "pass"


def test_an_exam_that_the_policy_names_and_nobody_made(fair) -> None:
    assert fair.codes(FLOOR, exams={"other": "f" * 64}) == {"missing_suite"}
