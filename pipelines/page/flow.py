"""The river of rows: what goes into each data step, what goes on, and what is left out for which reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from components.core.report import Report

MOST_REASONS = 6
RIVER = 66.0
"""Width of the river at its widest, in hundredths of the drawing; the rest is for what leaves it."""
OF_ROWS = ("documents", "rows")
INSIDE_ROWS = ("addresses", "numbers")
"""Units of figures that count what a step did to rows, and to things in them."""


class Told(NamedTuple):
    """A step and what it says of itself."""

    name: str
    report: Report


class Note(NamedTuple):
    """So many rows, or things in rows, of a name."""

    name: str
    number: int


@dataclass(frozen=True)
class Leaving:
    """Rows that leave the river: rejected, merged into others, or set aside for something else."""

    name: str
    rows: int
    how: str  # rejected, merged, aside
    path: str = ""
    notes: tuple[Note, ...] = ()  # what kinds of rows they are


@dataclass(frozen=True)
class Reach:
    """One step of the river."""

    step: str
    into: int
    onward: int
    created: int
    leaving: tuple[Leaving, ...]
    changed: tuple[Note, ...] = ()  # what was done to rows that go on
    width: float = 0  # of what goes on, in hundredths of the drawing


def river(names: Sequence[str], reports: Mapping[str, Report]) -> list[Reach]:
    """The steps that rows flow through, in order, along the outputs that the next step takes.

    ``names`` are the steps in the order of the graph. Where the way divides, the river is the side that is
    worked on longest; the other leaves as set aside.
    """
    ordered = [Told(name, reports[name]) for name in names if name in reports]
    way = _longest_way([told for told in ordered if told.report.rows.in_ + told.report.rows.created > 0])
    following = [*(told.report for told in way[1:]), None]
    reaches = [_reach(told, next_) for told, next_ in zip(way, following, strict=False)]
    if len(reaches) < 2:
        return []
    widest = max(max(reach.into, reach.onward) for reach in reaches)
    return [_drawn(reach, widest) for reach in reaches]


def _longest_way(told: Sequence[Told]) -> list[Told]:
    """The longest chain in which each step works through rows that the one before wrote."""
    best: dict[int, list[Told]] = {}
    for index in range(len(told) - 1, -1, -1):
        following = [best[later] for later in range(index + 1, len(told))]
        best[index] = [told[index], *_onward(told[index].report, following)]
    return max(best.values(), key=len, default=[])


def _onward(report: Report, ways: Sequence[list[Told]]) -> list[Told]:
    """The longest of the ways that begin with an output of ``report``.

    None when the largest output goes nowhere: the run broke there, and a side stream must not pass for the river.
    """
    fed = {role: [way for way in ways if _feeds(report, role, way[0].report)] for role in report.rows.out}
    largest = max(fed, key=lambda role: report.rows.out[role], default="")
    return max((way for ways in fed.values() for way in ways), key=len) if fed.get(largest) else []


def _feeds(report: Report, role: str, later: Report) -> bool:
    """Whether the rows that ``later`` works through are the output ``role`` of ``report``."""
    written = report.outputs.get(role)
    if not written or report.rows.out[role] != later.rows.in_:
        return False
    return any(parent.digest == written.digest for parent in later.inputs)


def _reach(told: Told, following: Report | None) -> Reach:
    report = told.report
    out, rows = report.rows.out, report.rows
    main = _main_role(report, following)
    leaving = [Leaving(role, count, "aside") for role, count in out.items() if role != main and count]
    leaving += [Leaving("merged", rows.merged, "merged", notes=_notes(report, OF_ROWS))] if rows.merged else []
    leaving += [Leaving(reason, count, "rejected") for reason, count in rows.rejected.items() if count]
    return Reach(
        step=told.name,
        into=rows.in_ + rows.created,
        onward=out.get(main, 0),
        created=rows.created,
        leaving=tuple(_few(sorted(leaving, key=lambda left: (left.how != "aside", -left.rows, left.name)))),
        changed=() if rows.merged else _notes(report, (*OF_ROWS, *INSIDE_ROWS)),
    )


def _notes(report: Report, units: Sequence[str]) -> tuple[Note, ...]:
    """The figures that count rows or things in them, the most first."""
    counted = [Note(name, round(figure.value)) for name, figure in report.figures.items() if figure.unit in units]
    return tuple(sorted((note for note in counted if note.number), key=lambda note: (-note.number, note.name)))


def _main_role(report: Report, following: Report | None) -> str:
    """The output that the river goes on with: what the next step reads, at the end the largest."""
    read = {parent.digest for parent in following.inputs} if following else set()
    taken = [role for role in report.rows.out if role in report.outputs and report.outputs[role].digest in read]
    candidates = taken or list(report.rows.out)
    return max(candidates, key=lambda role: report.rows.out[role], default="")


def _few(leaving: list[Leaving]) -> list[Leaving]:
    """At most so many; the smallest are counted together."""
    if len(leaving) <= MOST_REASONS:
        return leaving
    shown, rest = leaving[: MOST_REASONS - 1], leaving[MOST_REASONS - 1 :]
    return [*shown, Leaving(f"for {len(rest)} other reasons", sum(left.rows for left in rest), "rejected")]


def _drawn(reach: Reach, widest: int) -> Reach:
    """With the shapes of what leaves; the drawing is 100 by 100 and is stretched to its place."""
    scale = RIVER / widest
    start, shapes = reach.onward * scale, []
    spread = 70 / max(1, len(reach.leaving))
    for place, left in enumerate(reach.leaving):
        end = start + max(left.rows * scale, 0.7)
        top = 22 + place * spread
        shapes.append(replace(left, path=_falls(start, end, top, min(spread - 3, max(4.0, end - start)))))
        start = end
    return replace(reach, leaving=tuple(shapes), width=reach.onward * scale)


def _falls(start: float, end: float, top: float, thick: float) -> str:
    """From the top of the drawing, between ``start`` and ``end``, out to the right."""
    low = top + thick
    return (
        f"M{start:.2f},0 C{start:.2f},{low:.1f} {start + 14:.2f},{low:.1f} 100,{low:.1f} L100,{top:.1f}"
        f" C{end + 12:.2f},{top:.1f} {end:.2f},{top:.1f} {end:.2f},0 Z"
    )
