"""Commands that say whether an environment is fit to be used."""

from __future__ import annotations

import click

from pipelines.commands import options


@click.command(epilog="Example:  sluice smoke --env vertex")
@options.env
@options.as_json
def smoke(env: str, as_json: bool) -> int:
    """Submits the smallest graph, and looks at store, account, cache and log from inside."""
    from components.core.errors import ExitCode
    from components.core.store import Store
    from pipelines import smoke as graph
    from pipelines.backends.ask import Ask
    from pipelines.follow import carry_out, tell

    environment, backend = options.backend(env)
    finished = carry_out(Ask("smoke", graph.recipe(), environment), as_json=as_json)
    tell(finished, Store(environment.store), as_json=as_json)
    (run,) = finished.runs
    if finished.exit_code or graph.find_line(backend, finished.folder, run):
        return finished.exit_code
    click.echo(
        f"log: what {run.steps[0].name} printed is not found where logs are read; see that the account of the steps"
        " may write logs and that whoever asks may read them",
        err=True,
    )
    return int(ExitCode.FAILED)
