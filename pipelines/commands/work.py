"""Commands that do something: check, compile, run, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands import options

if TYPE_CHECKING:
    from pipelines.backends.ask import Ask
    from pipelines.recipe import RecipeBase


ELSEWHERE = {"probe", "benchmark", "incumbent", "gate", "decide", "card", "transition"} | {
    "observe", "describe", "drift", "retraining", "ask"
}  # fmt: skip
"""Steps of the other graphs: a lifecycle cannot begin with one."""


@click.command(epilog="Example:  sluice lint recipe.yaml --env vertex")
@options.recipe_path
@options.env
@options.assignments
def lint(recipe: Path, env: str, assignments: tuple[str, ...]) -> None:
    """Checks a recipe for an environment, and says all that is wrong with it."""
    from pipelines.compile import compile_graphs
    from pipelines.environment import load_environment
    from pipelines.recipe import load_recipe

    loaded, environment = load_recipe(recipe, assignments), load_environment(env)
    compile_graphs(loaded, environment)
    click.echo(f"{recipe}: nothing to complain about for {environment.name} ({environment.backend})")


@click.command("compile", epilog="Example:  sluice compile --all --env vertex --out build")
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@options.env
@options.assignments
@click.option("--out", type=click.Path(path_type=Path), default=Path("build"), show_default=True, help="Folder.")
@click.option(
    "--all", "every", is_flag=True, help="Every recipe*.yaml here; where there is none, every recipe that is shipped."
)
@click.option("--components", "alone", is_flag=True, help="Also each component alone, for other people's pipelines.")
def compile_(recipe: Path | None, env: str, assignments: tuple[str, ...], out: Path, every: bool, alone: bool) -> None:
    """Compiles the graphs of a recipe for an environment; equal inputs give equal bytes."""
    from components.core.errors import InvalidInput
    from pipelines.compile import compile_components, compile_graphs
    from pipelines.environment import load_environment
    from pipelines.recipe import load_recipe, of_project, shipped

    environment = load_environment(env)
    if bool(recipe) == every:
        raise InvalidInput("compile: name a recipe, or --all for those of this project; one of both")
    recipes: dict[str, RecipeBase] = {}
    for path in [recipe] if recipe else of_project() or shipped():
        loaded = load_recipe(path, assignments)
        if loaded.name in recipes:
            raise InvalidInput(f"{path}: name: another recipe here is named {loaded.name} too; change one of them")
        recipes[loaded.name] = loaded
    for loaded in recipes.values():
        for compiled in compile_graphs(loaded, environment).values():
            _write(out / loaded.name / compiled.file_name, compiled.text)
    if alone:
        for name, text in compile_components(environment):
            _write(out / "components" / environment.backend / name, text)


@click.command(epilog="Example:  sluice run recipe.yaml --set train.0.finetune.learning_rate=3e-4")
@options.recipe_path
@options.env
@options.assignments
@click.option("--from", "start_from", default="", metavar="STEP", help="Does this step, and what follows, again.")
@click.option("--no-cache", is_flag=True, help="Does every step again.")
@click.option("--follow/--no-follow", default=True, help="Also follow the runs that this one asks for.")
@click.option("--now", default="", metavar="TIME", help="The run's moment, ISO 8601 (default: now).")
@options.as_json
def run(
    recipe: Path,
    env: str,
    assignments: tuple[str, ...],
    start_from: str,
    no_cache: bool,
    follow: bool,
    now: str,
    as_json: bool,
) -> int:
    """Runs a recipe's lifecycle, and the release that it asks for. What is done already is not done again."""
    from pipelines.backends.ask import Ask
    from pipelines.environment import load_environment
    from pipelines.recipe import load_recipe

    loaded = load_recipe(recipe, assignments)
    environment = load_environment(env)
    _check_step(start_from, loaded)
    ask = Ask("lifecycle", loaded, environment, now=now, start_from=start_from, use_cache=not no_cache)
    return _carry_out(ask, follow, as_json)


@click.command(epilog="Example:  sluice monitor recipe.yaml")
@options.recipe_path
@options.env
@options.assignments
@click.option("--follow/--no-follow", default=True, help="Also follow the runs that this one asks for.")
@click.option("--now", default="", metavar="TIME", help="The window's end, ISO 8601 (default: now).")
@options.as_json
def monitor(recipe: Path, env: str, assignments: tuple[str, ...], follow: bool, now: str, as_json: bool) -> int:
    """Looks at what the request log gained since the last time, and retrains if that is due. Exit 3: an alert."""
    from pipelines.backends.ask import Ask
    from pipelines.environment import LocalEnvironment, load_environment
    from pipelines.recipe import load_recipe
    from pipelines.unsealed import unsealed

    environment, loaded = load_environment(env), load_recipe(recipe, assignments)
    _check_has_come(now)
    if isinstance(environment, LocalEnvironment) and (told := unsealed(environment, loaded.served_at)):
        click.echo(told, err=True)
    return _carry_out(Ask("monitoring", loaded, environment, now=now), follow, as_json)


@click.command(epilog="Example:  sluice cancel latest")
@click.argument("run")
@options.env
def cancel(run: str, env: str) -> int:
    """Ends a run and all that it started; what is done stays done."""
    _, backend = options.backend(env)
    ended = backend.cancel(backend.find(run))
    click.echo(f"{ended.run}: {ended.state}; start it again and what is done is reused")
    return 0


@click.command(epilog="Example:  sluice demo --act 3")
@click.option("--act", type=click.IntRange(1, 4), default=None, help="One act of four; all where it is not given.")
def demo(act: int | None) -> int:
    """The whole loop on this machine: a model serves, a bad one is refused, the world changes, the proof."""
    from pipelines.demo.show import show

    return show(act or 0)


def _carry_out(ask: Ask, follow: bool, as_json: bool) -> int:
    """Runs what is asked, tells what came of it, and returns the exit code."""
    from components.core.moment import parse_moment
    from pipelines.follow import carry_out, tell

    if ask.now:
        parse_moment(ask.now)
    finished = carry_out(ask, follow_requests=follow, as_json=as_json)
    tell(finished, ask.environment, as_json=as_json)
    return finished.exit_code


def _check_has_come(now: str) -> None:
    """Raises InvalidInput for a window that ends in the future: no later one would know what it took."""
    from datetime import UTC, datetime

    from components.core.errors import InvalidInput
    from components.core.moment import parse_moment

    if now and parse_moment(now) > datetime.now(UTC):
        raise InvalidInput(f"--now {now}: has not come yet, so its window would not be whole; leave --now out")


def _check_step(name: str, recipe: RecipeBase) -> None:
    """Raises InvalidInput, naming the nearest, for a step that the lifecycle does not have."""
    from components.core.errors import InvalidInput
    from pipelines import catalogue
    from pipelines.located_yaml import nearest

    known = {*catalogue.steps(), *(stage.name for stage in recipe.train)} - ELSEWHERE
    if name and name not in known:
        raise InvalidInput(f"--from {name}: the lifecycle has no such step; {nearest(name, known)}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    click.echo(path)
