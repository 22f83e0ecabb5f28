"""Commands that look at runs and change nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pipelines.commands import options

if TYPE_CHECKING:
    from pipelines.backends.backend import Backend
    from pipelines.environment import Environment
    from pipelines.runs import RunFolder


@click.command(epilog="Example:  sluice runs --json")
@options.env
@options.as_json
def runs(env: str, as_json: bool) -> None:
    """Lists an environment's runs, the newest first."""
    from collections import Counter

    from components.core.errors import InvalidInput
    from pipelines.environment import is_known
    from pipelines.typed import typed

    environment, backend = options.backend(env)
    backend.fetch()
    everywhere = list(backend.runs.records())
    records = [(folder, run) for folder, run in everywhere if backend.runs.has(folder)]
    found = [run for _, run in records if not isinstance(run, InvalidInput)]
    for folder, error in records:
        if isinstance(error, InvalidInput):
            click.echo(f"{folder.run}: {error}", err=True)
    if as_json:
        click.echo(json.dumps([run.model_dump(mode="json", exclude={"steps"}) for run in found]))
        return
    for run in found:
        click.echo(
            f"{run.run:<44} {run.state:<10} {run.started[:19]}  {run.error.splitlines()[0] if run.error else ''}"
        )
    if not records:
        click.echo(f"no runs yet; start one with `{typed('run RECIPE', environment.name)}`")
    elsewhere = Counter(folder.launch().environment["name"] for folder, _ in everywhere if not backend.runs.has(folder))
    for name, count in sorted(elsewhere.items()):
        lists = f": `sluice runs --env {name}`" if is_known(name) else ""  # its file may be called otherwise
        click.echo(f"{count} more of the environment {name}{lists}", err=True)


@click.command(epilog="Example:  sluice status latest")
@click.argument("run")
@options.env
@click.option("--follow", "follows", is_flag=True, help="Until its end, and what it asks for, wherever it was started.")
@options.as_json
def status(run: str, env: str, follows: bool, as_json: bool) -> int:
    """Shows how far a run is, and those that it asked for; its exit code is the worst (with --json, the run's)."""
    from components.core.errors import InvalidInput, worst
    from pipelines.examine import requested
    from pipelines.prices import cost_of_all
    from pipelines.progress import step_line

    environment, backend = options.backend(env)
    folder = backend.find(run)
    if follows:
        return _follow(environment, backend, folder, as_json)
    found = folder.read()
    if found is None:
        raise InvalidInput(f"run {folder.run}: has not begun; look again in a moment")
    if as_json:
        click.echo(found.to_bytes().decode())
        return found.exit_code
    click.echo(f"{found.run}  {found.state}")
    for step in found.steps:
        click.echo(step_line(step))
    for line in (found.error, found.outcome):
        if line:
            click.echo(line)
    asked_for = requested(backend.runs, found)
    if cost := cost_of_all([found, *asked_for]):
        click.echo(f"estimated cost: {cost}")
    for other in asked_for:
        click.echo(f"{other.run}  {other.state}" + (f"  {other.outcome}" if other.outcome else ""))
    return worst(one.exit_code for one in (found, *asked_for))


def _follow(environment: Environment, backend: Backend, folder: RunFolder, as_json: bool) -> int:
    from pipelines.follow import follow, tell
    from pipelines.recipe import recipe_from

    finished = follow(backend, folder, recipe_from(folder.launch().recipe), environment, as_json=as_json)
    tell(finished, environment, as_json=as_json)
    return finished.exit_code


@click.command(epilog="Example:  sluice logs latest finetune")
@click.argument("run")
@click.argument("step")
@options.env
@click.option("--all", "everything", is_flag=True, help="Also what KFP prints about itself.")
def logs(run: str, step: str, env: str, everything: bool) -> None:
    """Prints what a step of a run printed."""
    from pipelines.examine import said_by, step_of

    _, backend = options.backend(env)
    folder, record = step_of(backend.runs, backend.find(run), step)
    if record.cached:
        click.echo(f"{step}: answered from the cache; it printed nothing in this run", err=True)
    elif text := backend.log(folder, step):
        click.echo(text if everything else said_by(text), nl=False)
    else:
        click.echo(f"{step}: {record.state}; it has printed nothing", err=True)


@click.command(epilog="Example:  sluice report latest --rejects curate")
@click.argument("run", default="latest")
@click.option("--rejects", "step", default="", metavar="STEP", help="The rows that a step left out, and why.")
@options.env
@options.as_json
def report(run: str, step: str, env: str, as_json: bool) -> None:
    """Prints where a run's page is, or looks at the rows that a step left out."""
    from components.core.store import Store
    from pipelines.examine import followed, rejects
    from pipelines.page.load import write_page

    environment, backend = options.backend(env)
    folder = backend.find(run)
    if not step:
        if found := folder.read():
            others = followed(backend.runs, found)
            if any(one.has_gone_on_since(folder.page) for one in (folder, *others)):
                write_page(folder.path, Store(environment.store), followed=tuple(one.path for one in others))
        click.echo(folder.page)
        return
    rows, left_out = rejects(backend.runs, folder, step, Store(environment.store))
    for row in left_out:
        click.echo(json.dumps(row, ensure_ascii=False) if as_json else _reject_lines(row))
    if not rows.rejected:
        click.echo(f"{step}: rejected nothing ({rows.sentence()})", err=True)


def _reject_lines(row: dict[str, str]) -> str:
    """A rejected row for a person: the reason, the text, then the rest."""
    content = json.loads(row["row"])
    text = content.pop("text", None) if isinstance(content, dict) else None
    shown = [f"{row['reason']}  {row['id']}" + (f"  ({row['detail']})" if row["detail"] else "")]
    shown += [f"    {text[:300]}"] if isinstance(text, str) else []
    rest = json.dumps(content, ensure_ascii=False)
    return "\n".join([*shown, f"    {rest[:200]}"])


@click.command(epilog="Example:  sluice compare lifecycle-helpdesk-3f latest")
@click.argument("first")
@click.argument("second")
@options.env
@options.as_json
def compare(first: str, second: str, env: str, as_json: bool) -> None:
    """Puts two runs side by side: settings, data and scores that differ."""
    from components.core.store import Store
    from pipelines.examine import differences

    environment, backend = options.backend(env)
    left, right = backend.find(first), backend.find(second)
    found = differences(backend.runs, left, right, Store(environment.store))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    click.echo(f"{left.run}  |  {right.run}")
    for part, rows in found.items():
        click.echo(f"{part}:" if rows else f"{part}: the same")
        width = max((len(name) for name in rows), default=0)
        for name, (here, there) in rows.items():
            click.echo(f"  {name:<{width}}  {here}  |  {there}")


@click.command(epilog="Example:  sluice why latest tokenise")
@click.argument("run")
@click.argument("step")
@options.env
@options.as_json
def why(run: str, step: str, env: str, as_json: bool) -> None:
    """Says why a step ran and was not answered from the cache: which input, setting or code changed."""
    from pipelines.examine import why_it_ran

    _, backend = options.backend(env)
    lines = why_it_ran(backend.runs, backend.find(run), step)
    click.echo(json.dumps(lines, ensure_ascii=False) if as_json else "\n".join(lines))
