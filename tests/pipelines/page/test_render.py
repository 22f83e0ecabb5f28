"""The page as a person opens it: in headless Chromium, from a file, at two widths, light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from components.core.canonical import sha256
from components.core.report import Example
from components.core.run import EstimatedCost, State
from pipelines.page.findings import Finding
from pipelines.page.render import render_run
from tests.browser import chromium
from tests.pipelines.page import a_run

WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The pages of a good run, a failed one, one that has just begun and one in which a planted fault was missed."""
    run, reports = a_run.lifecycle()
    missed = Finding(step="deduplicate", kind="near", planted=60, found=58)
    return {
        "good": render_run(run, reports, followed=[a_run.release()], findings=a_run.findings()),
        "failed": render_run(*a_run.failed()),
        "waiting": render_run(a_run.waiting(), {}),
        "missed": render_run(run, reports, findings=[*a_run.findings(), missed]),
    }


@pytest.fixture
def opened(browser, pages, tmp_path):
    """``opened("good", 390)`` -> the page in the browser; at the end it has complained of nothing and asked nobody."""
    contexts, told, asked = [], [], []

    def open_(name: str, width: int = 1280, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        file = tmp_path / f"{name}.html"
        file.write_text(pages[name])
        page.goto(file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert told == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["good", "failed", "waiting", "missed"])
def test_the_page_opens_without_complaint_and_without_scrolling_sideways(opened, name, width, scheme) -> None:
    page = opened(name, width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((step) => { step.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = page.evaluate(
        "[...document.querySelectorAll('main *')].filter((one) => getComputedStyle(one).clipPath === 'none'"
        " && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 120))"
    )
    assert outside == []


@pytest.mark.parametrize("width", WIDTHS)
def test_exactly_one_drawing_of_the_graph_is_seen_and_holds_every_step(opened, width) -> None:
    page = opened("good", width)
    seen = [len(graph.query_selector_all(".node")) for graph in page.query_selector_all(".graph") if graph.is_visible()]
    assert seen == [len(a_run.AFTER), 1]
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('.graph .name')].map((one) =>"
        " one.getBoundingClientRect().height).filter((height) => height))"
    )
    assert smallest > 11


def test_dark_is_dark_and_light_is_light(opened) -> None:
    def brightness(scheme: str) -> int:
        colour = opened("good", 1280, scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", colour))

    assert brightness("dark") < 150 < 650 < brightness("light")


def test_a_step_in_the_graph_leads_to_what_is_told_of_it(opened) -> None:
    page = opened("good")
    page.focus(".graph.wide a.node[aria-label^='Curate']")
    assert len(page.query_selector_all(".graph.wide .edge.lit")) == 2
    page.keyboard.press("Enter")
    page.wait_for_selector("details.step[open]")
    assert "too many symbols" in page.inner_text("details.step[open]")


def paste(page) -> str:
    page.evaluate("const box = document.createElement('textarea'); box.id = 'paste'; document.body.append(box)")
    page.focus("#paste")
    page.keyboard.press("Control+V")
    return page.input_value("#paste")


@pytest.mark.parametrize("allowed", [True, False], ids=["clipboard", "the old way"])
def test_a_digest_is_copied_whole_with_one_click(opened, allowed) -> None:
    page = opened("good")
    if allowed:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    else:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); }")
    page.click(".artifacts tr:has-text('exported') .copy")
    page.wait_for_selector(".copied")
    assert page.inner_text("#said") == "Copied"
    assert paste(page) == sha256("exported content")


def test_the_page_of_a_failed_run_says_what_was_wrong_and_where(opened) -> None:
    page = opened("failed")
    told = page.inner_text(".failure")
    assert "more than max_reject_share = 0.5 allows; mend the source" in told
    assert "exit code 2" in told
    assert f"sluice logs {a_run.LIFECYCLE} decontaminate" in told
    assert page.query_selector("details.step.failed[open]")
    assert "skipped" in page.text_content("a.node[aria-label^='Finetune']")


def test_a_run_that_has_just_begun_does_not_say_how_it_ended(opened) -> None:
    page = opened("waiting")
    assert "exit code" not in page.inner_text("body")
    assert "running" in page.inner_text(".summary")


def test_texts_are_shown_and_never_run(opened, pages) -> None:
    page = opened("good")
    assert page.title() == "helpdesk lifecycle: done, release: done"
    assert len(page.query_selector_all("script")) == 1
    assert "<script>document" not in pages["good"]
    assert "{{ 7*7 }}" in page.inner_text("#answers")


def test_a_script_that_was_smuggled_in_is_not_run(browser, pages, tmp_path) -> None:
    page = browser.new_page()
    (tmp_path / "bad.html").write_text(
        pages["good"].replace("</main>", "<script>document.title = 'run'</script></main>")
    )
    page.goto((tmp_path / "bad.html").as_uri())
    assert page.title() == "helpdesk lifecycle: done, release: done"
    page.close()


def test_the_curve_tells_its_values_to_pointer_and_keyboard(opened) -> None:
    page = opened("good")
    page.hover(".plot >> nth=0", position={"x": 1, "y": 50})
    assert page.inner_text(".plot >> nth=0 >> .tip").startswith("1 steps: 4.68")
    page.mouse.move(0, 0)
    page.focus(".unit")
    page.locator(".plot").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".plot >> nth=0 >> .tip").endswith("nats/token")


def test_the_page_says_what_a_reader_looks_for(opened) -> None:
    text = opened("good").inner_text("body")
    for said in (
        "92.4 %", "90.2 % to 94.2 %", "without near-duplicates", "6,187 → 5,790", "778 merged: 402 exact, 376 near",
        "201 redacted", "31 completion is not JSON", "16 steps", "20 questions",
    ):  # fmt: skip
        assert said in text, said


def test_everything_can_be_reached_with_the_keyboard_and_is_seen_when_it_is(opened) -> None:
    page = opened("good", 390)
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        name, ring = page.evaluate(
            "[document.activeElement.closest('[class]')?.getAttribute('class') ?? '',"
            " getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            " || document.activeElement.matches('.node:focus-visible')]"
        )
        assert ring, name
        seen.add(name.split(" ")[0])
    assert {"skip", "copy", "node"} <= seen


def test_what_was_planted_and_found_stands_near_the_top(opened) -> None:
    page = opened("good")
    assert "All 374 planted faults were found" in page.inner_text(".found .verdict")
    rows = [row.inner_text().split() for row in page.query_selector_all(".kinds tr")]
    assert rows[0] == ["✓", "too", "short", "214", "of", "214"]
    assert len(rows) == 4
    assert page.locator("#found").bounding_box()["y"] < page.locator("#graph").bounding_box()["y"]


def test_a_planted_fault_that_was_missed_is_seen(opened) -> None:
    page = opened("missed")
    assert "1 of 5 kinds" in page.inner_text(".found .verdict.bad")
    assert page.inner_text(".kinds tr.bad").split() == ["✕", "near", "58", "of", "60"]


def test_all_parts_of_the_page_say_the_same_of_the_rows(opened) -> None:
    page = opened("good")
    assert "of 6,240 rows: 541 left out, 778 merged, 700 held out" in page.inner_text(".tiles")
    assert "5,010 → 4,310\n" in page.inner_text("#rows")
    assert "5,010 → 4,310 + 700 held out" in page.inner_text("#steps")
    assert "4,310 + 700" in page.text_content(".graph.wide a[aria-label^='Split'] .told")


def test_right_answers_fill_the_space_beside_few_wrong_ones() -> None:
    run, reports = a_run.lifecycle()
    right = Example(title="exam: right", before="user: why?", after="so", good=True)
    wrong = Example(title="exam: wrong", before="user: when?", after="now", good=False)
    told = {**reports, "request": reports["request"].model_copy(update={"examples": (wrong, *[right] * 5)})}
    text = render_run(run, told)
    assert "answers flow" in text
    assert text.count('class="example good"') == 3
    assert "answers flow" not in render_run(*a_run.release())


def test_the_top_says_how_the_run_that_was_asked_for_ended_and_the_exit_code_is_the_worst() -> None:
    asked, reports = a_run.release()
    refused = asked.model_copy(update={"state": State.REFUSED, "exit_code": 3})
    text = render_run(*a_run.lifecycle(), followed=[(refused, reports)])
    top = text.partition('<p class="summary">')[2].partition("</p>")[0]
    assert '<span class="pill done">lifecycle done</span><span class="pill refused">release refused</span>' in top
    assert "exit code 3" in top
    assert "<title>helpdesk lifecycle: done, release: refused</title>" in text


def test_the_estimated_costs_of_all_runs_are_one_figure_and_none_where_one_is_missing() -> None:
    (asking, reports), (asked, _) = a_run.lifecycle(), a_run.release()
    cost = EstimatedCost(amount=1.25, currency="USD", prices="2026-09-08")
    priced = asking.model_copy(update={"estimated_cost": cost})
    both = asked.model_copy(update={"estimated_cost": cost.model_copy(update={"amount": 0.5})})
    text = render_run(priced, reports, followed=[(both, {})])
    assert "1.75 USD" in text
    assert "at the prices of 2026-09-08" in text
    assert "estimated cost" not in render_run(priced, reports, followed=[(asked, {})])
    newer = both.model_copy(update={"estimated_cost": cost.model_copy(update={"prices": "2027-01-01"})})
    assert "estimated cost" not in render_run(priced, reports, followed=[(newer, {})])
    assert "estimated cost" not in render_run(asking, reports)


def test_a_run_takes_at_least_as_long_as_to_the_end_of_its_last_step() -> None:
    """A service that counts in whole seconds may say the same moment for both ends of a run."""
    run, reports = a_run.lifecycle()
    step = run.steps[0].model_copy(update={"started": run.started, "seconds": 90.0})
    at_once = run.model_copy(update={"ended": run.started, "steps": (step,)})
    tiles = render_run(at_once, reports).partition('aria-label="In short"')[2].partition("</section>")[0]
    assert '<p class="what">time</p>' in tiles
    assert '<p class="value">1 min 30 s</p>' in tiles


def test_a_run_that_asked_for_none_is_told_by_its_state_alone() -> None:
    text = render_run(*a_run.lifecycle())
    assert '<span class="pill done">done</span>' in text
    assert "exit code 0" in text


def test_what_stands_in_a_step_of_the_graph_is_explained_where_rows_are_counted(opened) -> None:
    assert "In a step: time · rows that go on + rows set aside" in opened("good").inner_text("#graph")
    assert "In a step" not in opened("waiting").inner_text("#graph")


def test_a_step_that_is_pointed_at_has_its_lines_lit_and_the_others_dimmed(opened) -> None:
    page = opened("good")
    assert "is used again further on" in page.inner_text(".lines")
    page.focus(".graph.wide a.node[aria-label^='Base']")
    lit = page.query_selector_all(".graph.wide.pointed .edge.lit")
    assert len(lit) == sum(("base" in after) + (name == "base") for name, after in a_run.AFTER.items())
    page.focus(".skip")
    assert page.query_selector(".graph.pointed") is None


@pytest.mark.parametrize(("environment", "option"), [("local", "</code>"), ("demo", " --env demo</code>")])
def test_a_command_on_a_page_can_be_typed_as_it_stands(environment: str, option: str) -> None:
    run, reports = a_run.failed()
    text = render_run(run.model_copy(update={"environment": environment}), reports)
    command = re.search(rf"<code>sluice logs {run.run} [\w-]+(.*?</code>)", text)
    assert command
    assert command[1] == option
