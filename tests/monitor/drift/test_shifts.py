from __future__ import annotations

from datetime import timedelta

import pytest

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Kind, read_manifest
from components.monitor.drift.settings import Drift
from components.monitor.drift.shifts import drift
from components.monitor.figures import Score
from components.monitor.observe.records import compared_key, comparisons
from tests.monitor.drift.conftest import codes, drifted
from tests.monitor.traffic import ENDPOINT, START, WEEK, a_request, a_word, changed, traffic


def test_the_first_window_has_only_its_training_data_and_later_ones_have_it_too(loop) -> None:
    model = loop.train()
    loop.serve(model)
    first, second = (loop.figures(loop.traffic(week, model)) for week in (0, 1))
    assert {one.against for one in first.shifts} == {"training"}
    assert {one.against for one in second.shifts} == {"training", "release"}
    assert (codes(first), codes(second), drifted(first), drifted(second)) == ([], [], set(), set())
    assert (first.reference, second.reference) == (Score(), first.quality)
    assert first.quality.labelled > 30
    assert (first.model, first.released) == (model.digest, START.isoformat())
    assert (second.since, second.until) == ((START + WEEK).isoformat(), (START + 2 * WEEK).isoformat())


def test_what_was_planted_is_found_against_both_references(loop) -> None:
    model = loop.train()
    loop.serve(model)
    loop.outcome(loop.traffic(0, model))
    outcome = loop.outcome(loop.traffic(1, model, changed(german=0.5, accuracy=0.5)))
    found = {name: figure.value for name, figure in outcome.report.figures.items()}
    assert found["drifted"] >= 4
    assert found["language against training"] > 0.1
    assert found["language against release"] > 0.1
    assert "language" in outcome.section
    assert outcome.manifests["evidence"].rows == found["compared"]


def test_the_evidence_names_all_that_it_was_compared_with(loop, store) -> None:
    model = loop.train()
    loop.serve(model)
    first = loop.outcome(loop.traffic(0, model))
    second = loop.outcome(loop.traffic(1, model)).manifests["evidence"]
    parents = {parent.role: parent for parent in second.parents}
    assert set(parents) == {"profile", "training", "release_1"}
    before = next(parent for parent in first.manifests["evidence"].parents if parent.role == "profile")
    assert parents["release_1"].digest == before.digest
    assert read_manifest(store, parents["training"]).kind == "conversations"


def test_the_same_window_again_gives_the_same_figures(loop) -> None:
    model = loop.train()
    loop.serve(model)
    loop.outcome(loop.traffic(0, model))
    until = loop.traffic(1, model)
    first = loop.figures(until)
    loop.outcome(loop.traffic(2, model, changed(german=0.9)))
    assert loop.figures(until) == first
    assert [record.until for record in comparisons(loop.store, ENDPOINT, {}, START + 9 * WEEK)] == [
        (START + weeks * WEEK).isoformat() for weeks in (1, 2, 3)
    ]
    assert loop.store.exists(compared_key(ENDPOINT, until))


def test_first_windows_are_as_many_as_asked_for_and_more_where_they_hold_too_little(loop) -> None:
    model = loop.train()
    loop.serve(model)
    figures = [loop.figures(loop.traffic(week, model, count=40)) for week in range(4)]
    release = [[one.n_reference for one in each.shifts if one.feature == "status"] for each in figures]
    assert release == [[], [], [], []]  # forty rows are too few for any test
    assert [each.reference.labelled for each in figures] == [
        0,
        figures[0].quality.labelled,
        figures[0].quality.labelled + figures[1].quality.labelled,
        figures[0].quality.labelled + figures[1].quality.labelled,
    ]


def test_another_model_has_its_own_first_windows_and_freezing_is_no_release(loop) -> None:
    old, new = loop.train(99), loop.train(98)
    loop.serve(old)
    loop.outcome(loop.traffic(0, old))
    loop.serve(new, START + WEEK)
    loop.serve(new, START + 2 * WEEK + timedelta(hours=1))  # frozen: a generation, and the same champion
    first = loop.figures(loop.traffic(1, new))
    second = loop.figures(loop.traffic(2, new))
    assert (first.reference, second.reference) == (Score(), first.quality)
    assert {first.released, second.released} == {(START + WEEK).isoformat()}


def test_only_the_champion_s_answers_are_its_quality_and_are_compared(loop) -> None:
    old, new = loop.train(99), loop.train(98)
    loop.serve(new)
    mine, said = traffic(100, 1, changed(feedback=1.0), model=new.digest)
    others, others_said = traffic(200, 2, changed(feedback=1.0, accuracy=0.0), model=old.digest)
    figures = loop.figures(loop.write(mine + others, said + others_said))
    assert figures.requests == 300
    assert figures.quality.labelled == len(said)
    assert {one.n for one in figures.shifts if one.feature == "prompt_words"} == {100}


def test_a_window_without_requests_says_so_and_compares_nothing(loop) -> None:
    loop.serve(loop.train())
    figures = loop.figures(START + WEEK)
    assert (codes(figures), figures.shifts, figures.requests) == (["no_requests"], (), 0)
    assert figures.faults[0].text.startswith("The log of helpdesk had no sealed row yet at 2026-01-12 00:00 UTC. ")
    second = loop.figures(START + WEEK + timedelta(seconds=90.123456))
    assert (codes(second), second.requests) == (["no_requests"], 0)
    assert second.faults[0].text.startswith("Nobody asked between 2026-01-12 00:00:00 and 00:01:30 UTC, as far as")


def test_a_window_in_which_nothing_serves_says_so(loop) -> None:
    until = loop.traffic(0, "m" * 64)
    figures = loop.figures(until)
    assert (codes(figures), figures.model, figures.shifts) == (["nothing_serves"], "", ())
    loop.serve(loop.train(), until + timedelta(hours=1))
    assert codes(loop.figures(until)) == ["nothing_serves"]


def test_answers_of_another_model_than_the_one_that_should_serve_are_a_fault(loop) -> None:
    loop.serve(loop.train())
    assert codes(loop.figures(loop.traffic(0, "m" * 64))) == ["another_model"]


def test_a_window_in_which_nothing_was_answered_says_so(loop) -> None:
    model = loop.train()
    loop.serve(model)
    figures = loop.figures(loop.traffic(0, model, changed(failed=1.0), count=30))
    assert (codes(figures), figures.failed, figures.answered) == (["no_answers"], 30, 0)


def test_old_requests_are_stale_and_young_ones_are_not(loop) -> None:
    model = loop.train()
    loop.serve(model)
    until = loop.write([a_request("a", START + timedelta(days=4), model=model.digest)])
    assert codes(loop.figures(until, stale_hours=71)) == ["stale"]
    assert codes(loop.figures(until, stale_hours=73)) == []


def test_one_user_alone_is_no_traffic_and_one_voice_no_judgement(loop) -> None:
    model = loop.train()
    loop.serve(model)
    late = START + WEEK - timedelta(hours=1)
    alone = [a_request(f"a{n}", late, model=model.digest) for n in range(30)]
    until = loop.write(alone, [a_word(row, late, unit="u9") for row in alone])
    assert codes(loop.figures(until)) == ["one_user", "one_voice"]
    assert codes(loop.figures(until, one_user_least=31)) == []
    assert codes(loop.figures(until, one_user_share=1.0)) == []
    nameless = [a_request(f"n{n}", late + WEEK, model=model.digest, unit="") for n in range(30)]
    assert codes(loop.figures(loop.write(nameless, week=1))) == []


def test_what_observe_could_not_read_reaches_the_figures(loop) -> None:
    model = loop.train()
    loop.serve(model)
    until = loop.traffic(0, model)
    loop.log.store.write(f"{ENDPOINT}/requests/2026-01-05/00/20260105T000000.000000Z-x.jsonl.gz", b"\x1f\x8b")
    assert codes(loop.figures(until)) == ["unreadable"]


def test_a_feature_that_is_not_written_any_more_is_a_blind_spot(loop) -> None:
    model = loop.train()
    loop.serve(model)
    loop.outcome(loop.traffic(0, model))
    rows, _ = traffic(100, 1, since=START + WEEK, model=model.digest)
    blind = [row | {"latency_ms": float("nan"), "first_token_ms": None} for row in rows]
    figures = loop.figures(loop.write(blind, week=1))
    assert codes(figures) == ["blind_spot"]
    assert "latency_ms" in figures.faults[0].text
    assert "first_token_ms" not in figures.faults[0].text


def test_training_data_that_are_gone_or_never_were_are_a_fault_unless_nobody_wants_them(loop, commit_rows) -> None:
    model = loop.train()
    loop.serve(model)
    until = loop.traffic(0, model)
    loop.store.remove("format")
    gone = loop.figures(until)
    assert (codes(gone), gone.shifts) == (["no_reference"], ())
    assert codes(loop.figures(until, against_training=False)) == []
    imported = commit_rows(Kind.TOKENS, [])  # made from nothing, as an imported model is
    loop.serve(imported)
    assert "serve a model of the lifecycle" in loop.figures(loop.traffic(1, imported)).faults[0].text


def test_first_windows_that_are_gone_are_a_fault(loop) -> None:
    model = loop.train()
    loop.serve(model)
    loop.outcome(loop.traffic(0, model))
    loop.store.remove("describe")
    figures = loop.figures(loop.traffic(1, model))
    assert codes(figures) == ["reference_gone"]
    assert {one.against for one in figures.shifts} == {"training"}


def test_a_record_of_a_first_window_that_is_none_is_a_fault_that_names_it(loop) -> None:
    model = loop.train()
    loop.serve(model)
    first = loop.traffic(0, model)
    loop.outcome(first)
    loop.store.write(compared_key(ENDPOINT, first), b'{"version":1,"endpoint":"hel')
    figures = loop.figures(loop.traffic(1, model))
    assert codes(figures) == ["reference_gone"]
    assert compared_key(ENDPOINT, first) in figures.faults[0].text
    assert {one.against for one in figures.shifts} == {"training"}


def test_hostile_numbers_and_texts_leave_finite_figures(loop) -> None:
    model = loop.train()
    loop.serve(model)
    late = START + WEEK - timedelta(hours=1)
    odd = {"latency_ms": 1e308, "first_token_ms": -1.0, "prompt_tokens": -5, "completion_tokens": 2**31 - 1}
    texts = ["", "\u202e\x00", "{" * 9000, "a" * 100_000, '{"\\ud800": NaN}', "<script>alert(1)</script>"]
    rows = [
        a_request(
            f"a{n}", late, model=model.digest, unit=f"u{n}", response=texts[n % 6], **odd,
            messages=[{"role": "user", "content": texts[(n + 1) % 6]}] if n % 3 else None,
        )
        for n in range(120)
    ]  # fmt: skip
    outcome = loop.outcome(loop.write(rows))
    assert all(one.value == one.value and abs(one.value) < 1e9 for one in outcome.report.figures.values())
    assert "<script" not in outcome.section


def test_a_profile_of_another_window_or_endpoint_is_refused(loop) -> None:
    until = loop.traffic(0, "m" * 64, count=20)
    profile = loop.describe(until)
    for moment, endpoint in ((until + WEEK, ENDPOINT), (until, "another")):
        with pytest.raises(InvalidInput, match="run observe and describe for the same moment"):
            drift(Attempt(loop.store, "drift"), profile, Drift(), moment.isoformat(), endpoint, loop.endpoints)
