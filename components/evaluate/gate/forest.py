"""Claims as a forest plot: all scores share one scale and all differences another, so that they compare down the page.

Source: Lewis and Clarke 2001, Forest plots: trying to see the wood and the trees, BMJ 322:1479,
doi:10.1136/bmj.322.7300.1479.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from components.core.evidence import ClaimResult

METHODS = {
    "tango": "Tango",
    "clopper_pearson": "Clopper and Pearson",
    "bca": "BCa bootstrap",
    "cluster_t": "cluster-robust t",
}
STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
"""Distances between the marks of a scale (fractions)."""
MOST_MARKS = 5
MOST_ROWS = 12
"""Claims that stand open; the rest of a long policy is folded away, what does not hold last."""
NEAR = 0.001
"""Closer to its threshold than this, a number is written with one digit more."""


class Mark(NamedTuple):
    """A mark on a scale: where, in hundredths of its length, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """The line that claims of one sort are drawn on; ``signed`` for differences, which show their zero."""

    low: float
    high: float
    step: float
    signed: bool

    def at(self, value: float | None) -> float | None:
        """Where a value lies, in hundredths; None for one that is not known."""
        known = finite(value)
        if known is None:
            return None
        return round(min(100.0, max(0.0, 100 * (known - self.low) / (self.high - self.low))), 2)

    @property
    def marks(self) -> list[Mark]:
        """Round values from end to end."""
        steps = range(math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9) + 1)
        values = [step * self.step for step in steps]
        return [Mark(self.at(value) or 0.0, written(value, self.signed, exact=True)) for value in values]


@dataclass(frozen=True)
class Row:
    """A claim on its scale."""

    claim: ClaimResult
    scale: Scale

    @property
    def look(self) -> str:
        """`holds`, `fails`, or `idle` where it does not apply."""
        if not self.claim.applies:
            return "idle"
        return "holds" if self.claim.holds else "fails"

    @property
    def word(self) -> str:
        """The same for a person."""
        return {"holds": "holds", "fails": "does not hold", "idle": "does not apply"}[self.look]

    @property
    def text(self) -> str:
        """What the gate says of it, without its name, which stands above."""
        return self.claim.text.removeprefix(f"{self.claim.claim}: ")

    @property
    def places(self) -> dict[str, float | None]:
        """Where its numbers lie on the scale, in hundredths."""
        claim = self.claim
        named = {"estimate": claim.estimate, "low": claim.low, "high": claim.high, "threshold": claim.threshold}
        return {name: self.scale.at(value) for name, value in named.items()} | {"zero": self.scale.at(0.0)}

    @property
    def estimate(self) -> str:
        """The estimate in words."""
        known = finite(self.claim.estimate)
        return "not known" if known is None else self._told(known)

    @property
    def interval(self) -> str:
        """The interval in words; empty where there is none."""
        low, high = finite(self.claim.low), finite(self.claim.high)
        return "" if low is None or high is None else f"{self._told(low)} to {self._told(high)}"

    @property
    def needed(self) -> str:
        """What it has to reach, in words."""
        threshold = finite(self.claim.threshold)
        if threshold is None:
            return ""
        how = "more than" if self.scale.signed else "at least"
        return f"needs {how} {written(threshold, self.scale.signed, exact=True)}"

    @property
    def label(self) -> str:
        """All that is drawn, in words."""
        interval = f", interval {self.interval}" if self.interval else ""
        needed = f"; {self.needed}" if self.needed else ""
        return f"Estimate {self.estimate}{interval}{needed}: {self.word}"

    @property
    def details(self) -> list[str]:
        """How it was found out: method, questions, p-value, and what was foretold."""
        claim = self.claim
        found = [_method(claim.method)] if claim.method else []
        if claim.questions:
            grouped = f" in {claim.groups:,} groups" if claim.groups and claim.groups != claim.questions else ""
            found.append(f"{claim.questions:,} question{'s' if claim.questions != 1 else ''}{grouped}")
        p_value, alpha = finite(claim.p_value), finite(claim.alpha)
        if p_value is not None:
            allowed = f" (at most {alpha:g})" if alpha is not None else ""
            found.append(f"p {'below 0.0001' if p_value < 0.0001 else f'{p_value:.2g}'}{allowed}")
        return found + self._foretold()

    def _foretold(self) -> list[str]:
        power, visible = finite(self.claim.power), finite(self.claim.visible)
        parts = [f"{100 * power:.0f} % chance to show it"] if power is not None else []
        parts += [f"able to see {100 * visible:.1f} points"] if visible is not None else []
        return [f"foretold: {', '.join(parts)}"] if parts else []

    def _told(self, value: float) -> str:
        """A value with as many digits as tell it from the threshold."""
        threshold = finite(self.claim.threshold)
        near = threshold is not None and value != threshold and abs(value - threshold) < NEAR
        return written(value, self.scale.signed, digits=2 if near else 1)


class Panel(NamedTuple):
    """Claims on one scale, those that do not hold first."""

    title: str
    scale: Scale
    rows: list[Row]
    folded: list[Row]


class Group(NamedTuple):
    """Claims that must all hold, or alternatives of which one must: then it says whether one does."""

    title: str
    look: str
    panels: list[Panel]


def groups(claims: Sequence[ClaimResult]) -> list[Group]:
    """What must hold, then each group of alternatives."""
    scales = {signed: _scale([one for one in claims if _signed(one) is signed], signed) for signed in (False, True)}
    must = _panels([one for one in claims if not one.alternatives], scales)
    found = [Group("", "", must)] if must else []
    for number in sorted({one.alternatives for one in claims if one.alternatives}):
        together = [one for one in claims if one.alternatives == number]
        holds = _one_holds(together)
        look, word = {None: ("idle", "none applies"), True: ("holds", "one holds"), False: ("fails", "none holds")}[
            holds
        ]
        found.append(Group(f"One of these {len(together)} is enough: {word}", look, _panels(together, scales)))
    return found


def counted(claims: Sequence[ClaimResult]) -> str:
    """How many claims hold, a group of alternatives being one; empty where there are none."""
    numbers = {one.alternatives for one in claims if one.alternatives}
    answers = [one.holds if one.applies else None for one in claims if not one.alternatives]
    answers += [_one_holds(one for one in claims if one.alternatives == number) for number in numbers]
    applying = [answer for answer in answers if answer is not None]
    if not applying:
        return "None applies" if answers else ""
    held = f"{sum(applying)} of {len(applying)} {'holds' if len(applying) == 1 else 'hold'}"
    idle = len(answers) - len(applying)
    return f"{held}; {idle} {'does' if idle == 1 else 'do'} not apply" if idle else held


def _panels(claims: Sequence[ClaimResult], scales: dict[bool, Scale]) -> list[Panel]:
    titles = {False: "Scores, each against its floor", True: "Differences from what serves, in points"}
    order = {"fails": 0, "holds": 1, "idle": 2}
    found = []
    for signed, title in titles.items():
        rows = [Row(one, scales[signed]) for one in claims if _signed(one) is signed]
        rows.sort(key=lambda row: order[row.look])
        if rows:
            found.append(Panel(title, scales[signed], rows[:MOST_ROWS], rows[MOST_ROWS:]))
    return found


def _one_holds(claims: Iterable[ClaimResult]) -> bool | None:
    """Whether one of the alternatives holds; None where none applies."""
    applying = [one.holds for one in claims if one.applies]
    return any(applying) if applying else None


def _method(name: str) -> str:
    """A method by the name that evidence has for it; one that is made of several joins theirs with ``+``."""
    names = [METHODS.get(part, part) for part in name.split("+")]
    return f"interval by {names[0]}" if len(names) == 1 else f"interval: the most careful of {', '.join(names)}"


def _signed(claim: ClaimResult) -> bool:
    return claim.kind != "floor"


def _scale(claims: Sequence[ClaimResult], signed: bool) -> Scale:
    """A scale on which all numbers of the claims have a place, and of differences zero too."""
    numbers = (number for one in claims for number in (one.estimate, one.low, one.high, one.threshold))
    ends = [known for number in numbers if (known := finite(number)) is not None] or [0.0]
    ends += [0.0] * signed
    room = max(0.04 * (max(ends) - min(ends)), 0.01)
    low, high = min(ends) - room, max(ends) + room
    if not signed:
        low, high = max(low, min(0.0, *ends)), min(high, max(1.0, *ends))
    step = next((step for step in STEPS if (high - low) / step <= MOST_MARKS), STEPS[-1])
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step, signed)


def finite(value: float | None) -> float | None:
    """The number, None where it is none."""
    return value if value is not None and math.isfinite(value) else None


def written(value: float, signed: bool, digits: int = 1, exact: bool = False) -> str:
    """A fraction as 92.4 %, a difference as +1.9 points; ``exact`` with the digits that it has, and no more."""
    number = f"{round(100 * value, 4):g}" if exact else f"{100 * value:.{digits}f}"
    if not signed:
        return f"{number} %"
    bare = number.lstrip("-")
    return "0" if not float(bare) else f"{'−' if number.startswith('-') else '+'}{bare}"
