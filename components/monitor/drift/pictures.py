"""Two samples of a feature over each other, and accuracy over windows, as numbers that a template can draw."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.core.contract import Contract
from components.core.manifest import Part
from components.core.wilson import wilson_interval
from components.monitor.describe.features import Sort
from components.monitor.drift.compare import Found, Pair
from components.monitor.figures import Figures, Score, Shift

WIDTH, HEIGHT = 320.0, 96.0
"""Size of a picture of two samples, in units of its view box."""
BINS, BARS = 28, 8
CHART_WIDTH, CHART_HEIGHT, LEFT, BOTTOM = 760.0, 200.0, 64.0, 28.0
MOST_PICTURES = 12
"""Features that are drawn; all of them are in the table."""
CLOSEST = 4
"""Features that are drawn, folded away, where none has moved."""
PICTURES = "pictures.json"
"""The object beside the figures in the output ``evidence`` of the step drift."""
_NAMES = {"training": "training data", "release": "first windows"}


class Bar(Part):
    """A class of a category: its share in the window and in the reference (per cent), and how long the bars are."""

    name: str
    window: float
    reference: float
    scale: float = 1.0


class Picture(Part):
    """A feature that moved: two areas for a number, pairs of bars for a category."""

    shift: Shift
    areas: tuple[str, str] | None = Field(default=None, description="Window and reference as paths of SVG.")
    marks: tuple[tuple[float, str], ...] = Field(default=(), description="Where on the axis stands what.")
    bars: tuple[Bar, ...] = ()
    rest: int = Field(default=0, ge=0, description="Classes that are not among the bars.")

    @property
    def reference(self) -> str:
        """What the window is compared with, in words."""
        return _NAMES.get(self.shift.against, self.shift.against)

    @property
    def label(self) -> str:
        """What is drawn, in words."""
        shift = self.shift
        return f"{shift.feature}: this window ({shift.n} values) and the {self.reference} ({shift.n_reference} values)"


class Pictures(Contract):
    """What is drawn of a window, kept beside its figures: the samples that it was drawn from are not on every page."""

    alpha: float = Field(description="The level that the family-wise error was held at.")
    drawn: tuple[Picture, ...] = Field(default=(), description="What moved, the farthest first, or what came closest.")


class Point(NamedTuple):
    """A window on the chart of accuracy; ``y`` is None where nobody judged an answer."""

    x: float
    y: float | None
    low: float
    high: float
    label: str
    fault: bool
    release: bool


class Chart(NamedTuple):
    """Accuracy over windows, in the units of its view box."""

    points: list[Point]
    line: str
    ticks: list[tuple[float, str]]
    dates: list[tuple[float, str, str]]
    band: tuple[float, float] | None
    """Top and height of the interval of this model's first windows."""


def pictures(found: Sequence[Found], alpha: float) -> Pictures:
    """Of all that was compared, what moved; where nothing did, what came closest to it."""
    ordered = sorted(found, key=lambda one: farthest(one.shift))
    chosen = [one for one in ordered if one.shift.drifted][:MOST_PICTURES] or ordered[:CLOSEST]
    return Pictures(alpha=alpha, drawn=tuple(picture(one) for one in chosen))


def farthest(shift: Shift) -> tuple[bool, float]:
    """Orders features: those that drifted first, and of these the one that moved farthest."""
    return not shift.drifted, -shift.effect / shift.least


def picture(found: Found) -> Picture:
    """The two samples of a feature."""
    pair = found.pair
    if pair.sort is Sort.CATEGORY:
        bars, rest = _bars(pair)
        return Picture(shift=found.shift, bars=bars, rest=rest)
    edges = _edges(pair)
    heights = [np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0] for side in (pair.window, pair.reference)]
    shares = [height / max(height.sum(), 1) for height in heights]
    most = max(float(share.max()) for share in shares) or 1.0
    areas = (_area(shares[0] / most), _area(shares[1] / most))
    marks = [(WIDTH * at, _number(edges[0] + at * (edges[-1] - edges[0]), pair.sort)) for at in (0.0, 0.5, 1.0)]
    return Picture(shift=found.shift, areas=areas, marks=tuple(marks))


def chart(windows: Sequence[Figures]) -> Chart | None:
    """Accuracy of each window's model, the last window last, with intervals; None where nobody ever judged."""
    if not any(one.quality.labelled for one in windows):
        return None
    last = windows[-1]
    band = interval(last.reference) if last.reference.labelled else None
    ends = [end for one in windows if one.quality.labelled for end in interval(one.quality)] + list(band or ())
    low, high = max(0.0, math.floor(min(ends) * 10 - 0.2) / 10), min(1.0, math.ceil(max(ends) * 10 + 0.1) / 10)

    def y(share: float) -> float:
        return round(10 + (1 - (share - low) / (high - low)) * (CHART_HEIGHT - BOTTOM - 10), 1)

    step = (CHART_WIDTH - LEFT - 24) / max(len(windows) - 1, 1)
    points = [
        _point(
            one,
            LEFT + 12 + at * step if len(windows) > 1 else (LEFT + CHART_WIDTH) / 2,
            y,
            at > 0 and _new(windows, at),
        )
        for at, one in enumerate(windows)
    ]
    line = " ".join(
        f"{'M' if not at else 'L'}{p.x:.1f} {p.y}" for at, p in enumerate(p for p in points if p.y is not None)
    )
    ticks = [(y(low + part * (high - low)), f"{100 * (low + part * (high - low)):.0f} %") for part in (0.0, 0.5, 1.0)]
    return Chart(points, line, ticks, _dates(windows, points), (y(band[1]), y(band[0]) - y(band[1])) if band else None)


def interval(score: Score) -> tuple[float, float]:
    """The 95 % interval of a share of right answers (Wilson 1927, JASA 22:209)."""
    return wilson_interval(score.correct, score.labelled)


def told(score: Score) -> str:
    """A score with its interval, in words; empty where nobody judged."""
    if not score.labelled:
        return ""
    low, high = interval(score)
    return f"{100 * score.share:.1f} % of {score.labelled:,} ({100 * low:.1f} to {100 * high:.1f})"


def moment(text: str) -> str:
    return text[:16].replace("T", " ")


def _new(windows: Sequence[Figures], at: int) -> bool:
    now, before = windows[at], windows[at - 1]
    return (now.model, now.released) != (before.model, before.released)


def _point(one: Figures, x: float, y: Any, release: bool) -> Point:
    score = one.quality
    when = moment(one.until)
    if not score.labelled:
        return Point(round(x, 1), None, 0, 0, f"{when}: nobody judged an answer", bool(one.faults), release)
    low, high = interval(score)
    label = f"{when}: {told(score)}"
    return Point(round(x, 1), y(score.share), y(low), y(high), label, bool(one.faults), release)


def _dates(windows: Sequence[Figures], points: list[Point]) -> list[tuple[float, str, str]]:
    """The first, the middle and the last window's end, with how the text is anchored."""
    if len(windows) == 1:
        return [(points[0].x, windows[0].until[:10], "middle")]
    chosen = [(0, "start"), (len(windows) // 2, "middle"), (len(windows) - 1, "end")]
    return [
        (points[at].x, windows[at].until[:10], anchor)
        for at, anchor in chosen
        if len(windows) > 4 or anchor != "middle"
    ]


def _edges(pair: Pair) -> NDArray[Any]:
    together = np.concatenate([pair.window, pair.reference])
    low, high = np.quantile(together, [0.005, 0.995])
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _area(shares: NDArray[Any]) -> str:
    """A histogram as a closed path."""
    wide = WIDTH / len(shares)
    steps = [f"H{wide * (at + 1):.1f}V{HEIGHT * (1 - shares[at + 1]):.1f}" for at in range(len(shares) - 1)]
    return f"M0 {HEIGHT:g}V{HEIGHT * (1 - shares[0]):.1f}{''.join(steps)}H{WIDTH:g}V{HEIGHT:g}Z"


def _number(value: float, sort: Sort) -> str:
    if sort is Sort.SHARE:
        return f"{100 * max(value, 0):.1f} %"
    real = max(math.expm1(value), 0.0)
    return f"{real:,.0f}" if real >= 10 else f"{real:.1f}"


def _bars(pair: Pair) -> tuple[tuple[Bar, ...], int]:
    """The classes whose shares differ most, the frequent ones first, and how many are left out."""
    counts = [Counter(side) for side in (pair.window.tolist(), pair.reference.tolist())]
    sizes = [max(count.total(), 1) for count in counts]
    shares = [
        (name, *(round(100 * count[name] / size, 2) for count, size in zip(counts, sizes, strict=True)))
        for name in counts[0] | counts[1]
    ]
    bars = [Bar(name=name, window=window, reference=reference) for name, window, reference in shares]
    bars.sort(key=lambda bar: (-abs(bar.window - bar.reference), bar.name))
    shown = sorted(bars[:BARS], key=lambda bar: (-max(bar.window, bar.reference), bar.name))
    longest = max((max(bar.window, bar.reference) for bar in shown), default=0) or 1.0
    scaled = tuple(bar.model_copy(update={"scale": 100 / longest}) for bar in shown)
    return scaled, max(0, len(bars) - BARS)
