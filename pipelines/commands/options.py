"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.core.errors import InvalidInput

if TYPE_CHECKING:
    from pipelines.environment import LocalEnvironment
    from pipelines.runs import Runs

env = click.option("--env", "env", default="local", show_default=True, help="Environment: a name, or a file's path.")
assignments = click.option(
    "--set", "assignments", multiple=True, metavar="PATH=VALUE", help="Sets one value of the recipe; may be repeated."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Prints JSON, for scripts.")
recipe_path = click.argument("recipe", type=click.Path(path_type=Path))


def local_environment(name: str) -> LocalEnvironment:
    """The local environment of that name; other backends keep their runs elsewhere."""
    from pipelines.environment import LocalEnvironment, load_environment

    environment = load_environment(name)
    if not isinstance(environment, LocalEnvironment):
        raise InvalidInput(
            f"--env {name}: graphs compile for {environment.backend}, and are not yet submitted from here;"
            " `sluice compile` writes them"
        )
    return environment


def local_runs(name: str) -> Runs:
    """The runs that the environment keeps a record of."""
    from pipelines.runs import Runs

    return Runs(Path(local_environment(name).runs))
