"""The step: what it signs, what it remembers, and what it does not believe."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from components.core.attempt import Attempt, Draft
from components.core.decision import DecisionKind, Permits, Verdict
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.report import Cost, Report
from components.core.settings import StepSettings
from components.core.signing import policy_digest, read_decision
from components.monitor.observe.records import compared_key
from components.monitor.retraining.history import cpu_hours
from components.monitor.retraining.settings import Retraining
from tests.monitor.windows import ENDPOINT, ENVIRONMENT, START, WEEK, Watched


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def watch(watched: Watched, weeks: int) -> None:
    """So many weeks in which nothing happens, and nobody decides."""
    for number in range(weeks):
        watched.evidence(number)


def test_a_decision_to_retrain_is_signed_by_the_monitor_and_permits_nothing(watched: Watched) -> None:
    watch(watched, 4)
    outcome = watched.week(4, 150)
    decision = read_decision(watched.store, watched.decided(outcome).id, watched.keys.trust)
    assert outcome.word == "retrain"
    assert outcome.report.said.startswith("Retrain: Accuracy fell by 15.0 points")
    assert (decision.kind, decision.verdict, decision.permits) == (
        DecisionKind.RETRAIN,
        Verdict.RETRAIN,
        Permits.NOTHING,
    )
    assert (decision.signer, decision.endpoint, decision.environment) == ("monitor", ENDPOINT, ENVIRONMENT)
    assert (decision.subject, decision.incumbent) == (watched.model.named, watched.model.digest)
    assert decision.policy == policy_digest(watched.settings.encode())
    assert decision.expires_at - decision.issued_at == timedelta(hours=24)


def test_waiting_is_signed_too(watched: Watched) -> None:
    watch(watched, 4)
    outcome = watched.week(4)
    assert outcome.word == "wait"
    assert read_decision(watched.store, watched.decided(outcome).id, watched.keys.trust).verdict is Verdict.WAIT


def test_a_decision_names_all_that_it_rests_on_by_digest(watched: Watched) -> None:
    earlier = [watched.evidence(number) for number in range(3)]
    evidence = watched.evidence(3)
    roles: dict[str, list[str]] = {}
    for named in watched.decided(watched.decide(evidence, 3)).evidence:
        roles.setdefault(named.role, []).append(named.digest)
    assert roles["figures"] == [evidence.digest]
    assert roles["earlier"] == [made.digest for made in earlier]
    assert len(roles["corrected"]) == len(roles["policy"]) == 1


def test_the_same_window_again_is_the_same_decision(watched: Watched) -> None:
    """A step that is run again gives the same answer, although its first decision is in the store by then."""
    watch(watched, 4)
    evidence = watched.evidence(4, 150)
    first, second = watched.decide(evidence, 4), watched.decide(evidence, 4)
    assert (first.word, second.word) == ("retrain", "retrain")
    signed = [watched.decided(outcome) for outcome in (first, second)]
    assert signed[0].reasons == signed[1].reasons


def test_windows_of_another_model_are_not_its_history(watched: Watched) -> None:
    watch(watched, 4)
    watched.model = watched.made("another")
    watched.serve(watched.model)
    first = watched.week(4, 150, released=(START + 4 * WEEK).isoformat())
    assert first.word == "wait"
    assert "accuracy_unknown" in [reason.code for reason in watched.decided(first).reasons]


def test_a_window_is_about_the_model_that_served_although_another_does_by_now(watched: Watched) -> None:
    watch(watched, 4)
    before = watched.model
    evidence = watched.evidence(4)
    watched.serve(watched.made("another"))
    assert watched.decided(watched.decide(evidence, 4)).subject == before.named


def test_where_nothing_serves_there_is_no_subject(watched: Watched) -> None:
    evidence = watched.evidence(0, model="")
    assert watched.decided(watched.decide(evidence, 0)).subject is None


def test_a_decision_to_retrain_begins_the_cool_down(watched: Watched) -> None:
    watched.settings = Retraining(cool_down_hours=200)
    watch(watched, 4)
    assert watched.week(4, 150).word == "retrain"
    again = watched.week(5, 150)
    assert again.word == "alert"
    assert watched.decided(again).reasons[0].code == "cool_down"
    assert "retraining" in [named.role for named in watched.decided(again).evidence]


def test_the_cost_that_was_signed_is_what_is_spent(watched: Watched) -> None:
    watched.settings = Retraining(cpu_hours_a_month=1.4)
    watch(watched, 4)
    watched.retrained(START + 3 * WEEK)
    assert watched.decided(watched.week(4, 150)).reasons[0].code == "cost_spent"


def codes(watched: Watched) -> list[str]:
    watch(watched, 4)
    return [reason.code for reason in watched.decided(watched.week(4, 150)).reasons]


HOUR_AGO = START + 5 * WEEK - timedelta(hours=1)


def test_a_forged_retraining_stops_nothing_and_is_told_of(watched: Watched) -> None:
    decision = watched.retrained(HOUR_AGO)
    watched.store.write(decision.key, watched.store.read(decision.key).replace(b'"sig":"', b'"sig":"A', 1))
    found = codes(watched)
    assert found[0] == "accuracy_fell_in_one_window"
    assert "decision_ignored" in found


def test_a_retraining_under_another_name_does_not_count(watched: Watched) -> None:
    decision = watched.retrained(HOUR_AGO)
    watched.store.write(f"decisions/{'0' * 64}.json", watched.store.read(decision.key))
    watched.store.remove(decision.key)
    assert "cool_down" not in codes(watched)


def test_what_is_no_decision_is_told_of_and_ignored(watched: Watched) -> None:
    watched.store.write("decisions/garbage.json", b"{")
    assert "decision_ignored" in codes(watched)


@pytest.mark.parametrize(
    "changes", [{"endpoint": "other"}, {"environment": "production"}, {"verdict": Verdict.WAIT}, {}]
)
def test_only_retrainings_of_this_endpoint_count(watched: Watched, changes: dict[str, str]) -> None:
    watched.retrained(HOUR_AGO, **changes)
    assert ("cool_down" in codes(watched)) is not bool(changes)


def test_a_longer_cool_down_than_a_month_looks_back_further(watched: Watched) -> None:
    watched.settings = Retraining(cool_down_hours=24 * 40)
    watched.retrained(START + 5 * WEEK - timedelta(days=39))
    assert "cool_down" in codes(watched)


def test_what_was_written_before_the_month_began_is_not_even_read(watched: Watched) -> None:
    """A store holds years of hourly decisions."""
    watched.store.write("decisions/garbage.json", b"{")
    began = START + 5 * WEEK - timedelta(days=30)
    for days, told in ((1, True), (-1, False)):
        written = (began + timedelta(days=days)).timestamp()
        os.utime(watched.folder / "store/decisions/garbage.json", (written, written))
        assert ("decision_ignored" in codes(watched)) is told


def test_a_rehearsal_ahead_of_the_clock_is_held_to_the_budget_too(watched: Watched) -> None:
    """Its decisions were written long before the month that they are about."""
    far = 5_000
    for number in range(far, far + 4):
        watched.evidence(number)
    watched.retrained(START + (far + 5) * WEEK - timedelta(hours=1))
    found = watched.decided(watched.week(far + 4, 150)).reasons
    assert "cool_down" in [reason.code for reason in found]


def test_windows_before_those_that_are_looked_at_are_not_even_read(watched: Watched) -> None:
    watched.settings = Retraining(look_back=3)
    watch(watched, 5)
    watched.store.write(compared_key(ENDPOINT, START + WEEK), b"")
    assert watched.week(5).word == "wait"


def test_the_oldest_windows_are_left_out_and_the_reference_stands_in(watched: Watched) -> None:
    watched.settings = Retraining(look_back=1)
    watched.evidence(0, 195, 200)
    watched.evidence(1, 150, 200)
    answer = watched.decided(watched.week(2, 150, 200))
    assert answer.verdict is Verdict.RETRAIN
    assert [named.role for named in answer.evidence].count("earlier") == 1


def test_figures_of_another_endpoint_or_window_are_no_evidence(watched: Watched) -> None:
    evidence = watched.evidence(0)
    with pytest.raises(InvalidInput, match="not about other up to"):
        watched.decide(evidence, 0, endpoint="other")
    with pytest.raises(InvalidInput, match="run monitoring from its first step"):
        watched.decide(evidence, 1)


def test_a_placeholder_for_the_moment_is_refused(watched: Watched) -> None:
    with pytest.raises(InvalidInput, match="placeholder"):
        watched.decide(watched.evidence(0), 0, now="{{$.pipeline_job_create_time_utc}}")


def test_an_earlier_window_that_was_changed_is_an_alert_until_its_record_is_removed(watched: Watched) -> None:
    earlier = watched.evidence(0)
    watched.store.write(earlier.key, b"{}")
    for week in (1, 2):
        outcome = watched.week(week)
        assert (outcome.word, watched.decided(outcome).reasons[0].code) == ("alert", "history_damaged")
        assert compared_key(ENDPOINT, START + WEEK) in outcome.report.said
    watched.store.remove(compared_key(ENDPOINT, START + WEEK))
    assert watched.week(3).word == "wait"


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version":1,"endpoint":"helpdesk","until":"soon"}'])
def test_a_record_of_a_comparison_that_is_none_is_an_alert_that_names_it(watched: Watched, data: bytes) -> None:
    watch(watched, 4)
    key = compared_key(ENDPOINT, START + 4 * WEEK)
    watched.store.write(key, data)
    outcome = watched.week(4, 150)
    assert (outcome.word, watched.decided(outcome).reasons[0].code) == ("alert", "history_damaged")
    assert key in outcome.report.said


def test_a_key_that_may_not_sign_for_the_monitor_signs_nothing(watched: Watched) -> None:
    other = watched.keys.add("release")
    with pytest.raises(InvalidInput, match="cannot sign as monitor"):
        watched.decide(watched.evidence(0), 0, key=watched.keys.address(other))
    assert watched.store.list("decisions") == []


def spend(watched: Watched, step: str, seconds: float, **inputs: object):
    """What a step made, in so many CPU seconds."""
    attempt = Attempt(watched.store, step)
    draft = Draft(Kind.REPORT, attempt.rows(Kind.REPORT, "out"))
    made = attempt.commit({"out": draft}, settings=StepSettings(), inputs=inputs)
    report = Report.read(watched.store.read(attempt.report_key), "report")
    report = report.model_copy(update={"cost": Cost(wall_seconds=1, cpu_seconds=seconds, peak_memory_bytes=1)})
    watched.store.write(attempt.report_key, report.to_bytes())
    return made.manifests["out"]


def test_what_a_retraining_costs_is_what_made_the_champion_each_step_once(watched: Watched) -> None:
    older = spend(watched, "export", 99_000)
    data = spend(watched, "ingest", 360)
    tokens = spend(watched, "tokenise", 720, data=data)
    base = spend(watched, "base", 1_080, champion=older, data=data)
    champion = spend(watched, "export", 1_440, tokens=tokens, base=base)
    assert cpu_hours(watched.store, champion.named) == pytest.approx(1.0)


def test_what_is_damaged_in_the_store_costs_nothing(watched: Watched) -> None:
    data, tokens = spend(watched, "ingest", 360), spend(watched, "tokenise", 720)
    champion = spend(watched, "export", 1_440, data=data, tokens=tokens)
    watched.store.write(data.key, b"{}")
    watched.store.write(f"{tokens.key.rsplit('/', 2)[0]}/report.json", b"{")
    assert cpu_hours(watched.store, champion.named) == pytest.approx(0.4)


def test_what_is_gone_from_the_store_costs_nothing(watched: Watched) -> None:
    data = spend(watched, "ingest", 360)
    champion = spend(watched, "export", 1_440, data=data)
    watched.store.remove("ingest")
    assert cpu_hours(watched.store, champion.named) == pytest.approx(0.4)
