"""Starts a run, shows how far it is, and goes on with the runs that it asks for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from components.core.errors import ExitCode
from components.core.run import Run
from components.core.store import Store
from pipelines.backends.local_run import Ask, cancel, follow, start
from pipelines.dispatcher import dispatch
from pipelines.page.load import write_page
from pipelines.progress import Progress
from pipelines.runs import RunFolder, Runs

WORST = (ExitCode.DONE, ExitCode.REFUSED, ExitCode.CONFLICT, ExitCode.INVALID_INPUT, ExitCode.FAILED)
"""Exit codes from the best to the worst."""


def run_and_follow(ask: Ask, *, follow_requests: bool, as_json: bool = False) -> int:
    """Runs what is asked, and what that asks for. Returns the worst exit code of them all."""
    first = start(ask)
    folders, finished = [first], [_watch(first, as_json)]
    if follow_requests:
        for name in finished[0].requests:
            folder = dispatch(name, ask.recipe, ask.environment)
            folders.append(folder)
            finished.append(_watch(folder, as_json))
        Runs(Path(ask.environment.runs)).point_latest(first)
        write_page(first.path, Store(ask.environment.store), followed=[folder.path for folder in folders[1:]])
    _tell(finished, first, as_json)
    return worst([run.exit_code for run in finished])


def worst(codes: list[int]) -> int:
    """The worst of some exit codes."""
    order = [int(code) for code in WORST]
    return max(codes, key=lambda code: order.index(code) if code in order else len(order))


def _watch(folder: RunFolder, as_json: bool) -> Run:
    """Shows a run until its end; Ctrl-C ends it cleanly and says how to go on."""
    progress = Progress(sys.stderr if as_json else sys.stdout)
    run: Run | None = None
    try:
        for run in follow(folder):
            progress.show(run)
    except KeyboardInterrupt:
        progress.end()
        click.echo(f"ending {folder.run} …", err=True)
        run = cancel(folder)
        click.echo(f"{run.run}: {run.state}. Run the same command again: what is done is reused.", err=True)
        sys.exit(130)
    progress.end()
    assert run is not None  # follow yields at least the final record
    return run


def _tell(finished: list[Run], first: RunFolder, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([run.model_dump(mode="json") for run in finished]))
        return
    for run in finished:
        if run.error:
            click.echo(f"{run.run}: {run.error}", err=True)
            broken = next((step.name for step in run.steps if step.error), None)
            if broken:
                click.echo(f"  what it printed:  sluice logs {run.run} {broken}", err=True)
    click.echo(f"page: {first.page}")
