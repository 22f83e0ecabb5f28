"""The river of rows: what goes into each data step, what goes on, and what is left out for which reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

from components.core.report import Report

MOST_REASONS = 6
RIVER = 66.0
"""Width of the river at its widest, in hundredths of the drawing; the rest is for what leaves it."""
MOUTH = 24.0
"""Down to where rows that join are drawn, in hundredths of a reach: what leaves it leaves below."""
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
class Joining:
    """Rows that join the river from outside the run, such as what users corrected."""

    name: str
    rows: int
    path: str = ""
    notes: tuple[Note, ...] = ()  # what became of them


@dataclass(frozen=True)
class Reach:
    """One step of the river."""

    step: str
    into: int
    onward: int
    created: int
    leaving: tuple[Leaving, ...]
    changed: tuple[Note, ...] = ()  # what was done to rows that go on
    joining: Joining | None = None
    width: float = 0  # of what goes on, in hundredths of the drawing
    water: str = ""


def river(names: Sequence[str], reports: Mapping[str, Report]) -> list[Reach]:
    """The steps that rows flow through, in order, along the outputs that the next step takes.

    ``names`` are the steps in the order of the graph. Where the way divides, the river is the side that is
    worked on longest; the other leaves as set aside. What a step reads from outside the run joins it.
    """
    ordered = [Told(name, reports[name]) for name in names if name in reports]
    written = {output.digest for told in ordered for output in told.report.outputs.values()}
    working = [told for told in ordered if told.report.rows.in_ + told.report.rows.created > 0]
    way = _longest_way(working, written)
    if len(way) < 2:
        return []
    before, following = [None, *(told.report for told in way)], [*(told.report for told in way[1:]), None]
    reaches = [
        _reach(told, next_, _joining(told.report, early, written))
        for told, early, next_ in zip(way, before, following, strict=False)
    ]
    widest = max(max(reach.into, reach.onward) for reach in reaches)
    return [_drawn(reach, widest) for reach in reaches]


def _longest_way(told: Sequence[Told], written: Set[str]) -> list[Told]:
    """The longest chain in which each step works through rows that the one before wrote."""
    best: dict[int, list[Told]] = {}
    for index in range(len(told) - 1, -1, -1):
        following = [best[later] for later in range(index + 1, len(told))]
        best[index] = [told[index], *_onward(told[index].report, following, written)]
    return max(best.values(), key=len, default=[])


def _onward(report: Report, ways: Sequence[list[Told]], written: Set[str]) -> list[Told]:
    """The longest of the ways that begin with an output of ``report``.

    None when the largest output goes nowhere: the run broke there, and a side stream must not pass for the river.
    """
    fed = {role: [way for way in ways if _feeds(report, role, way[0].report, written)] for role in report.rows.out}
    largest = max(fed, key=lambda role: report.rows.out[role], default="")
    return max((way for ways in fed.values() for way in ways), key=len) if fed.get(largest) else []


def _feeds(report: Report, role: str, later: Report, written: Set[str]) -> bool:
    """Whether the rows that ``later`` works through are the output ``role`` of ``report``.

    Where they are more, the rest must be able to come from somewhere: ``written`` is what the steps of this run wrote.
    """
    output, rows = report.outputs.get(role), report.rows.out[role]
    if not output or not any(parent.digest == output.digest for parent in later.inputs):
        return False
    return rows == later.rows.in_ or bool(rows < later.rows.in_ and _from_outside(later, written))


def _from_outside(report: Report, written: Set[str]) -> list[str]:
    """The inputs of a step that no step of this run wrote, by role."""
    return [parent.role for parent in report.inputs if parent.digest not in written]


def _joining(report: Report, before: Report | None, written: Set[str]) -> Joining | None:
    """What a step works through beside what the step before it wrote."""
    rows = report.rows.in_ - before.rows.out[_main_role(before, report)] if before else 0
    return Joining(" and ".join(_from_outside(report, written)), rows, notes=_notes(report, OF_ROWS)) if rows else None


def _reach(told: Told, following: Report | None, joining: Joining | None) -> Reach:
    report = told.report
    out, rows = report.rows.out, report.rows
    main = _main_role(report, following)
    merged = () if joining else _notes(report, OF_ROWS)
    leaving = [Leaving(role, count, "aside") for role, count in out.items() if role != main and count]
    leaving += [Leaving("merged", rows.merged, "merged", notes=merged)] if rows.merged else []
    leaving += [Leaving(reason, count, "rejected") for reason, count in rows.rejected.items() if count]
    return Reach(
        step=told.name,
        into=rows.in_ + rows.created,
        onward=out.get(main, 0),
        created=rows.created,
        leaving=tuple(_few(sorted(leaving, key=lambda left: (left.how != "aside", -left.rows, left.name)))),
        changed=() if rows.merged or joining else _notes(report, (*OF_ROWS, *INSIDE_ROWS)),
        joining=joining,
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
    """With the shapes of the river, of what joins and of what leaves; the drawing is stretched from 100 by 100."""
    scale = RIVER / widest
    width, mouth = reach.onward * scale, MOUTH if reach.joining else 0.0
    start, shapes = width, []
    spread = (70 - mouth) / max(1, len(reach.leaving))
    for place, left in enumerate(reach.leaving):
        end = start + max(left.rows * scale, 0.7)
        top = mouth + 22 + place * spread
        shapes.append(replace(left, path=_falls(start, end, mouth, top, min(spread - 3, max(4.0, end - start)))))
        start = end
    drawn = replace(reach, leaving=tuple(shapes), width=width, water=f"M0,0 H{max(width, 0.8):.2f} V100 H0 Z")
    if not reach.joining:
        return drawn
    came, whole = (reach.into - reach.joining.rows) * scale, reach.into * scale
    # The river that comes in from above is narrower; what joins runs into it from the right, above what leaves.
    water = f"M0,0 H{came:.2f} V{mouth:g} H{max(width, 0.8):.2f} V100 H0 Z"
    return replace(drawn, water=water, joining=replace(reach.joining, path=_falls(came, whole, mouth, 0, 8)))


def _falls(start: float, end: float, at: float, top: float, thick: float) -> str:
    """Between ``start`` and ``end`` at a height of the drawing and, ``thick`` from ``top``, at its right edge."""
    low = top + thick
    near, far = (low, top) if top >= at else (top, low)  # of the two ends at the right, the one that ``start`` goes to
    return (
        f"M{start:.2f},{at:g} C{start:.2f},{near:.1f} {start + 14:.2f},{near:.1f} 100,{near:.1f} L100,{far:.1f}"
        f" C{end + 12:.2f},{far:.1f} {end:.2f},{far:.1f} {end:.2f},{at:g} Z"
    )
