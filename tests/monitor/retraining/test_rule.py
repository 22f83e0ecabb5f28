"""When it is retrained, waited and alerted: both sides of each limit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from components.core.decision import Verdict
from components.monitor.figures import Fault, Score
from components.monitor.retraining.rule import Answer, Retrained, decide
from components.monitor.retraining.settings import Retraining
from tests.monitor.windows import START, WEEK, figures, history, shift

GOOD = tuple(figures(number) for number in range(8))
POLICY = Retraining()


def asked(correct: int = 180, labelled: int = 200, before=GOOD, policy: Retraining = POLICY, **changes: Any) -> Answer:
    """What is decided about the week after ``before``."""
    given = {name: changes.pop(name) for name in list(changes) if name in ("retrainings", "cpu_hours", "complete")}
    return decide(figures(len(before), correct, labelled, **changes), policy, history(*before, **given))


def codes(answer: Answer) -> list[str]:
    return [reason.code for reason in answer.reasons]


def test_where_nothing_changes_it_waits_and_says_in_numbers_why() -> None:
    answer = asked()
    assert answer.verdict is Verdict.WAIT
    assert codes(answer) == ["accuracy_holds", "data_holds"]
    assert "90.0% of 200 labelled answers were right in the last window, 90.0% of 1,600 before" in answer.said


def test_a_fall_that_is_extreme_needs_one_window() -> None:
    answer = asked(150)
    assert answer.verdict is Verdict.RETRAIN
    assert codes(answer)[0] == "accuracy_fell_in_one_window"
    assert answer.reasons[0].estimate == pytest.approx(0.15)
    assert answer.said.startswith("Retrain: Accuracy fell by 15.0 points: 75.0% of 200")


def test_a_suspicious_window_waits_for_a_second_one() -> None:
    patient = Retraining(cumulative=0, extreme=0)
    suspicious = figures(8, 166, 200)
    first = asked(166, policy=patient)
    assert first.verdict is Verdict.WAIT
    assert first.said.startswith("Wait: Accuracy may have fallen")
    answer = asked(166, before=(*GOOD, suspicious), policy=patient)
    assert answer.verdict is Verdict.RETRAIN
    assert codes(answer)[0] == "accuracy_fell_in_a_row"


def test_two_suspicious_windows_with_a_good_one_between_are_not_in_a_row() -> None:
    patient = Retraining(cumulative=0, extreme=0)
    before = (*GOOD, figures(8, 166, 200), figures(9))
    assert asked(166, before=before, policy=patient).verdict is Verdict.WAIT


def test_a_slow_fall_is_found_although_no_window_is_suspicious() -> None:
    """Two points a week: each window is near the one before it."""
    slow = (*GOOD, *(figures(8 + week, 180 - 3 * week, 200) for week in range(7)))
    answer = asked(160, before=slow, policy=Retraining(suspicious=1e-6, extreme=0))
    assert answer.verdict is Verdict.RETRAIN
    assert codes(answer)[0] == "accuracy_fell_over_time"


def test_a_small_fall_does_not_matter_however_sure_it_is() -> None:
    many = tuple(figures(number, 180_000, 200_000) for number in range(4))
    assert asked(176_000, 200_000, before=many).verdict is Verdict.WAIT
    assert asked(173_000, 200_000, before=many).verdict is Verdict.RETRAIN


def test_few_labels_in_each_window_are_pooled_over_windows() -> None:
    few = tuple(figures(number, 18, 20) for number in range(12))
    worse = tuple(figures(12 + number, 8, 20) for number in range(3))
    assert asked(8, 20, before=few).verdict is Verdict.WAIT
    answer = asked(8, 20, before=(*few, *worse))
    assert answer.verdict is Verdict.RETRAIN
    assert codes(answer)[0] == "accuracy_fell_over_time"


def test_the_first_window_is_compared_with_nothing_and_waits() -> None:
    answer = asked(before=())
    assert answer.verdict is Verdict.WAIT
    assert "accuracy_unknown" in codes(answer)
    assert "Whether accuracy holds is unknown" in answer.said


def test_the_reference_stands_in_for_windows_that_are_no_longer_looked_at() -> None:
    recent = (figures(0, 150, 200),)
    unknown = asked(150, before=recent, reference=Score(correct=1_900, labelled=2_000))
    known = asked(150, before=recent, reference=Score(correct=1_900, labelled=2_000), complete=False)
    assert (unknown.verdict, known.verdict) == (Verdict.WAIT, Verdict.RETRAIN)


@pytest.mark.parametrize("code", ["no_requests", "stale", "unreadable", "one_user", "nothing_serves"])
def test_a_fault_is_an_alert_and_never_no_drift(code: str) -> None:
    answer = asked(faults=(Fault(code=code, text="Something is wrong."),))
    assert answer.verdict is Verdict.ALERT
    assert codes(answer)[0] == code
    assert "Something is wrong." in answer.said


def test_a_fault_that_people_know_of_alerts_nobody() -> None:
    fault = Fault(code="one_user", text="One user asks.")
    assert asked(faults=(fault,), policy=Retraining(known_faults=("one_user",))).verdict is Verdict.WAIT


def test_a_window_of_few_requests_says_nothing() -> None:
    assert codes(asked(9, 10, requests=99, answered=99))[0] == "too_few_requests"
    assert asked(requests=100, answered=100).verdict is Verdict.WAIT


def test_a_window_without_requests_is_told_once() -> None:
    answer = asked(0, 0, requests=0, answered=0, shifts=(), faults=(Fault(code="no_requests", text="Nobody asked."),))
    assert answer.verdict is Verdict.ALERT
    assert "too_few_requests" not in codes(answer)


def test_many_failures_are_an_alert() -> None:
    assert codes(asked(failed=300, cut=101))[0] == "many_failed"
    assert asked(failed=300, cut=100).verdict is Verdict.WAIT


def test_what_was_taken_and_never_compared_is_an_alert() -> None:
    skipped = figures(9)
    assert codes(decide(skipped, POLICY, history(*GOOD)))[0] == "window_lost"
    assert decide(figures(8), POLICY, history(*GOOD)).verdict is Verdict.WAIT


def test_a_fall_in_a_window_with_a_fault_is_an_alert_that_tells_of_both() -> None:
    answer = asked(150, faults=(Fault(code="one_user", text="One user asks."),))
    assert answer.verdict is Verdict.ALERT
    assert "One user asks." in answer.said
    assert "Accuracy fell by 15.0 points" in answer.said


def at(hours: float) -> tuple[Retrained, ...]:
    """A retraining that was decided so many hours before the end of the window after the good ones."""
    return (Retrained(START + 9 * WEEK - timedelta(hours=hours), 10.0),)


def test_in_the_cool_down_a_fall_is_an_alert_that_says_so() -> None:
    answer = asked(150, retrainings=at(167))
    assert answer.verdict is Verdict.ALERT
    assert codes(answer)[0] == "cool_down"
    assert "Accuracy fell" in answer.said
    assert asked(150, retrainings=at(168)).verdict is Verdict.RETRAIN


def test_in_the_cool_down_without_a_fall_it_waits() -> None:
    assert asked(retrainings=at(1)).verdict is Verdict.WAIT


def test_over_budget_in_runs_a_fall_is_an_alert() -> None:
    month = (*at(29 * 24), *at(20 * 24))
    assert codes(asked(150, retrainings=month, policy=Retraining(runs_a_month=2)))[0] == "runs_spent"
    old = (*at(31 * 24), *at(20 * 24))
    assert asked(150, retrainings=old, policy=Retraining(runs_a_month=2)).verdict is Verdict.RETRAIN


def test_a_budget_of_no_runs_never_retrains() -> None:
    assert asked(150, policy=Retraining(runs_a_month=0)).verdict is Verdict.ALERT


def test_over_budget_in_cost_a_fall_is_an_alert() -> None:
    spent = at(20 * 24)
    answer = asked(150, retrainings=spent, cpu_hours=5.0, policy=Retraining(cpu_hours_a_month=14.9))
    assert codes(answer)[0] == "cost_spent"
    assert answer.reasons[0].estimate == pytest.approx(15.0)
    answer = asked(150, retrainings=spent, cpu_hours=5.0, policy=Retraining(cpu_hours_a_month=15))
    assert answer.verdict is Verdict.RETRAIN


def test_a_decision_to_retrain_says_what_it_is_expected_to_cost() -> None:
    reason = asked(150, cpu_hours=2.5).reasons[-1]
    assert (reason.code, reason.estimate, reason.threshold) == ("cost", 2.5, 100)


def test_without_corrections_there_is_nothing_to_learn() -> None:
    silent = tuple(figures(number, corrections=0) for number in range(8))
    answer = asked(150, before=silent, corrections=19)
    assert codes(answer)[0] == "too_few_corrections"
    assert asked(150, before=silent, corrections=20).verdict is Verdict.RETRAIN


def test_corrections_before_the_last_retraining_are_learned_from_already() -> None:
    answer = asked(150, corrections=0, retrainings=at(168))
    assert codes(answer)[0] == "too_few_corrections"
    assert asked(150, corrections=0, retrainings=at(169)).verdict is Verdict.RETRAIN


MOVED = shift("language", 0.2, drifted=True)


def test_drifted_data_waits_for_a_second_window() -> None:
    unlabelled = tuple(figures(number, 0, 0) for number in range(3))
    first = asked(0, 0, before=unlabelled, shifts=(MOVED,))
    assert first.verdict is Verdict.WAIT
    assert "not yet in 2 windows in a row: language against release" in first.said
    again = (*unlabelled, figures(3, 0, 0, shifts=(MOVED,)))
    answer = asked(0, 0, before=again, shifts=(MOVED,))
    assert answer.verdict is Verdict.ALERT
    assert codes(answer)[0] == "data_drifted"
    assert "language against release" in answer.said


def test_another_feature_in_the_window_before_is_not_in_a_row() -> None:
    before = (figures(0, 0, 0), figures(1, 0, 0, shifts=(shift("prompt_words", 0.2, drifted=True),)))
    assert asked(0, 0, before=before, shifts=(MOVED,)).verdict is Verdict.WAIT


def test_data_that_drifted_very_far_needs_one_window() -> None:
    assert asked(0, 0, before=(figures(0, 0, 0),), shifts=(shift("language", 0.31, True),)).verdict is Verdict.ALERT


def test_what_matters_at_any_effect_is_not_extreme_at_once() -> None:
    anything = shift("language", 0.05, True, least=0)
    assert asked(0, 0, before=(figures(0, 0, 0),), shifts=(anything,)).verdict is Verdict.WAIT


@pytest.mark.parametrize(
    ("policy", "verdict"), [("retrain", Verdict.RETRAIN), ("alert", Verdict.ALERT), ("wait", Verdict.WAIT)]
)
def test_what_drifted_data_alone_leads_to_is_the_policy(policy: Any, verdict: Verdict) -> None:
    before = (figures(0, 0, 0, corrections=30),)
    far = (shift("language", 0.31, True),)
    assert asked(0, 0, before=before, shifts=far, policy=Retraining(on_data_drift=policy)).verdict is verdict


def test_labels_that_say_that_accuracy_holds_outrank_drifted_data() -> None:
    answer = asked(shifts=(shift("language", 0.31, True),), policy=Retraining(on_data_drift="retrain"))
    assert answer.verdict is Verdict.WAIT
    assert "The data drifted: language" in answer.said


def test_long_without_labels_is_an_alert() -> None:
    silent = tuple(figures(number, 0, 0) for number in range(6))
    assert asked(0, 0, before=silent[:5]).verdict is Verdict.WAIT
    answer = asked(0, 0, before=silent)
    assert answer.verdict is Verdict.ALERT
    assert codes(answer)[0] == "accuracy_unknown"


def test_neither_labels_nor_a_comparison_is_an_alert_at_once() -> None:
    answer = asked(0, 0, before=(figures(0, 0, 0),), shifts=())
    assert answer.verdict is Verdict.ALERT
    assert "data_not_compared" in codes(answer)


def test_the_same_is_decided_of_the_same() -> None:
    assert asked(150, retrainings=at(200)) == asked(150, retrainings=at(200))


def test_a_slower_service_is_no_drift_of_the_data() -> None:
    slow = shift("latency_ms", 3.0, drifted=True)
    before = (figures(0, 0, 0), figures(1, 0, 0, shifts=(slow,)))
    answer = asked(0, 0, before=before, shifts=(slow,))
    assert answer.verdict is Verdict.WAIT
    assert "latency" not in answer.said
    assert asked(0, 0, before=before[:1], shifts=(slow, MOVED)).verdict is Verdict.WAIT
