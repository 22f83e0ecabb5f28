"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.core.errors import InvalidInput

if TYPE_CHECKING:
    from pipelines.backends.backend import Backend
    from pipelines.environment import Environment, LocalEnvironment

env = click.option("--env", "env", default="local", show_default=True, help="Environment: a name, or a file's path.")
assignments = click.option(
    "--set", "assignments", multiple=True, metavar="PATH=VALUE", help="Sets one value of the recipe; may be repeated."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Prints JSON, for scripts.")
recipe_path = click.argument("recipe", type=click.Path(path_type=Path))


def backend(name: str) -> tuple[Environment, Backend]:
    """The environment of that name, and what runs graphs there."""
    from pipelines.backends.backend import open_backend
    from pipelines.environment import load_environment

    environment = load_environment(name)
    return environment, open_backend(environment)


def local_environment(name: str) -> LocalEnvironment:
    """The environment of that name, for what happens on this machine alone."""
    from pipelines.environment import LocalEnvironment, load_environment

    environment = load_environment(name)
    if not isinstance(environment, LocalEnvironment):
        raise InvalidInput(
            f"--env {name}: is {environment.backend}, and this works on this machine alone; name a local environment"
        )
    return environment
