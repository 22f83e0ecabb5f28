"""Monitoring on the page: what it decided and why, and the story of the endpoint, however long it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from components.core.decision import Decision, DecisionKind, Reason
from components.core.endpoint import EndpointState
from components.core.manifest import Reference
from components.core.run import Run, State, StepRun
from components.core.store import Store
from components.monitor.drift.pictures import PICTURES
from components.monitor.figures import Fault, Figures, Score
from components.monitor.observe.records import MOST_WINDOWS, compared_key, comparisons
from pipelines.page import story as told
from pipelines.page.release import ShownRelease, read_release
from pipelines.page.render import render_run
from pipelines.page.story import CAP, FAR, GENERATIONS, OFF, SHARES, Event, Story, labelled, together
from pipelines.runs import RunFolder
from tests.browser import check_width, chromium, opened_page
from tests.monitor.windows import START, WEEK, Watched, figures, shift
from tests.pipelines.page import a_run


def quiet(number: int) -> Figures:
    """A week in which nobody asked."""
    since, until = (f"{START + week * WEEK:%Y-%m-%d %H:%M:%S}" for week in (number, number + 1))
    fault = Fault(code="no_requests", text=f"Nobody asked between {since} and {until} UTC.")
    return figures(number, requests=0, units=0, shifts=(), faults=(fault,), quality=Score())


def decided(window: Figures, verdict: str, text: str) -> Decision:
    reason = Reason(code="why", text=text)
    return Decision(
        kind=DecisionKind.RETRAIN, endpoint="helpdesk", environment="local", verdict=verdict, reasons=(reason,),
        issued=window.until, expires=window.until, policy="p", signer="monitor", key_id="k", incumbent="",
    )  # fmt: skip


def story(windows: list[Figures]) -> Story:
    """The story of these windows, each with the decision on it."""
    decisions = [
        decided(one, "alert", one.faults[0].text) if one.faults else decided(one, "wait", "No fall of accuracy shows.")
        for one in windows
    ]
    return told._story("helpdesk", windows, [], decisions, [])


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def monitored(watched: Watched, number: int, correct: int = 180, **changes: Any) -> tuple[Run, dict[str, Any]]:
    """A run of monitoring about a week."""
    outcome = watched.week(number, correct, **changes)
    named = outcome.manifests["decision"]
    output = Reference(key=named.key, digest=named.digest, content_digest=named.content_digest)
    (compared,) = comparisons(watched.store, "helpdesk", {}, last=1)
    steps = (
        StepRun(name="drift", state=State.DONE, outputs={"evidence": compared.evidence}),
        StepRun(name="retraining", state=State.DONE, outputs={"decision": output}),
    )
    state = State.HELD if outcome.word == "alert" else State.DONE
    said = outcome.report.said
    run, _ = a_run.release()
    run = run.model_copy(update={"graph": "monitoring", "steps": steps, "state": state, "outcome": said})
    return run, {"retraining": outcome.report}


def shown(watched: Watched, run: Run, reports: dict[str, Any]) -> ShownRelease:
    found = read_release(run, watched.store)
    assert found is not None
    return ShownRelease(run, found, reports)


def test_what_monitoring_decided_and_why_is_the_heading(watched: Watched) -> None:
    for number in range(4):
        watched.evidence(number)
    wait = shown(watched, *monitored(watched, 4))
    assert (wait.look, wait.title) == ("wait", "Wait")
    assert wait.said.startswith("No fall of accuracy shows: 90.0% of 200")
    retrain = shown(watched, *monitored(watched, 5, 140))
    assert (retrain.look, retrain.said[:17]) == ("retrain", "Accuracy fell by ")
    alert = shown(watched, *monitored(watched, 6, requests=1))
    assert (alert.look, alert.said[:9]) == ("alert", "1 request")
    assert alert.said.splitlines() == [reason.text for reason in alert.reasons if not reason.holds]
    assert len(alert.said.splitlines()) > 1
    assert alert.reasons[0].code == "too_few_requests"


def test_a_decision_that_the_store_lost_is_told_by_the_record_and_a_run_that_failed_by_nobody(watched: Watched) -> None:
    run, reports = monitored(watched, 0)
    watched.store.remove("retraining")
    found = shown(watched, run, reports)
    assert (found.look, found.release.decision, len(found.release.missing)) == ("wait", None, 1)
    failed = run.model_copy(update={"state": State.FAILED, "outcome": ""})
    assert shown(watched, failed, reports).look == ""


def test_the_pictures_of_a_window_stand_on_the_page_of_its_run(watched: Watched) -> None:
    run, reports = monitored(watched, 0, shifts=(shift("answer.product", effect=0.4, drifted=True),))
    page = render_run(run, reports, releases={run.run: read_release(run, watched.store)})
    drawn = page.partition('<section id="drift">')[2].partition("</section>")[0]
    assert "1 feature has moved" in drawn
    assert '<svg class="dr-plot"' in drawn
    assert "what answers say under “product”" in drawn
    assert '<a href="#drift">Drift</a>' in page
    assert page.index('id="drift"') < page.index('id="decision"')


def test_pictures_that_the_store_lost_are_told_of_and_the_page_is_made_without_them(watched: Watched) -> None:
    run, reports = monitored(watched, 0)
    (key,) = (key for key in watched.store.list("drift") if key.endswith(PICTURES))
    watched.store.remove(key)
    page = render_run(run, reports, releases={run.run: read_release(run, watched.store)})
    assert 'id="drift"' not in page
    assert f"Not shown: evidence: store {watched.store.uri}: there is no {key}" in page


def recorded(folder: Path, run: str, decision: Decision, page: bool = True) -> None:
    """A run in the folder of runs that signed a decision."""
    made, _ = a_run.release()
    (folder / run).mkdir(parents=True)
    (folder / run / "launch.json").touch()
    (folder / run / "run.json").write_bytes(
        made.model_copy(update={"run": run, "decisions": (decision.id,)}).to_bytes()
    )
    if page:
        (folder / run / "report.html").touch()


def test_what_happened_leads_to_the_page_of_the_run_that_it_happened_in(watched: Watched, tmp_path: Path) -> None:
    windows = [figures(number, correct) for number, correct in enumerate((180, 181, 182, 183))]
    waits = [decided(one, "wait", f"{one.quality.correct} were right.") for one in windows[:3]]
    pass_on = Decision(**{**waits[0].model_dump(), "kind": "release", "verdict": "refuse", "signer": "release"})
    runs = tmp_path / "runs"
    recorded(runs, "monitoring-a", waits[0])
    recorded(runs, "monitoring-without-a-page", waits[1], page=False)
    recorded(runs, "monitoring-this", waits[2])
    recorded(runs, "release-a", pass_on, page=False)
    RunFolder(runs / "release-a").claim(os.getpid())  # it has ended, and its worker is about to write the page
    (runs / "monitoring-damaged").mkdir()
    (runs / "monitoring-damaged" / "launch.json").touch()
    (runs / "monitoring-damaged" / "run.json").touch()
    state = EndpointState(
        endpoint="helpdesk", generation=1, decision=pass_on.id, changed=START.isoformat(),
        champion=Reference(key="k", digest="d" * 64, content_digest="c"),
    )  # fmt: skip
    signed_in = told._signed_in(RunFolder(runs / "monitoring-this"))
    found = told._story("helpdesk", windows, [state], [*waits, pass_on], [], signed_in)
    assert [(event.title, event.run) for event in found.events] == [
        ("a window", "monitoring-a"),
        ("monitor decided: wait", "monitoring-a"),
        ("release decided: refuse (release)", "release-a"),
        ("generation 1", "release-a"),
        ("a window", ""),
        ("monitor decided: wait", ""),
        ("a window", ""),
        ("monitor decided: wait", ""),
        ("a window", ""),
    ]
    run, reports = monitored(watched, 0)
    page = render_run(run, reports, story=found)
    assert '<a href="../release-a/report.html">generation 1</a>' in page
    assert page.count('href="../') == 4


def test_a_rollback_is_decided_before_it_serves_although_the_record_keeps_milliseconds_only() -> None:
    issued = START + WEEK + timedelta(microseconds=764_726)
    dated = dict.fromkeys(("issued", "expires"), issued.isoformat())
    about = {"kind": "rollback", "verdict": "pass", "signer": "zoe", **dated}
    back = Decision(**{**decided(figures(0), "wait", "it answers nonsense").model_dump(), **about})
    states = [
        EndpointState(
            endpoint="helpdesk", generation=generation, decision=decision, changed=changed.isoformat(),
            champion=Reference(key="k", digest=digest * 64, content_digest="c"),
        )
        for generation, decision, digest, changed in (
            (1, "gone from the store", "a", START),
            (2, back.id, "b", issued - timedelta(microseconds=726)),
        )
    ]  # fmt: skip
    events = told._story("helpdesk", [figures(0)], states, [back], []).events
    assert [event.title for event in events] == [
        "generation 1", "a window", "zoe decided: pass (rollback)", "generation 2",
    ]  # fmt: skip


def test_the_same_said_again_is_told_once_with_a_count() -> None:
    events = story([figures(0), *(quiet(number) for number in range(1, 9)), figures(9)]).events
    assert [(event.title, event.times) for event in events] == [
        ("a window", 1),
        ("monitor decided: wait", 1),
        ("a window", 8),
        ("monitor decided: alert", 8),
        ("a window", 1),
        ("monitor decided: wait", 1),
    ]
    again = events[2]
    assert (again.moment, again.last) == (START + 2 * WEEK, START + 9 * WEEK)
    assert "between 2026-03-02 00:00:00 and 2026-03-09 00:00:00 UTC" in again.said


def test_a_change_between_keeps_what_was_said_before_and_after_it_apart() -> None:
    moments = [START + hours * timedelta(hours=1) for hours in range(4)]
    said = [
        Event(moments[0], "alert", "monitor decided: alert", "no"),
        Event(moments[2], "alert", "monitor decided: alert", "no"),
    ]
    assert [event.times for event in together(said)] == [2]
    between = Event(moments[1], "promoted", "generation 2", "serves")
    assert [event.times for event in together([said[0], between, said[1]])] == [1, 1, 1]


def test_a_window_is_told_of_in_whole_sentences_and_right_numbers() -> None:
    (event, _) = story([figures(0, 1, 1, requests=1, units=1, shifts=(shift(drifted=True),))]).events
    assert event.said.startswith("1 request of 1 user; 1 of 1 labelled answer")
    assert event.said.endswith("; drifted: `prompt_words` (words of a question).")
    assert "nothing was compared. Nobody asked" in story([quiet(0)]).events[0].said


def test_labels_have_room_and_the_last_one_is_always_there() -> None:
    for rooms in (SHARES, GENERATIONS):
        found = labelled(range(0, 800, 15), rooms)
        wide = sorted(found)
        assert found[795] == ""
        assert min(b - a for a, b in pairwise(wide)) >= rooms["spare"]
        narrow = [x for x in wide if found[x] == ""]
        assert min(b - a for a, b in pairwise(narrow)) >= rooms[""]
    assert labelled([], SHARES) == {}


def test_a_label_stands_on_the_side_that_the_line_does_not_take_and_near_its_dot_or_nowhere() -> None:
    found = story([figures(number, correct) for number, correct in enumerate((190, 0, 120, 110))])
    assert [(label.text, label.look) for label in found.labels] == [
        ("95 %", ""), ("0 %", "under"), ("60 %", ""), ("55 %", ""),
    ]  # fmt: skip
    wild = story([figures(number, (190, 0, 100)[number % 3]) for number in range(MOST_WINDOWS)])
    dots = {point.x: wild.y(point.span.share) for point in wild.points if point.span}
    labels = list(wild.labels)
    assert [label.text for label in labels][-1:] == ["95 %"]
    beside = {min(dots, key=lambda x, at=label.x: abs(at - wild.cap - 2 * OFF - x)): label for label in labels}
    assert len(beside) == len(labels)
    assert all(abs(dots[x] - label.y) <= FAR for x, label in beside.items())


def test_the_ends_of_intervals_keep_apart_however_many_there_are() -> None:
    many = story([figures(number) for number in range(MOST_WINDOWS)])
    gaps = [second.x - first.x for first, second in pairwise(many.points)]
    assert 0 < 2 * many.cap < min(gaps)
    assert story([figures(0)]).cap == CAP


def test_of_many_windows_the_last_are_told_and_where_the_story_begins_is_said(watched: Watched, monkeypatch) -> None:
    monkeypatch.setattr(told, "MOST_WINDOWS", 3)
    for number in range(5):
        watched.evidence(number)
    missing: list[str] = []
    windows = list(told._windows(watched.store, "helpdesk", missing))
    found = story(windows)
    assert [point.figures.until[:10] for point in found.points] == ["2026-01-26", "2026-02-02", "2026-02-09"]
    assert (found.begins, missing) == (windows[0].until, [])
    assert story(windows[:2]).begins == ""
    watched.store.write(compared_key("helpdesk", START + 5 * WEEK), b"{")
    assert len(list(told._windows(watched.store, "helpdesk", missing))) == 2
    assert "not a Compared" in missing[0]


def test_of_many_decisions_the_newest_are_read(tmp_path: Path, monkeypatch) -> None:
    store = Store(str(tmp_path))
    monkeypatch.setattr(told, "MOST_DECISIONS", 2)
    for name in "abc":
        store.write(f"decisions/{name}.json", b"{")
    missing: list[str] = []
    assert list(told._decisions(store, missing)) == []
    assert len(missing) == 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with chromium() as found:
        yield found


BOX = "(one) => { const box = one.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; }"


@pytest.mark.parametrize("width", [1280, 500])
def test_intervals_are_seen_beside_dot_and_ring_and_no_line_crosses_a_label(
    browser, watched: Watched, tmp_path: Path, width
) -> None:
    moved = (shift(drifted=True),)
    given = ((214, 214, ()), (358, 575, moved), (147, 148, moved), (1, 90, ()), (60, 90, ()), (61, 90, ()))
    windows = [figures(number, *quality, shifts=shifts) for number, (*quality, shifts) in enumerate(given)]
    run, reports = monitored(watched, 0)
    page = tmp_path / "page.html"
    page.write_text(render_run(run, reports, story=story(windows)))
    with opened_page(browser, page, width) as opened:
        spans, dots, rings = (
            opened.eval_on_selector_all(f"#story .{look}", f"(all) => all.map({BOX})")
            for look in ("span", "dot", "ring")
        )
        assert (len(spans), len(dots), len(rings)) == (6, 6, 2)
        for span, dot in zip(spans, dots, strict=True):
            assert span[0] < dot[0] < dot[2] < span[2]
        for span, ring in zip(spans[1:3], rings, strict=True):
            assert ring[0] < span[0] < span[2] < ring[2]
            assert ring[1] < span[1] < span[3] < ring[3]
        crossed = opened.evaluate(
            """() => {
                const line = document.querySelector('#story .line'), matrix = line.getScreenCTM();
                const points = Array.from({length: 4000}, (_, at) =>
                    line.getPointAtLength(line.getTotalLength() * at / 3999).matrixTransform(matrix));
                return [...document.querySelectorAll('#story .value')].filter((one) => {
                    const {left, right, top, bottom} = one.getBoundingClientRect();
                    return points.some((at) => left < at.x && at.x < right && top < at.y && at.y < bottom);
                }).map((one) => one.textContent);
            }"""
        )
        assert crossed == []
        assert opened.locator("#story .value:visible").count() >= 3


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_year_with_many_quiet_windows_can_be_read(browser, watched: Watched, tmp_path: Path, width, scheme) -> None:
    windows = [quiet(number) if 8 < number < 40 else figures(number) for number in range(MOST_WINDOWS)]
    run, reports = monitored(watched, MOST_WINDOWS, requests=0)
    releases = {run.run: read_release(run, watched.store)}
    page = tmp_path / "page.html"
    page.write_text(render_run(run, reports, releases=releases, story=story(windows)))
    with opened_page(browser, page, width, scheme) as opened:
        check_width(opened, width)
        assert opened.inner_text(".banner").startswith("! Alert")
        assert opened.locator("#story .open").count() == 31
        assert opened.locator("#story .events:visible li").count() <= 12
        boxes = opened.evaluate(
            "[...document.querySelectorAll('#story text')].map((one) => one.getBoundingClientRect())"
            ".filter((box) => box.width > 0).map((box) => [box.left, box.top, box.right, box.bottom])"
        )
        crossing = [
            (one, other)
            for index, one in enumerate(boxes)
            for other in boxes[index + 1 :]
            if one[0] < other[2] and other[0] < one[2] and one[1] + 3 < other[3] and other[1] + 3 < one[3]
        ]
        assert crossing == []
