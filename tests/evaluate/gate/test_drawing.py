"""The gate's drawing: what it says, that nothing in it acts, and how it looks in the console's page in a browser."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from components.core.attempt import Attempt
from components.core.evidence import Tally
from components.core.page import legible, step_page
from components.core.report import Report
from components.core.settings import StepSettings
from components.core.step import run_step
from components.evaluate.gate.drawing import MOST_CONTESTS, MOST_TEXT, prose, verdict_section
from components.evaluate.gate.forest import counted, groups
from tests.browser import check_width, chromium, opened_page
from tests.evaluate.gate import some_evidence as some

EVERY = {"first": some.first, "better": some.better, "refused": some.refused, "faulty": some.faulty, "much": some.much}


class Tags(HTMLParser):
    """All start tags and attributes of a page, whether each tag was closed, and its text."""

    VOID = {"meta"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes) -> None:
        self.tags.append((tag, dict(attributes)))
        self.open += [] if tag in self.VOID else [tag]

    def handle_startendtag(self, tag, attributes) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text += data


def rows(evidence) -> list[Any]:
    return [row for group in groups(evidence.claims) for panel in group.panels for row in (*panel.rows, *panel.folded)]


@pytest.mark.parametrize("name", EVERY)
def test_nothing_in_it_acts_or_leads_anywhere(name) -> None:
    found = Tags(verdict_section(EVERY[name]()))
    assert found.open == []
    assert {tag for tag, _ in found.tags} <= {
        "div", "style", "h2", "h3", "h4", "p", "span", "dl", "dt", "dd", "code", "ul", "li", "b", "bdi", "small", "svg",
        "rect", "line", "circle", "table", "thead", "tbody", "tr", "th", "td", "article", "pre", "details", "summary",
    }  # fmt: skip
    names = {attribute for _, attributes in found.tags for attribute in attributes}
    assert not {one for one in names if one.startswith("on")} | (names & {"href", "src", "id", "xlink:href"})
    assert "://" not in verdict_section(EVERY[name]())


@pytest.mark.parametrize("name", EVERY)
def test_no_place_in_a_drawing_is_no_number_or_outside_it(name) -> None:
    text = verdict_section(EVERY[name]())
    places = [float(place) for place in re.findall(r'(?:x|cx|x1|x2|width)="([^"%]*)%"', text)]
    assert all(math.isfinite(place) and 0 <= place <= 100 for place in places)
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_the_verdict_and_the_paragraph_come_first() -> None:
    text = Tags(verdict_section(some.refused())).text.partition("Claims")[0]
    assert "The gate refuses this candidate" in text
    assert "mend the training data (are labels shuffled?)" in text
    assert "generation 3" in text


def test_what_stands_between_backticks_is_code_and_nothing_else_is_markup() -> None:
    assert prose("run `sluice run <b>` & <i>") == "run <code>sluice run &lt;b&gt;</code> &amp; &lt;i&gt;"


def test_a_claim_tells_estimate_interval_threshold_and_whether_it_holds() -> None:
    (held,) = [row for row in rows(some.better()) if row.claim.claim == "held_out: margin 0.02"]
    assert held.label == "Estimate +2.2, interval +1.3 to +3.1; needs more than −2: holds"
    assert held.places["threshold"] < held.places["zero"] < held.places["low"] < held.places["estimate"]
    assert held.details == [
        "interval: the most careful of cluster-robust t, BCa bootstrap, Tango", "700 questions in 140 groups",
        "p below 0.0001 (at most 0.05)",
        "foretold: 84 % chance to show it, able to see 1.8 points",
    ]  # fmt: skip


def test_a_claim_s_name_is_said_once_and_its_sentence_begins_with_a_capital() -> None:
    text = Tags(verdict_section(some.better())).text
    assert text.count("held_out: floor 0.8") == 1
    assert "The score is 94.6 %" in text


def test_a_method_that_the_page_has_no_words_for_is_named_as_it_is() -> None:
    claim = some.floor(0.8, 0.9, 0.02).model_copy(update={"method": "new_one"})
    assert groups([claim])[0].panels[0].rows[0].details[0] == "interval by new_one"


def test_a_floor_is_drawn_on_a_scale_of_scores_that_ends_at_one() -> None:
    held = rows(some.better())[0]
    assert held.label == "Estimate 94.6 %, interval 92.9 % to 96.3 %; needs at least 80 %: holds"
    assert held.scale.high == 1.0
    assert held.scale.marks[-1] == (100.0, "100 %")


def test_an_estimate_near_its_threshold_is_told_from_it() -> None:
    near = some.floor(0.9, 0.9004, 0.012)
    assert groups([near])[0].panels[0].rows[0].estimate == "90.04 %"


def test_a_comparison_with_nothing_does_not_apply_and_is_no_failure() -> None:
    idle = rows(some.first())[-1]
    assert (idle.look, idle.estimate, idle.interval) == ("idle", "not known", "")
    assert counted(some.first().claims) == "2 of 2 hold; 1 does not apply"
    text = Tags(verdict_section(some.first())).text
    assert "nothing: none serves yet" in text
    assert "Lost" not in text


def test_numbers_that_are_none_are_said_to_be_unknown() -> None:
    (odd,) = [row for row in rows(some.much()) if row.claim.code == "suite_too_small"]
    assert odd.label == "Estimate not known; needs more than +1: does not hold"
    assert odd.places["estimate"] is odd.places["low"] is odd.places["high"] is None


def test_claims_that_do_not_hold_come_first() -> None:
    looks = [row.look for row in groups(some.much().claims)[0].panels[1].rows]
    assert looks == sorted(looks)
    assert looks[0] == "fails"


def test_alternatives_stand_together_and_count_as_one() -> None:
    must, either = groups(some.better().claims)
    assert [len(panel.rows) for panel in must.panels] == [1, 2]
    assert (either.title, either.look) == ("One of these 2 is enough: one holds", "holds")
    assert counted(some.better().claims) == "4 of 4 hold"
    none = [one.model_copy(update={"holds": False}) for one in some.better().claims if one.alternatives]
    assert groups(none)[0].title == "One of these 2 is enough: none holds"


def test_fifty_claims_are_all_there_and_most_of_them_folded() -> None:
    evidence = some.much()
    assert len(evidence.claims) == len(rows(evidence)) == 50
    text = verdict_section(evidence)
    assert text.count('role="img"') == 50
    assert "36 more; does not hold: 4; holds: 32" in Tags(text).text


@pytest.mark.parametrize("faulty", [False, True])
def test_no_claim_at_all_is_said(faulty) -> None:
    evidence = some.faulty() if faulty else some.refused().model_copy(update={"claims": ()})
    said = "No claim was looked at." if faulty else "The policy makes no claim."
    assert said in Tags(verdict_section(evidence)).text


def test_every_fault_has_its_sentence_and_its_code() -> None:
    text = Tags(verdict_section(some.faulty())).text
    assert "12 questions were asked of one of the two only. other_questions held_out" in text


def test_the_worst_slice_of_a_suite_comes_first_and_after_the_suite() -> None:
    part = {"suite": "exam", "candidate": 0.5, "incumbent": 0.5}
    tallies = (
        Tally(slice="good", questions=10, won=5, **part),
        Tally(slice="bad", questions=10, lost=5, **part),
        Tally(questions=20, won=5, lost=5, **part),
    )
    text = verdict_section(some.better().model_copy(update={"tallies": tallies}))
    assert re.findall(r'<th scope="row"><bdi>([^<]*)', text) == ["exam", "bad", "good"]


def test_a_contest_shows_the_question_the_reference_and_both_answers() -> None:
    text = Tags(verdict_section(some.refused())).text
    shown = text[text.index("Questions lost and won") :]
    order = ["The printer on floor 0", "Reference", '"high"', "Candidate ✗ 0", '"low"', "What serves ✓ 1"]
    places = [shown.index(part) for part in order]
    assert places == sorted(places)


def test_long_texts_are_cut_and_the_page_says_so() -> None:
    evidence = some.much()
    text = verdict_section(evidence)
    assert f"{len(evidence.lost[0].prompt) - MOST_TEXT:,} characters more" in text
    assert f"{len(evidence.lost) - MOST_CONTESTS} more are in the evidence." in text
    assert len(text) < 300_000


def test_characters_that_turn_the_direction_of_reading_are_written_out() -> None:
    assert legible("a\u202eb\ud800\x1b[0m\tc\r\n") == "a\\u202eb\\ud800\\u001b[0m\tc\r\n"
    page = step_page(Report(step="gate", attempt="a", started=""), verdict_section(some.much()))
    assert "\u202e" not in page
    page.encode()


def test_equal_evidence_makes_equal_drawings() -> None:
    assert verdict_section(some.better()) == verdict_section(some.better())


class Console:
    """An artifact as KFP hands it to a step."""

    def __init__(self, path) -> None:
        self.path, self.metadata = str(path), {}


def test_a_step_may_hand_over_its_own_section_of_its_page(store, tmp_path) -> None:
    def method(attempt: Attempt, settings: StepSettings) -> Any:
        return attempt.commit({}, settings=settings, word="pass", section="<p id=mine>drawn</p>")

    page = Console(tmp_path / "page.html")
    asked = {"step": "gate", "store": store.uri, "code": "", "page": page, "figures": Console(tmp_path / "figures")}
    assert run_step(method, StepSettings(), **asked) == "pass"
    text = (tmp_path / "page.html").read_text()
    assert text.index("<h1>gate</h1>") < text.index("<p id=mine>drawn</p>") < text.index("<h2>Rows</h2>")


def test_a_step_s_page_says_what_it_decided_once() -> None:
    report = Report(step="decide", attempt="a", started="", said="held: <b>two</b> are asked")
    assert "<p>held: &lt;b&gt;two&lt;/b&gt; are asked</p>" in step_page(report)
    assert "are asked" not in step_page(report, "<p>drawn</p>")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with chromium() as found:
        yield found


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("name", EVERY)
def test_in_a_console_it_opens_without_complaint_request_and_scrolling_sideways(
    browser, tmp_path, name, width, scheme
) -> None:
    file = tmp_path / "page.html"
    file.write_text(step_page(Report(step="gate", attempt="a", started=""), verdict_section(EVERY[name]())))
    with opened_page(browser, file, width, scheme) as page:
        check_width(page, width)
        plots = "[...document.querySelectorAll('.ev-plot')].map((one) => one.getBoundingClientRect().width)"
        assert all(drawn > 200 for drawn in page.evaluate(plots))
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(int(part) for part in re.findall(r"\d+", colour)) < 150) is (scheme == "dark")
        assert page.title() == "gate"
