"""Commands that make something new to start from."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(epilog="Example:  sluice init my-project")
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Makes a project that runs as it is: a recipe, an environment, made-up data."""
    from pipelines.scaffold import new_project

    for path in new_project(folder):
        click.echo(path)
    click.echo(f"next:  cd {folder} && sluice run recipe.yaml")


@click.group(epilog="Example:  sluice new step data shorten")
def new() -> None:
    """Makes a part of Sluice from a skeleton."""


@new.command(epilog="Example:  sluice new step data shorten")
@click.argument("stage")
@click.argument("name")
@click.option("--new-stage", is_flag=True, help="Also makes the stage.")
def step(stage: str, name: str, new_stage: bool) -> None:
    """Makes the folder of a step: settings, method, face, test, reference; green at once."""
    from pipelines.reference import generate
    from pipelines.scaffold import new_step

    for path in [*new_step(stage, name, new_stage=new_stage), *generate()]:
        click.echo(path)
    click.echo(f"next:  write components/{stage}/{name}/method.py, and place the step in a graph")
