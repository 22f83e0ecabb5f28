"""Starts a run, shows how far it is, and goes on with the runs that it asks for."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from components.core.errors import worst
from components.core.run import Run, State
from components.core.store import Store
from pipelines.backends.ask import Ask
from pipelines.backends.backend import Backend, open_backend
from pipelines.dispatched import last_asked, wait_for
from pipelines.dispatcher import dispatch
from pipelines.environment import Environment, LocalEnvironment, has_dispatcher
from pipelines.examine import score_lines
from pipelines.keys import prepare
from pipelines.notify import tell_of
from pipelines.page.load import write_page
from pipelines.prices import cost_of_all
from pipelines.progress import Progress
from pipelines.recipe import RecipeBase
from pipelines.runs import RunFolder
from pipelines.signers import check_signer
from pipelines.typed import typed


@dataclass(frozen=True)
class Finished:
    """A run that was followed to its end, and those that it asked for."""

    folder: RunFolder
    runs: tuple[Run, ...]
    followed: tuple[Path, ...] = ()

    @property
    def exit_code(self) -> int:
        """The worst of their exit codes."""
        return worst(run.exit_code for run in self.runs)


def carry_out(ask: Ask, *, follow_requests: bool = True, as_json: bool = False) -> Finished:
    """Runs what is asked, what that asks for, and so on to the end, and writes one page about all of it."""
    for line in prepare(ask.environment):
        click.echo(line, err=True)
    check_signer(ask.environment, ask.graph)
    backend = open_backend(ask.environment)
    first = backend.start(ask)
    return follow(
        backend, first, ask.recipe, ask.environment, follow_requests=follow_requests, asks=True, as_json=as_json
    )


def follow(
    backend: Backend,
    first: RunFolder,
    recipe: RecipeBase,
    environment: Environment,
    *,
    follow_requests: bool = True,
    asks: bool = False,
    as_json: bool = False,
) -> Finished:
    """Follows a run that was started, here or elsewhere, and what it asks for, and writes one page about all of it.

    ``asks`` says that what it asks for and was given up before is wanted again, of a dispatcher too.
    """
    folders, finished = [first], [watch(backend, first, environment, as_json)]
    if follow_requests:
        for run in finished:  # it grows: a retraining asks for a release in its turn
            for name in run.requests:
                folder = _started(name, recipe, environment, run.ended if asks else "")
                folders.append(folder)
                finished.append(watch(backend, folder, environment, as_json))
        backend.runs.point_latest(first)
    followed = tuple(folder.path for folder in folders[1:])
    if followed or first.page_is_stale:
        write_page(first.path, Store(environment.store), followed=followed)
    return Finished(first, tuple(finished), followed)


def _started(request: str, recipe: RecipeBase, environment: Environment, asked: str) -> RunFolder:
    """The run of a request: a dispatcher starts it, or we do."""
    if has_dispatcher(environment):
        return wait_for(last_asked(request, environment, asked), environment)
    return dispatch(request, recipe, environment)


def go_on(request: str, recipe: RecipeBase, environment: Environment, *, as_json: bool = False) -> Finished:
    """Carries out a request that people made, and follows the run."""
    folder = dispatch(request, recipe, environment)
    run = watch(open_backend(environment), folder, environment, as_json)
    if folder.page_is_stale:
        write_page(folder.path, Store(environment.store))
    return Finished(folder, (run,))


def tell(finished: Finished, environment: Environment, *, as_json: bool = False) -> None:
    """Says what came of it: the scores, what went wrong and how to look closer, and where the page is."""
    if as_json:
        click.echo(json.dumps([run.model_dump(mode="json") for run in finished.runs], ensure_ascii=False))
        return
    for run in finished.runs:
        for line in score_lines(run, Store(environment.store)):
            click.echo(line)
        if run.outcome:
            said = run.outcome if run.outcome.lower().startswith(run.state) else f"{run.state}: {run.outcome}"
            click.echo(f"\n{said}")
        if run.state is State.HELD and run.graph == "release":
            click.echo(f"  to say yes:  {typed(f'approve {run.run} --as NAME --reason TEXT', environment.name)}")
        if run.error:
            click.echo(f"{run.run}: {run.error}", err=True)
            broken = next((step.name for step in run.steps if step.error), None)
            if broken:
                click.echo(f"  what it printed:  {typed(f'logs {run.run} {broken}', environment.name)}", err=True)
    if cost := cost_of_all(finished.runs):
        click.echo(f"estimated cost: {cost}")
    click.echo(f"page: {finished.folder.page}")


def watch(backend: Backend, folder: RunFolder, environment: Environment, as_json: bool) -> Run:
    """Shows a run until its end, and notifies whom it concerns.

    Ctrl-C ends a run on this machine cleanly, and leaves one elsewhere at work; it says how to go on.
    """
    progress = Progress(sys.stderr if as_json else sys.stdout)
    try:
        for run in backend.follow(folder):
            progress.show(run)
    except KeyboardInterrupt:
        if isinstance(environment, LocalEnvironment):
            click.echo(f"\nending {folder.run} …", err=True)
            ended = backend.cancel(folder)
            click.echo(f"{ended.run}: {ended.state}. Run the same command again: what is done is reused.", err=True)
        else:
            again, end = (typed(f"{does} {folder.run}", environment.name) for does in ("status --follow", "cancel"))
            click.echo(f"\n{folder.run} goes on; from any machine `{again}` follows it, `{end}` ends it", err=True)
        raise
    tell_of(run, environment)
    return run
