from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Kind, read_beside, resolve_reference
from components.core.request_log import RequestLog, Table
from components.core.rows import read_batches
from components.monitor.observe.records import HEAD, Head, window_key, windows
from components.monitor.observe.settings import Observe
from components.monitor.observe.window import observe
from tests.monitor.traffic import ENDPOINT, START, WEEK, a_request, a_word, write_partition, write_week

HOUR = timedelta(hours=1)


class Watch:
    """A log, a store, and windows taken of them, an hour each."""

    def __init__(self, folder: Path, store) -> None:
        self.address, self.store = str(folder / "log"), store
        self.log = RequestLog(self.address)

    def ask(self, *rows, sealed: datetime, name: str = "gateway-1") -> str:
        return write_partition(self.log, Table.REQUESTS, rows, sealed, name)

    def say(self, *rows, sealed: datetime, name: str = "gateway-1") -> str:
        return write_partition(self.log, Table.FEEDBACK, rows, sealed, name)

    def take(self, until: datetime, **settings):
        return observe(Attempt(self.store, "observe"), Observe(**settings), until.isoformat(), ENDPOINT, self.address)

    def rows(self, outcome, role: str) -> list[dict]:
        shards = outcome.manifests[role].shards
        return [row for batch in read_batches(self.store, shards) for row in batch.to_pylist()]

    def ids(self, outcome, role: str = "window") -> list[str]:
        return sorted(row["request_id"] for row in self.rows(outcome, role))

    def head(self, outcome) -> Head:
        return Head.read(read_beside(self.store, outcome.manifests["window"], HEAD, "head", "observe"), "head")

    def faults(self, outcome) -> list[str]:
        return [fault.code for fault in self.head(outcome).faults]

    def reasons(self, outcome) -> list[tuple[str, str]]:
        found = [row for batch in read_batches(self.store, outcome.report.rejects) for row in batch.to_pylist()]
        return sorted((row["id"], row["reason"]) for row in found)


@pytest.fixture
def watch(tmp_path, store) -> Watch:
    return Watch(tmp_path, store)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def test_each_partition_is_read_by_one_window_and_the_first_begins_where_the_log_begins(watch) -> None:
    watch.ask(a_request("a", at(1)), sealed=at(2))
    watch.ask(a_request("b", at(61)), sealed=at(62))
    first, second, third = (watch.take(at(60 * hour)) for hour in (1, 2, 3))
    assert [watch.ids(one) for one in (first, second, third)] == [["a"], ["b"], []]
    heads = [watch.head(one) for one in (first, second, third)]
    assert [(head.since, head.until) for head in heads] == [
        (at(2).isoformat(), at(60).isoformat()),
        (at(60).isoformat(), at(120).isoformat()),
        (at(120).isoformat(), at(180).isoformat()),
    ]


def test_a_log_in_which_nothing_is_gives_an_empty_window(watch) -> None:
    outcome = watch.take(at(60))
    assert {role: manifest.rows for role, manifest in outcome.manifests.items()} == {
        "window": 0,
        "labelled": 0,
        "corrected": 0,
    }
    assert watch.head(outcome).since == watch.head(outcome).until == at(60).isoformat()


def test_the_same_moment_again_gives_the_same_window_whatever_came_meanwhile(watch) -> None:
    watch.ask(a_request("a", at(1)), sealed=at(2))
    first = watch.take(at(60))
    watch.take(at(120))
    watch.ask(a_request("b", at(3)), sealed=at(4))
    again = watch.take(at(60))
    assert {role: one.content_digest for role, one in again.manifests.items()} == {
        role: one.content_digest for role, one in first.manifests.items()
    }
    assert watch.ids(watch.take(at(180))) == ["b"]


def test_a_partition_that_a_crash_delayed_is_read_once_by_the_window_that_finds_it(watch) -> None:
    watch.ask(a_request("a", at(1)), sealed=at(2))
    watch.take(at(60))
    watch.ask(a_request("late", at(5)), sealed=at(6), name="gateway-2")
    assert [watch.ids(watch.take(at(minutes))) for minutes in (120, 180)] == [["late"], []]


def test_a_run_that_died_before_it_remembered_leaves_the_partitions_to_the_next_one(watch, monkeypatch) -> None:
    watch.ask(a_request("a", at(1)), sealed=at(2))
    monkeypatch.setattr("components.monitor.observe.window._remember", _die)
    with pytest.raises(SystemExit):
        watch.take(at(60))
    monkeypatch.undo()
    assert windows(watch.store, ENDPOINT, at(999), None, {}) == []
    assert watch.ids(watch.take(at(60))) == ["a"]


def _die(*_: object) -> None:
    raise SystemExit(137)


def test_of_several_attempts_the_highest_that_was_answered_is_the_row(watch) -> None:
    watch.ask(
        a_request("a", at(1), attempt=1, status="failed"),
        a_request("a", at(1), attempt=2, response="second"),
        a_request("a", at(1), attempt=3, status="lost"),
        a_request("b", at(1), attempt=2, status="failed", error="last"),
        a_request("b", at(1), attempt=1, status="failed", error="first"),
        sealed=at(2),
    )
    outcome = watch.take(at(60))
    rows = {row["request_id"]: row for row in watch.rows(outcome, "window")}
    assert (rows["a"]["response"], rows["b"]["error"]) == ("second", "last")
    assert (outcome.report.rows.in_, outcome.report.rows.merged) == (5, 3)


def test_an_attempt_that_turns_up_after_the_answer_was_counted_is_no_request_of_its_own(watch) -> None:
    watch.ask(a_request("a", at(1), attempt=2), sealed=at(2))
    watch.take(at(60))
    watch.ask(a_request("a", at(1), attempt=1, status="lost"), sealed=at(62))
    outcome = watch.take(at(120))
    assert (watch.ids(outcome), outcome.report.rows.merged) == ([], 1)


def test_an_answer_that_turns_up_after_its_failure_was_counted_is_counted(watch) -> None:
    watch.ask(a_request("a", at(1), attempt=1, status="lost"), sealed=at(2))
    watch.take(at(60))
    watch.ask(a_request("a", at(1), attempt=2), sealed=at(62))
    assert watch.ids(watch.take(at(120))) == ["a"]


def test_late_feedback_is_counted_by_the_next_window_and_once(watch) -> None:
    row = a_request("a", at(1), unit="u7", response="wrong")
    watch.ask(row, sealed=at(2))
    first = watch.take(at(60))
    watch.say(a_word(row, at(70), good=False, correction="right"), sealed=at(71))
    second, third = watch.take(at(120)), watch.take(at(180))
    assert [one.report.rows.out["labelled"] for one in (first, second, third)] == [0, 1, 0]
    (labelled,) = watch.rows(second, "labelled")
    assert (labelled["response"], labelled["correction"], labelled["asker"]) == ("wrong", "right", "u7")
    assert labelled["messages"] == row["messages"]
    assert second.report.figures["late_feedback"].value == 1


def test_feedback_on_a_request_older_than_it_is_looked_back_for_is_rejected(watch) -> None:
    row = a_request("a", at(1))
    watch.ask(row, sealed=at(2))
    watch.take(at(60))
    until = START + timedelta(days=3)
    watch.say(a_word(row, until - 2 * HOUR), sealed=until - HOUR)
    outcome = watch.take(until, join_days=1)
    assert [reason for _, reason in watch.reasons(outcome)] == ["unknown_request"]


def test_feedback_on_what_nobody_asked_is_rejected_and_rows_add_up(watch) -> None:
    watch.ask(a_request("a", at(1)), sealed=at(2))
    watch.say(a_word(a_request("nowhere", at(1)), at(2)), sealed=at(3))
    outcome = watch.take(at(120))
    assert outcome.report.rows.rejected == {"unknown_request": 1}
    assert (outcome.report.rows.in_, outcome.report.rows.out["window"]) == (2, 1)


def test_feedback_that_is_sealed_before_its_request_waits_one_window(watch) -> None:
    row = a_request("a", at(58))
    watch.say(a_word(row, at(59), good=False), sealed=at(59.5))
    first = watch.take(at(60))
    watch.ask(row, sealed=at(61))
    second, third = watch.take(at(120)), watch.take(at(180))
    assert first.report.rows.rejected == {"waits": 1}
    assert [one.report.rows.out["labelled"] for one in (first, second, third)] == [0, 1, 0]


def test_feedback_waits_for_a_request_that_never_comes_no_longer_than_it_may(watch) -> None:
    watch.say(a_word(a_request("nowhere", at(50)), at(59)), sealed=at(59.5))
    outcomes = [watch.take(at(minutes)) for minutes in (60, 130, 200)]
    assert [one.report.rows.rejected for one in outcomes] == [{"waits": 1}, {"unknown_request": 1}, {}]


def test_the_same_word_of_the_same_user_counts_once_and_a_changed_mind_as_the_last_word(watch) -> None:
    row, other = a_request("a", at(1)), a_request("b", at(1))
    watch.ask(row, other, sealed=at(2))
    watch.say(
        a_word(row, at(3), good=False),
        a_word(row, at(4), good=False),
        a_word(other, at(3), good=False, correction="x"),
        a_word(other, at(5), good=True),
        a_word(other, at(4), unit="u2", good=False),
        sealed=at(6),
    )
    outcome = watch.take(at(60))
    assert outcome.report.rows.rejected == {"twice": 1, "superseded": 1}
    found = sorted((row["request_id"], row["unit"], row["good"]) for row in watch.rows(outcome, "labelled"))
    assert found == [("a", "u1", False), ("b", "u1", True), ("b", "u2", False)]
    assert outcome.manifests["corrected"].rows == 0


def test_the_same_word_in_a_later_window_counts_once_and_another_word_counts(watch) -> None:
    same, changed = a_request("a", at(1)), a_request("b", at(1))
    watch.ask(same, changed, sealed=at(2))
    watch.say(a_word(same, at(3)), a_word(changed, at(3)), sealed=at(4))
    watch.take(at(60))
    watch.say(a_word(same, at(63)), a_word(changed, at(63), good=False), sealed=at(64))
    outcome = watch.take(at(120))
    assert outcome.report.rows.rejected == {"twice": 1}
    assert [(row["request_id"], row["good"]) for row in watch.rows(outcome, "labelled")] == [("b", False)]


def test_corrections_are_kept_over_windows_until_they_are_old_or_taken_back(watch) -> None:
    rows = [a_request(name, at(1)) for name in "abc"]
    watch.ask(*rows, sealed=at(2))
    watch.say(*(a_word(row, at(3), good=False, correction=f"not {row['request_id']}") for row in rows), sealed=at(4))
    first = watch.take(at(60))
    watch.say(a_word(rows[1], at(63), good=True), sealed=at(64))
    second = watch.take(at(120))
    assert (watch.ids(first, "corrected"), watch.ids(second, "corrected")) == (["a", "b", "c"], ["a", "c"])
    assert watch.ids(watch.take(START + timedelta(days=3), learn_days=1), "corrected") == []
    assert resolve_reference(watch.store, second.word).named == second.manifests["corrected"].named
    assert second.manifests["corrected"].kind is Kind.FEEDBACK


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"started": at(66).isoformat()}, "from_the_future"),
        ({"started": "yesterday"}, "no_moment"),
        ({"started": at(1).replace(tzinfo=None).isoformat()}, "no_moment"),
        ({"started": None}, "no_moment"),
        ({"request_id": None}, "no_id"),
        ({"endpoint": "another"}, "other_endpoint"),
    ],
)
def test_a_row_that_cannot_be_is_left_out_with_a_reason(watch, changes, reason) -> None:
    row = a_request("a", at(1), latency_ms=float("inf")) | changes
    watch.ask(row, a_request("b", at(1)), a_request("a-bit-ahead", at(64)), sealed=at(2))
    outcome = watch.take(at(60))
    assert watch.ids(outcome) == ["a-bit-ahead", "b"]
    assert outcome.report.rows.rejected == {reason: 1}
    assert ("from_the_future" in watch.faults(outcome)) is (reason == "from_the_future")


def test_feedback_that_cannot_be_is_left_out_with_a_reason(watch) -> None:
    row = a_request("a", at(1))
    watch.ask(row, sealed=at(2))
    watch.say(a_word(row, at(90)), a_word(row, at(2)) | {"at": "soon"}, a_word(row, at(3), endpoint="x"), sealed=at(4))
    outcome = watch.take(at(60))
    assert outcome.report.rows.rejected == {"from_the_future": 1, "no_moment": 1, "other_endpoint": 1}


def test_numbers_that_are_none_become_null(watch) -> None:
    watch.ask(a_request("a", at(1), latency_ms=float("nan"), first_token_ms=float("-inf")), sealed=at(2))
    (row,) = watch.rows(watch.take(at(60)), "window")
    assert (row["latency_ms"], row["first_token_ms"], row["sampling_probability"]) == (None, None, 1.0)


def test_partitions_sealed_after_the_window_are_left_to_the_next_and_far_ones_are_a_fault(watch) -> None:
    watch.ask(a_request("a", at(61)), sealed=at(62))
    early = watch.take(at(60))
    assert (watch.ids(early), watch.faults(early)) == ([], [])
    watch.ask(a_request("b", at(61)), sealed=datetime.now(UTC) + timedelta(days=400), name="gateway-2")
    outcome = watch.take(at(120))
    assert (watch.ids(outcome), watch.faults(outcome)) == (["a"], ["from_the_future"])


@pytest.mark.parametrize("cut", [0, 3, 100, -30])
def test_a_partition_that_is_half_there_is_named_and_the_rest_is_read(watch, cut) -> None:
    broken = watch.ask(a_request("a", at(1)), sealed=at(2))
    whole = watch.log.store.read(broken)
    watch.log.store.write(broken, whole[:cut])
    watch.ask(a_request("b", at(1)), sealed=at(3))
    outcome = watch.take(at(60))
    assert (watch.ids(outcome), watch.faults(outcome)) == (["b"], ["unreadable"])
    assert broken in watch.head(outcome).faults[0].text
    watch.log.store.write(broken, whole)
    mended = watch.take(at(120))
    assert (watch.ids(mended), watch.faults(mended)) == (["a"], [])


def test_a_partition_with_a_changed_byte_is_not_believed(watch) -> None:
    watch.ask(a_request("a", at(1)), sealed=at(2))
    other = watch.ask(*(a_request(f"r{n}", at(1)) for n in range(50)), sealed=at(3))
    whole = watch.log.store.read(other)
    changed = gzip.decompress(whole).replace(b"laptop", b"lapdog", 1)
    watch.log.store.write(other, gzip.compress(changed, mtime=0)[:-8] + whole[-8:])
    outcome = watch.take(at(60))
    assert (watch.ids(outcome), watch.faults(outcome)) == (["a"], ["unreadable"])


def test_a_file_without_a_moment_and_one_whose_texts_are_none_are_named(watch) -> None:
    key = watch.ask(a_request("a", at(1)), sealed=at(2))
    nameless = f"{ENDPOINT}/requests/2026-01-05/00/nameless.jsonl.gz"
    watch.log.store.write(nameless, watch.log.store.read(key))
    watch.log.write(watch.log.key(ENDPOINT, Table.REQUESTS, at(3), "gateway-3"), [b'{"request_id":"\xff\xfe"}'])
    outcome = watch.take(at(60))
    assert (watch.ids(outcome), outcome.report.figures["unreadable"].value) == (["a"], 2)
    assert any(nameless in example.title for example in outcome.report.examples)


def test_what_an_earlier_window_held_and_the_store_has_lost_is_a_fault_and_the_rest_is_read(watch) -> None:
    row = a_request("a", at(1))
    watch.ask(row, sealed=at(2))
    first = watch.take(at(60))
    watch.store.remove("observe/" + first.report.attempt)
    watch.ask(a_request("b", at(61)), sealed=at(62))
    watch.say(a_word(row, at(61)), sealed=at(63))
    outcome = watch.take(at(180))
    assert (watch.ids(outcome), watch.faults(outcome)) == (["b"], ["earlier_gone"])
    assert outcome.report.rows.rejected == {"unknown_request": 1}


GARBAGE = {
    "empty": b"",
    "half": b'{"endpoint":"helpdesk","since":"2026-01-',
    "other JSON": b'[{"version": 1}]',
    "no text": b"\xff\xfe\x00",
    "nested": b"[" * 100_000,
    "huge number": b'{"version": ' + b"9" * 5_000 + b"}",
    "another moment": None,
}


def spoil(watch, until: datetime, data: bytes | None) -> bytes:
    """Puts something else in the place of a window's record; gives back what lay there."""
    key = window_key(ENDPOINT, until)
    whole = watch.store.read(key)
    other = json.dumps(json.loads(whole) | {"until": START.isoformat()}).encode()
    watch.store.write(key, other if data is None else data)
    return whole


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_a_record_that_is_none_is_a_fault_that_names_it_and_later_windows_go_on(watch, data) -> None:
    for hour, name in enumerate("abc"):
        watch.ask(a_request(name, at(60 * hour + 1)), sealed=at(60 * hour + 2))
        watch.take(at(60 * hour + 60))
    whole = spoil(watch, at(120), data)
    watch.ask(a_request("d", at(181)), sealed=at(182))
    outcome = watch.take(at(240))
    assert (watch.ids(outcome), watch.faults(outcome)) == (["d"], ["damaged_record"])
    text = watch.head(outcome).faults[0].text
    assert window_key(ENDPOINT, at(120)) in text
    assert "Bring back from a copy what is damaged, or remove it" in text
    watch.store.write(window_key(ENDPOINT, at(120)), whole)
    assert watch.faults(watch.take(at(300))) == []


def test_what_a_damaged_record_took_is_taken_once_more_only_when_people_remove_it(watch) -> None:
    watch.ask(a_request("a", at(1)), sealed=at(2))
    watch.take(at(60))
    watch.ask(a_request("b", at(61)), sealed=at(62))
    watch.take(at(120))
    spoil(watch, at(120), b"")
    watch.ask(a_request("late", at(65)), sealed=at(66), name="gateway-2")
    watch.ask(a_request("c", at(121)), sealed=at(122))
    third = watch.take(at(180))
    assert (watch.ids(third), watch.head(third).since) == (["c"], at(120).isoformat())
    watch.store.remove(window_key(ENDPOINT, at(120)))
    fourth = watch.take(at(240))
    assert (watch.ids(fourth), watch.faults(fourth)) == (["b", "late"], [])


def test_a_window_whose_own_record_is_damaged_is_empty_and_says_so(watch) -> None:
    watch.ask(a_request("a", at(1)), sealed=at(2))
    watch.take(at(60))
    spoil(watch, at(60), b"{}")
    again = watch.take(at(60))
    assert (watch.ids(again), watch.faults(again)) == ([], ["damaged_record"])


def test_a_file_beside_the_records_is_none_of_them(watch) -> None:
    watch.store.write(f"windows/{ENDPOINT}/00notes.json", b"mine")
    watch.ask(a_request("a", at(1)), sealed=at(2))
    outcome = watch.take(at(60))
    assert (watch.ids(outcome), watch.faults(outcome)) == (["a"], [])


def test_a_log_without_an_address_and_a_moment_that_is_none_are_refused(watch) -> None:
    with pytest.raises(InvalidInput, match="the environment names none"):
        observe(Attempt(watch.store, "observe"), Observe(), START.isoformat(), ENDPOINT, "")
    with pytest.raises(InvalidInput, match="placeholder"):
        observe(Attempt(watch.store, "observe"), Observe(), "{{$.now}}", ENDPOINT, watch.address)


def test_weeks_of_traffic_add_up_and_are_remembered(watch) -> None:
    for week in range(3):
        until = write_week(watch.log, week, 200, week)
        outcome = watch.take(until)
        assert outcome.manifests["window"].rows == 200
    assert outcome.manifests["corrected"].rows > outcome.report.rows.out["labelled"] * 0.1
    assert watch.store.exists(window_key(ENDPOINT, START + 3 * WEEK))
    assert [len(window.requests) for window in windows(watch.store, ENDPOINT, START + 9 * WEEK, None, {})] == [1, 1, 1]
