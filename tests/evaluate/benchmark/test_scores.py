from __future__ import annotations

import pytest

from components.evaluate.benchmark.scores import SuiteScores, wilson_interval


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(right: int, asked: int, low: float, high: float) -> None:
    assert wilson_interval(right, asked) == pytest.approx((low, high), abs=6e-5)


def test_no_question_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def scored(*answers: tuple[str, float, str]) -> SuiteScores:
    scores = SuiteScores("exam", most_examples=1)
    for index, (slice_, score, said) in enumerate(answers):
        question = {
            "question": f"{index:064x}",
            "slices": [slice_],
            "messages": [{"role": "user", "content": f"q{index}"}],
        }
        answer = {"suite": "exam", "answer": said, "reference": "yes", "score": score}
        scores.add(question, answer, near_duplicate=index == 0)
    return scores


def test_the_weakest_slices_come_first_and_few_questions_do_not_make_one_weak() -> None:
    answers = [("solid", 1.0, "yes")] * 9 + [("weak", 0.0, "no")] * 9 + [("tiny", 0.0, "no")]
    assert [name for name, _ in scored(*answers).figures(2)][2:] == ["exam/weak", "exam/tiny"]


def test_near_duplicates_count_only_in_the_whole() -> None:
    figures = dict(scored(("a", 1.0, "yes"), ("a", 0.0, "no")).figures(0))
    assert figures["exam"].value == 0.5
    assert figures["exam_without_near_duplicates"].value == 0.0


def test_the_examples_do_not_depend_on_the_order_of_the_rows() -> None:
    scores = scored(("a", 0.0, "first"), ("a", 1.0, "yes"), ("a", 0.0, "second"))
    assert [(example.good, example.before) for example in scores.examples()] == [
        (False, "user: q0"),
        (True, "user: q1"),
    ]
