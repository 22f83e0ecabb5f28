"""The gate's evidence for a person: its claims drawn, suites and slices, and questions that were won and lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from components.core.decision import Verdict
from components.core.evidence import Contest, GateEvidence, Tally
from components.core.page import legible, templates
from components.evaluate.gate.forest import counted, finite, groups, written

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).parent
TITLES = {
    Verdict.PASS: "The gate passes this candidate",
    Verdict.HOLD: "The gate holds this candidate",
    Verdict.REFUSE: "The gate refuses this candidate",
    Verdict.SERVES: "This candidate is what serves already",
}
SIGNS = {Verdict.PASS: "✓", Verdict.HOLD: "…", Verdict.REFUSE: "✕", Verdict.SERVES: "="}
MOST_TEXT = 3000
"""Characters of a prompt or an answer; the whole of it lies in the store."""
OPEN, MOST_CONTESTS = 6, 24
"""Lost questions, and won ones, that stand open, and that are shown at all."""


def verdict_section(evidence: GateEvidence, paragraph: bool = True) -> str:
    """The evidence as a fragment of HTML: a heading of level 2 and what follows, without script, id or address.

    It brings its style along and takes the colours of the page around it where that names them. All texts are escaped;
    numbers that are not finite are shown as not known. ``paragraph`` is False where the page has said it already.
    """
    return _environment().get_template("drawing.html").render(
        evidence=evidence,
        paragraph=paragraph,
        title=TITLES[evidence.verdict],
        sign=SIGNS[evidence.verdict],
        counted=counted(evidence.claims),
        groups=groups(evidence.claims),
        bouts=_bouts(evidence.tallies),
        compared=evidence.incumbent.model is not None,
        contests=Contests(_side("Lost", evidence.lost), _side("Won", evidence.won)),
    )  # fmt: skip


def prose(text: str) -> Markup:
    """A sentence for a person, with what stands between backticks as code; everything in it is escaped."""
    # Imported here, as below: a gate in a notebook needs neither.
    from markupsafe import Markup, escape

    parts = re.split(r"`([^`]+)`", legible(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


@cache
def _environment() -> Environment:
    environment = templates(FOLDER)
    environment.filters.update(clipped=_clipped, prose=prose, sentence=_sentence, share=_share)
    return environment


class Side(NamedTuple):
    """Questions that were lost, or won."""

    title: str
    shown: Sequence[Contest]
    folded: Sequence[Contest]
    more: int


class Contests(NamedTuple):
    """Both sides."""

    lost: Side
    won: Side

    @property
    def beside(self) -> bool:
        """Whether they stand side by side: not where one side would be empty for most of its length."""
        fewer, more = sorted((len(self.lost.shown), len(self.won.shown)))
        return 2 * fewer >= more


def _side(title: str, contests: Sequence[Contest]) -> Side:
    more = max(0, len(contests) - MOST_CONTESTS)
    return Side(title, contests[:OPEN], contests[OPEN:MOST_CONTESTS], more)


@dataclass(frozen=True)
class Bout:
    """A suite or a slice of it: both scores, and the questions won and lost, as bars in hundredths of a half."""

    tally: Tally
    won: float
    lost: float

    @property
    def gained(self) -> str:
        """The difference in words; empty where nothing served."""
        candidate, incumbent = finite(self.tally.candidate), finite(self.tally.incumbent)
        return "" if candidate is None or incumbent is None else written(candidate - incumbent, signed=True)


def _bouts(tallies: Sequence[Tally]) -> list[Bout]:
    """Suite by suite, its slices after it, the worst first; bars are shares of the questions."""
    most = max((max(one.won, one.lost) / max(1, one.questions) for one in tallies), default=0) or 1.0
    ordered = [
        one
        for _, suite in groupby(sorted(tallies, key=lambda one: one.suite), key=lambda one: one.suite)
        for one in sorted(suite, key=_from_the_worst)
    ]
    return [
        Bout(one, *(round(100 * part / max(1, one.questions) / most, 2) for part in (one.won, one.lost)))
        for one in ordered
    ]


def _from_the_worst(tally: Tally) -> tuple[bool, float, float, str]:
    net = (tally.won - tally.lost) / max(1, tally.questions)
    return bool(tally.slice), net, finite(tally.candidate) or 0.0, tally.slice


def _sentence(text: str) -> Markup:
    """Prose that begins with a capital; a reason may be part of a sentence elsewhere."""
    return prose(text[:1].upper() + text[1:])


def _share(value: float | None) -> str:
    known = finite(value)
    return "–" if known is None else written(known, signed=False)


def _clipped(text: str) -> str:
    """Text of a length that a page can hold, saying how much is left out."""
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}… and {len(text) - MOST_TEXT:,} characters more"
