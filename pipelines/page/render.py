"""The page of a run: one self-contained HTML file from the run's record and its steps' reports.

It loads nothing and runs no script but its own: a policy in the page names the script by digest, so that a text that
looked like markup could do nothing even if it were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from components.core.errors import worst
from components.core.page import templates
from components.core.report import Example, Report
from components.core.run import Run, State, StepRun
from pipelines.page import notation
from pipelines.page.charts import Curve, Score, curve, scores
from pipelines.page.findings import Finding, Findings
from pipelines.page.flow import Reach, river
from pipelines.page.formats import FORMATS
from pipelines.page.graph import Drawing, draw
from pipelines.page.release import Release, ShownRelease
from pipelines.page.story import Story
from pipelines.prices import cost_of_all

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "template"
SIGNS = {
    State.PENDING: "·",
    State.RUNNING: "▸",
    State.DONE: "✓",
    State.HELD: "…",
    State.REFUSED: "✕",
    State.FAILED: "✕",
    State.SKIPPED: "–",
    State.CANCELLED: "■",
}
TOLD_ABOVE = ("incumbent", "gate", "decide", "card", "transition")
"""Steps that a release has sections of its own for: what serves is shown there beside the candidate."""
WAYS_OUT = {"rejected": "left out", "merged": "merged"}
"""How rows end that are learned from neither here nor elsewhere, in the order and words of the tile."""
MOST_ANSWERS = 8
MOST_RIGHT = 3
"""Right answers of one suite: a reader learns more from the wrong ones."""


@dataclass(frozen=True)
class ShownStep:
    """A step on the page."""

    step: StepRun
    anchor: str
    report: Report | None
    offset: float = 0  # of its beginning and its length in the run's time, in hundredths
    length: float = 0

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.step.title or self.step.name

    @property
    def look(self) -> str:
        """The state that colours it: one answered from the cache looks different from one that worked."""
        return "cached" if self.step.cached and self.step.state is State.DONE else str(self.step.state)

    @property
    def examples(self) -> list[Example]:
        """What it shows that is no right or wrong answer."""
        return [example for example in self.report.examples if example.good is None] if self.report else []


@dataclass(frozen=True)
class ShownRun:
    """A run on the page."""

    run: Run
    steps: list[ShownStep]
    drawings: list[Drawing] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From its start to its end, and at least to the end of its last step."""
        ends = [_end(self.run, step.step) for step in self.steps]
        return max([notation.elapsed(self.run.started, self.run.ended) or 0.0, *ends])

    @property
    def broken(self) -> list[ShownStep]:
        """The steps that failed."""
        return [step for step in self.steps if step.step.error or step.step.state is State.FAILED]

    @property
    def river(self) -> list[Reach]:
        """The way of its rows."""
        return river([step.step.name for step in self.steps], _reports(self))

    def onward(self) -> dict[str, Reach]:
        """By step, the rows that go on and those that do not."""
        return {reach.step: reach for reach in self.river}

    def anchors(self) -> dict[str, str]:
        """Where each step is told of, by name."""
        return {step.step.name: step.anchor for step in self.steps}


Told = tuple[Run, Mapping[str, Report]]


def render_run(
    run: Run,
    reports: Mapping[str, Report],
    followed: Sequence[Told] = (),
    findings: Sequence[Finding] = (),
    releases: Mapping[str, Release] = MappingProxyType({}),
    story: Story | None = None,
) -> str:
    """The page of a run and of the runs that it asked for, with the reports of each by the step's name.

    ``releases`` are what those of them that are releases left, by the run's name; ``story`` is that of the endpoint.
    """
    runs = [_shown(index, *told) for index, told in enumerate([(run, reports), *followed])]
    steps = [step for shown in runs for step in shown.steps]
    script = (FOLDER / "script.js").read_text()
    return _environment().get_template("report.html").render(
        runs=runs,
        steps=steps,
        findings=Findings(tuple(findings)),
        releases=_releases(runs, releases),
        story=story,
        river=runs[0].river,
        curves=_curves(steps),
        scores=_scores(steps),
        answers=_answers(steps),
        tiles=_tiles(runs, steps),
        exit_code=worst(shown.run.exit_code for shown in runs),
        titles={step.step.name: step.title for step in runs[0].steps},
        facts=facts,
        percents=all(score.text.endswith("%") for score in _scores(steps)),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip


@cache
def _environment() -> Environment:
    from components.evaluate.gate.drawing import prose

    environment = templates(FOLDER)
    names = ["count", "number", "percent", "seconds", "size", "moment", "amount", "figure", "words", "clipped"]
    names += ["reason", "figure_name"]
    environment.filters.update({name: getattr(notation, name) for name in names})
    environment.filters["points"] = json.dumps
    environment.filters["prose"] = prose
    environment.filters["option"] = _option
    environment.globals["sign"] = lambda step: SIGNS[step.state]
    return environment


def _option(run: Run) -> str:
    """What a command that looks at a run needs besides its name: nothing where it was made in the usual environment."""
    return "" if run.environment == "local" else f" --env {run.environment}"


def _shown(index: int, run: Run, reports: Mapping[str, Report]) -> ShownRun:
    whole = max([_end(run, step) for step in run.steps] + [notation.elapsed(run.started, run.ended) or 0, 1e-9])
    steps = [
        ShownStep(
            step=step,
            anchor=f"r{index}-{position}",
            report=reports.get(step.name),
            offset=100 * (notation.elapsed(run.started, step.started) or 0) / whole,
            length=100 * step.seconds / whole,
        )
        for position, step in enumerate(run.steps)
    ]
    return ShownRun(run, steps, [draw(run.steps, shape) for shape in FORMATS])


def _end(run: Run, step: StepRun) -> float:
    return (notation.elapsed(run.started, step.started) or 0.0) + step.seconds


def _curves(steps: Sequence[ShownStep]) -> list[Curve]:
    """Every series of every step; the loss first."""
    found = [
        curve(step.title, name, series) for step in steps if step.report for name, series in step.report.series.items()
    ]
    return sorted((one for one in found if one), key=lambda one: one.name != "loss")


def _scores(steps: Sequence[ShownStep]) -> list[Score]:
    with_interval = [
        step.report
        for step in steps
        if step.report
        and step.step.name not in TOLD_ABOVE
        and any(figure.low is not None for figure in step.report.figures.values())
    ]
    return [score for report in with_interval for score in scores(report)]


@dataclass(frozen=True)
class Answers:
    """Wrong and right answers to look at."""

    wrong: list[Example]
    right: list[Example]

    @property
    def beside(self) -> bool:
        """Whether they stand side by side: not where one side would be empty for most of its length."""
        fewer, more = sorted((len(self.wrong), len(self.right)))
        return 2 * fewer >= more


def _answers(steps: Sequence[ShownStep]) -> Answers:
    """The wrong ones, and of each suite a few right ones."""
    told = [
        example
        for step in steps
        if step.report and step.step.name not in TOLD_ABOVE
        for example in step.report.examples
    ]
    right: defaultdict[str, list[Example]] = defaultdict(list)
    for example in told:
        if example.good:
            right[example.title].append(example)
    few = [example for suite in right.values() for example in suite[:MOST_RIGHT]]
    return Answers([example for example in told if example.good is False][:MOST_ANSWERS], few[:MOST_ANSWERS])


@dataclass(frozen=True)
class Tile:
    """One of the few numbers that a reader looks for first."""

    name: str
    value: str
    note: str
    bar: Score | None = None
    curve: Curve | None = None


def _tiles(runs: Sequence[ShownRun], steps: Sequence[ShownStep]) -> list[Tile]:
    tiles = [Tile(score.name, score.text, _asked(score), bar=score) for score in _scores(steps) if score.level == 0][:2]
    tiles += _rows_tile(runs[0])
    loss = next((one for one in _curves(steps) if one.name == "loss"), None)
    if loss:
        tiles.append(Tile("loss", notation.number(loss.last), f"from {notation.number(loss.first)}", curve=loss))
    return tiles + _time_tile(runs, steps) + _cost_tile(runs)


def _asked(score: Score) -> str:
    return score.interval + (f"; {notation.count(score.questions)} questions" if score.questions else "")


def _rows_tile(shown: ShownRun) -> list[Tile]:
    reaches = shown.river
    if not reaches or shown.run.state is not State.DONE:
        return []
    out: Counter[str] = Counter()
    for left in (left for reach in reaches for left in reach.leaving):
        out[notation.words(left.name) if left.how == "aside" else WAYS_OUT[left.how]] += left.rows
    ways = [how for how in WAYS_OUT.values() if how in out] + [how for how in out if how not in WAYS_OUT.values()]
    joined = [reach.joining for reach in reaches if reach.joining]
    came = [f"{notation.count(reaches[0].into)} rows"]
    came += [f"{notation.count(joining.rows)} {notation.words(joining.name)}" for joining in joined]
    gone = ", ".join(f"{notation.count(out[how])} {how}" for how in ways)
    note = f"of {' and '.join(came)}" + (f": {gone}" if gone else "")
    return [Tile("rows to learn from", notation.count(reaches[-1].onward), note)]


def _reports(shown: ShownRun) -> dict[str, Report]:
    return {step.step.name: step.report for step in shown.steps if step.report}


def _time_tile(runs: Sequence[ShownRun], steps: Sequence[ShownStep]) -> list[Tile]:
    whole = sum(shown.seconds for shown in runs)
    cached = sum(step.look == "cached" for step in steps)
    note = f"{len(steps)} steps" + (f", {cached} from the cache" if cached else "")
    cpu = sum(shown.run.cost.cpu_seconds for shown in runs)
    note += f"; {notation.seconds(cpu)} of CPU" if cpu else ""
    return [Tile("time", notation.seconds(whole), note)] if whole else []


def _cost_tile(runs: Sequence[ShownRun]) -> list[Tile]:
    cost = cost_of_all([shown.run for shown in runs])
    if cost is None:
        return []
    return [Tile("estimated cost", f"{cost.amount:,.2f} {cost.currency}", f"at the prices of {cost.prices}; no bill")]


def _releases(runs: Sequence[ShownRun], releases: Mapping[str, Release]) -> list[ShownRelease]:
    return [ShownRelease(one.run, releases[one.run.run], _reports(one)) for one in runs if one.run.run in releases]


def facts(run: Run) -> dict[str, Any]:
    """The digests of a run that a person may want to copy, by name."""
    named = {"recipe": run.recipe_digest, "environment": run.environment_digest, "compiled graph": run.spec}
    named |= {f"code of {stage}": digest for stage, digest in run.code.items()}
    return {name: digest for name, digest in named.items() if digest}
