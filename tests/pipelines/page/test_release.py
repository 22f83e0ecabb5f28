"""A release on the page: what came of it, the gate, the decision, what changed, the card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.core.decision import Reason, Verdict
from components.core.run import State
from components.core.store import Store
from pipelines.page.load import write_page
from pipelines.page.release import ShownRelease, read_release
from pipelines.page.render import render_run
from tests.browser import check_width, chromium, opened_page
from tests.evaluate.gate import some_evidence as some
from tests.pipelines.page import a_release, a_run


def shown(store: Store, run, reports) -> ShownRelease:
    found = read_release(run, store)
    assert found is not None
    return ShownRelease(run, found, reports)


def page_of(store: Store, run, reports) -> str:
    return render_run(run, reports, releases={run.run: read_release(run, store)})


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Pages of releases that ended in different ways; one of them below the lifecycle that asked for it."""
    folder = tmp_path_factory.mktemp("pages")
    stores = {name: Store(str(folder / name)) for name in ("promoted", "refused", "held", "much", "asked")}
    told = {
        "promoted": page_of(stores["promoted"], *a_release.release(stores["promoted"], some.better())),
        "refused": page_of(stores["refused"], *a_release.release(stores["refused"], some.refused())),
        "held": page_of(stores["held"], *a_release.held(stores["held"], some.better())),
    }
    told["much"] = page_of(stores["much"], *a_release.release(stores["much"], some.much(none=0.0)))
    run, reports = a_release.release(stores["asked"], some.first())
    found = {run.run: read_release(run, stores["asked"])}
    told["asked"] = render_run(*a_run.lifecycle(), followed=[(run, reports)], releases=found)
    for name, text in told.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in told}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("name", ["promoted", "refused", "held", "much", "asked"])
def test_the_page_opens_without_complaint_request_and_scrolling_sideways(browser, pages, name, width, scheme) -> None:
    with opened_page(browser, pages[name], width, scheme) as page:
        check_width(page, width)
        assert page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id).sort()") == sorted(
            page.evaluate("[...new Set([...document.querySelectorAll('[id]')].map((one) => one.id))]")
        )
        assert len(page.query_selector_all("script")) == 1


@pytest.mark.parametrize(
    ("name", "title", "said"),
    [
        ("promoted", "✓ Promoted", "serves from generation 4"),
        ("refused", "✕ Refused", "mend the training data (are labels shuffled?) and run the lifecycle again"),
        ("held", "… Held", "2 approvals are asked of ann or ben"),
        ("asked", "✓ Promoted", "serves from generation 4"),
    ],
)
def test_what_came_of_it_and_what_to_do_stands_at_the_top(browser, pages, name, title, said) -> None:
    with opened_page(browser, pages[name], 1280) as page:
        told = page.inner_text(".banner")
        assert told.startswith(title)
        assert said in told
        assert page.locator(".banner").bounding_box()["y"] < 350
        assert page.query_selector(".failure") is None


def test_a_held_run_says_its_name_to_copy(browser, pages) -> None:
    with opened_page(browser, pages["held"], 1280) as page:
        assert a_run.RELEASE in page.inner_text(".banner .copy")
        assert "exit code 3" in page.inner_text(".summary")


def test_the_paragraph_is_said_once(browser, pages) -> None:
    for name, times in (("refused", 1), ("held", 0)):
        with opened_page(browser, pages[name], 1280) as page:
            assert page.inner_text("main").count("are labels shuffled?") == times
            assert page.locator(".ev-paragraph").count() == 1 - times


def test_the_decision_says_who_signed_what_and_until_when(browser, pages) -> None:
    with opened_page(browser, pages["promoted"], 1280) as page:
        told = page.inner_text("#decision")
    for part in (
        "pass", "kind release, signed by release on 24 Nov 2026, 08:55 UTC", "after 25 Nov 2026, 08:55 UTC",
        "helpdesk, local", "champion", some.reference("candidate").digest[:12], some.reference("champion").digest[:12],
        "gate/", f"sluice verify {a_run.RELEASE}",
    ):  # fmt: skip
        assert part in told, part


def test_what_changed_on_the_endpoint_is_told_with_what_is_behind(browser, pages) -> None:
    with opened_page(browser, pages["promoted"], 1280) as page:
        told = page.inner_text("#decision")
        assert "helpdesk: dda18a0e21ae… serves from generation 4" in told
        assert "sluice registry repair helpdesk" in told
        assert "registry" not in page.inner_text("#answers")


def test_the_card_is_plain_text_and_leads_nowhere(browser, pages) -> None:
    with opened_page(browser, pages["promoted"], 1280) as page:
        page.click(".model-card summary")
        told = page.inner_text(".model-card pre")
        assert "[a link](https://example.org/)" in told
        assert "<script>" in told
        assert page.locator(".model-card a").count() == 0
        assert page.title() == "helpdesk release: done"


def test_scores_and_answers_are_the_candidate_s(browser, pages) -> None:
    with opened_page(browser, pages["promoted"], 1280) as page:
        assert page.inner_text("#scores").count("held out") == 1
        assert "asked by incumbent" not in page.inner_text("#answers")
        assert "asked by benchmark" in page.inner_text("#answers")


def test_reasons_that_the_gate_gave_are_not_said_again(store) -> None:
    reason = Reason(code="approved", holds=True, text="ann: looked at 20 answers")
    one = shown(store, *a_release.release(store, some.better(), reasons=(reason,)))
    assert one.reasons == [reason]


def test_a_run_that_is_no_release_has_no_such_section(store) -> None:
    assert read_release(a_run.lifecycle()[0], store) is None
    assert "banner" not in render_run(*a_run.lifecycle()).split("<main", 1)[1]


def test_a_page_is_written_from_the_store(store, tmp_path) -> None:
    run, _ = a_release.release(store, some.refused())
    (tmp_path / "run.json").write_bytes(run.to_bytes())
    text = write_page(tmp_path, store).read_text()
    assert "The gate refuses this candidate" in text
    assert "refused" in text


@pytest.mark.parametrize("gone", ["evidence", "decision", "card"])
def test_what_is_gone_from_the_store_is_told_and_there_is_a_page(store, gone) -> None:
    run, reports = a_release.release(store, some.better())
    names = {"evidence": "evidence.json", "decision": "envelope.json", "card": "README.md"}
    store.remove(next(key for key in store.list("") if key.endswith(names[gone])))
    one = shown(store, run, reports)
    assert [told.partition(":")[0] for told in one.release.missing] == [gone]
    text = page_of(store, run, reports)
    assert f"Not shown: {gone}: " in text
    assert "Promoted" in text


def test_what_was_changed_in_the_store_is_not_shown(store) -> None:
    run, reports = a_release.release(store, some.refused())
    key = next(key for key in store.list("gate") if key.endswith("evidence.json"))
    store.write(key, store.read(key).replace(b"Refused: the", b"Accepted, the"))
    one = shown(store, run, reports)
    assert one.release.evidence is None
    assert "was changed after it was written" in one.release.missing[0]
    assert "Accepted" not in page_of(store, run, reports)


def test_an_envelope_that_holds_something_else_is_told_and_there_is_a_page(store, monkeypatch) -> None:
    monkeypatch.setattr(a_release, "enveloped", lambda decision: b'{"payload": 7}')
    run, reports = a_release.release(store, some.refused())
    one = shown(store, run, reports)
    assert one.release.decision is None
    assert "holds something else" in one.release.missing[0]
    assert "Refused" in page_of(store, run, reports)


@pytest.mark.parametrize(
    ("state", "verdict", "look"),
    [
        (State.HELD, Verdict.PASS, "held"),
        (State.REFUSED, Verdict.PASS, "refused"),
        (State.DONE, Verdict.SERVES, "serves"),
        (State.DONE, Verdict.HOLD, "held"),
        (State.FAILED, Verdict.REFUSE, ""),
        (State.RUNNING, Verdict.REFUSE, ""),
    ],
)
def test_the_run_says_how_it_stands_and_else_the_decision(store, state, verdict, look) -> None:
    run, reports = a_release.release(store, some.better(), verdict=verdict)
    assert shown(store, run.model_copy(update={"state": state}), reports).look == look


def test_a_pass_that_the_card_refused_is_not_called_promoted(store) -> None:
    run, reports = a_release.release(store, some.better())
    steps = tuple(
        step.model_copy(update={"state": State.SKIPPED}) if step.name == "transition" else step for step in run.steps
    )
    assert shown(store, run.model_copy(update={"steps": steps}), reports).title == "Passed, and not promoted"


def test_a_release_that_failed_says_why_as_every_run_does(store) -> None:
    run, reports = a_release.release(store, some.better())
    failed = run.model_copy(update={"state": State.FAILED, "exit_code": 5, "error": "transition: another model serves"})
    text = page_of(store, failed, reports)
    assert "Release: what went wrong" in text
    assert "another model serves" in text
    assert 'class="banner' not in text


def test_an_older_run_without_a_sentence_says_the_gate_s(store) -> None:
    run, reports = a_release.release(store, some.refused())
    silent = {name: report.model_copy(update={"said": ""}) for name, report in reports.items()}
    assert shown(store, run.model_copy(update={"outcome": ""}), silent).said == some.refused().paragraph
