"""How far a run is, for a person: redrawn in a terminal, a plain line at each change elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from components.core.run import Run, State, StepRun

SIGNS = {
    State.PENDING: "·",
    State.RUNNING: "▸",
    State.DONE: "✓",
    State.HELD: "…",
    State.REFUSED: "✗",
    State.FAILED: "✗",
    State.SKIPPED: "–",
    State.CANCELLED: "■",
}


class Progress:
    """Shows a run's record as it changes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._drawn = 0
        self._told: dict[str, State] = {}

    def show(self, run: Run) -> None:
        """Shows what has changed."""
        if self._terminal:
            self._redraw(run)
        else:
            self._tell(run)

    def _redraw(self, run: Run) -> None:
        lines = [f"{run.run}  {run.state}", *(step_line(_so_far(step)) for step in run.steps)]
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A")
        self._out.write("".join(f"\x1b[2K{line}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)

    def _tell(self, run: Run) -> None:
        if not self._told:
            self._out.write(f"{run.run}\n")
            self._told[""] = run.state
        for step in run.steps:
            if step.state is not State.PENDING and self._told.get(step.name) is not step.state:
                self._told[step.name] = step.state
                if step.state is not State.RUNNING:
                    self._out.write(f"{step_line(step)}\n")
        if run.state.final:
            self._out.write(f"{run.run}  {run.state}\n")
        self._out.flush()


def _so_far(step: StepRun) -> StepRun:
    """A running step with the seconds that it has taken until now."""
    if step.state is not State.RUNNING:
        return step
    taken = datetime.now(UTC) - datetime.fromisoformat(step.started)
    return step.model_copy(update={"seconds": max(taken.total_seconds(), 0)})


def step_line(step: StepRun) -> str:
    """A step in one line: sign, name, state, time, rows in and out."""
    state = "cached" if step.cached else str(step.state)
    time = f"{step.seconds:6.1f} s" if step.seconds else " " * 8
    rows = ""
    if step.rows_in:
        rows = f"  {step.rows_in:>8,} → {step.rows_out or 0:<8,}"
        rows += f"  {step.rejected:,} rejected" if step.rejected else ""
        rows += f"  {step.merged:,} merged" if step.merged else ""
    return f"{SIGNS[step.state]} {step.name:<14} {state:<9} {time}{rows}".rstrip()
