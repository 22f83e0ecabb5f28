from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from components.core.run import Run, State, StepRun
from pipelines.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def a_run(state: State, *steps: StepRun) -> Run:
    facts = dict.fromkeys(("graph", "backend", "recipe", "recipe_digest", "environment", "environment_digest"), "x")
    return Run(run="lifecycle-x-1", spec="", now="", state=state, steps=steps, **facts)


DONE = StepRun(name="ingest", state=State.DONE, seconds=1.25, rows_in=2000, rows_out=1990, rejected=10)


def test_without_a_terminal_each_change_is_one_plain_line() -> None:
    out = io.StringIO()
    progress = Progress(out)
    for steps in ([StepRun(name="ingest")], [DONE], [DONE]):
        progress.show(a_run(State.RUNNING, *steps))
    progress.show(a_run(State.DONE, DONE))
    assert out.getvalue().splitlines() == [
        "lifecycle-x-1",
        "✓ ingest         done         1.2 s     2,000 → 1,990     10 rejected",
        "lifecycle-x-1  done",
    ]


def test_in_a_terminal_the_lines_are_drawn_over_and_a_running_step_shows_its_time() -> None:
    out = Terminal()
    progress = Progress(out)
    began = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    running = StepRun(name="finetune", state=State.RUNNING, started=began)
    progress.show(a_run(State.RUNNING, DONE, running))
    progress.show(a_run(State.RUNNING, DONE, running))
    assert out.getvalue().count("\x1b[3A") == 1
    assert "▸ finetune       running     30.0 s" in out.getvalue()
