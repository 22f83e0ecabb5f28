"""The page as a person opens it: in headless Chromium, from a file, at two widths, light and dark."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from components.core.canonical import sha256
from pipelines.page.render import render_run
from tests.pipelines.page import a_run

QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if not path:
        pytest.skip("no Chromium on this machine: install the package `chromium` to look at the page in it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The pages of a good run, a failed one and one that has just begun."""
    run, reports = a_run.lifecycle()
    return {
        "good": render_run(run, reports, followed=[a_run.release()]),
        "failed": render_run(*a_run.failed()),
        "waiting": render_run(a_run.waiting(), {}),
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
@pytest.mark.parametrize("name", ["good", "failed", "waiting"])
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
    assert page.title() == "helpdesk lifecycle: done"
    assert len(page.query_selector_all("script")) == 1
    assert "<script>document" not in pages["good"]
    assert "{{ 7*7 }}" in page.inner_text("#answers")


def test_a_script_that_was_smuggled_in_is_not_run(browser, pages, tmp_path) -> None:
    page = browser.new_page()
    (tmp_path / "bad.html").write_text(
        pages["good"].replace("</main>", "<script>document.title = 'run'</script></main>")
    )
    page.goto((tmp_path / "bad.html").as_uri())
    assert page.title() == "helpdesk lifecycle: done"
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
    for said in ("92.4 %", "90.2 % to 94.2 %", "without near-duplicates", "6,187 → 5,790", "778 merged", "16 steps"):
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
