"""Curves and scores as shapes that stretch to any width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from components.core.report import Figure, Report, Series
from pipelines.page.notation import amount, number

MOST_POINTS = 400
NEAR = "_without_near_duplicates"


class Tick(NamedTuple):
    """A mark on an axis: where, in hundredths, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Curve:
    """A series as a line in a drawing of 100 by 100."""

    name: str
    step: str
    line: str
    area: str
    points: tuple[tuple[float, float, str], ...]  # x and y in hundredths, what a reader is told
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_unit: str
    y_unit: str
    first: float
    last: float


@dataclass(frozen=True)
class Score:
    """A figure with its interval on a scale from 0 to ``most``."""

    name: str
    text: str
    interval: str
    value: float  # in hundredths of the scale, as low and high
    low: float
    high: float
    level: int  # 0 a suite, 1 the suite without near-duplicates, 2 a slice
    questions: int | None = None  # that it was asked; None where that is not known


def curve(step: str, name: str, series: Series) -> Curve | None:
    """A series as a curve; None where there are fewer than two finite points."""
    known = [(x, y) for x, y in zip(series.x, series.y, strict=False) if math.isfinite(x) and math.isfinite(y)]
    if len(known) < 2:
        return None
    thin = list(_thinned(known))
    (x0, x1), (y0, y1) = _range(x for x, _ in known), _padded(*_range(y for _, y in known))
    x_unit, y_unit = series.x_unit, series.y_unit
    points = tuple(
        (
            round(100 * (x - x0) / ((x1 - x0) or 1), 2),
            round(100 - 100 * (y - y0) / (y1 - y0), 2),
            f"{number(x)} {x_unit}: {number(y)} {y_unit}".replace(" :", ":").strip(),
        )
        for x, y in thin
    )
    line = "M" + " L".join(f"{x:g},{y:g}" for x, y, _ in points)
    return Curve(
        name, step, line, f"{line} L{points[-1][0]:g},100 L{points[0][0]:g},100 Z", points,
        tuple(Tick(100 * (value - x0) / ((x1 - x0) or 1), number(value)) for value in _round_values(x0, x1, 4)),
        tuple(Tick(100 - 100 * (value - y0) / (y1 - y0), number(value)) for value in _round_values(y0, y1, 4)),
        x_unit, y_unit, known[0][1], known[-1][1],
    )  # fmt: skip


def scores(report: Report) -> list[Score]:
    """The figures that have an interval: each suite, the same without near-duplicates, then its slices."""
    known = {name: figure for name, figure in report.figures.items() if figure.low is not None}
    most = (
        1.0 if all(_is_share(figure) for figure in known.values()) else max(_end(figure) for figure in known.values())
    )
    suites = [name for name in known if "/" not in name and not name.endswith(NEAR)]
    ordered: list[tuple[str, str, int]] = []
    for suite in suites:
        ordered.append((suite, suite, 0))
        ordered += [(f"{suite}{NEAR}", "without near-duplicates", 1)] if f"{suite}{NEAR}" in known else []
        ordered += [(name, name.partition("/")[2], 2) for name in known if name.startswith(f"{suite}/")]
    listed = {name for name, _, _ in ordered}
    ordered += [(name, name, 0) for name in known if name not in listed]
    return [_score(known[name], shown, level, most) for name, shown, level in ordered]


def _score(figure: Figure, name: str, level: int, most: float) -> Score:
    low, high = figure.low or 0.0, _end(figure)
    value, low_end, high_end = (min(100.0, max(0.0, 100 * end / (most or 1))) for end in (figure.value, low, high))
    interval = f"{amount(low, figure.unit)} to {amount(high, figure.unit)}"
    return Score(name, amount(figure.value, figure.unit), interval, value, low_end, high_end, level, figure.n)


def _is_share(figure: Figure) -> bool:
    return 0 <= figure.value <= 1 and _end(figure) <= 1


def _end(figure: Figure) -> float:
    return figure.value if figure.high is None else figure.high


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return min(known), max(known)


def _padded(low: float, high: float) -> tuple[float, float]:
    """A little room above and below; down to 0 where that is near."""
    room = 0.06 * (high - low) or abs(high) or 1.0
    bottom = 0.0 if 0 <= low < 0.35 * high else low - room
    return bottom, high + room


def _thinned(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """At most so many points: of each stretch the lowest and the highest, so that no spike is lost."""
    if len(points) <= MOST_POINTS:
        yield from points
        return
    stretch = math.ceil(len(points) / (MOST_POINTS // 2))
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        yield from sorted({min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])})


def _round_values(low: float, high: float, about: int) -> list[float]:
    """Round values between two ends, about so many."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]
