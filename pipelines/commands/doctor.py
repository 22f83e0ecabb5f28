"""Commands that say whether an environment is fit to be used."""

from __future__ import annotations

import json

import click

from pipelines.commands import options


@click.command(epilog="Example:  sluice smoke --env vertex")
@options.env
@options.as_json
def smoke(env: str, as_json: bool) -> int:
    """Submits the smallest graph, and looks at store, account, cache and log from inside."""
    from components.core.errors import ExitCode
    from pipelines import smoke as graph
    from pipelines.backends.ask import Ask
    from pipelines.follow import carry_out, tell

    environment, backend = options.backend(env)
    finished = carry_out(Ask("smoke", graph.recipe(), environment), as_json=as_json)
    tell(finished, environment, as_json=as_json)
    (run,) = finished.runs
    if finished.exit_code or graph.find_line(backend, finished.folder, run):
        return finished.exit_code
    click.echo(
        f"log: what {run.steps[0].name} printed is not found where logs are read; see that the account of the steps"
        " may write logs and that whoever asks may read them",
        err=True,
    )
    return int(ExitCode.FAILED)


@click.command(epilog="Example:  sluice doctor --env vertex")
@options.env
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=30.0, show_default=True, help="How long each check may take."
)
@options.as_json
def doctor(env: str, seconds: float, as_json: bool) -> int:
    """Looks at all that an environment rests on, and says how to mend what is missing. Exit 4: something is."""
    from components.core.errors import ExitCode
    from pipelines.doctor.check import examine, is_sound
    from pipelines.doctor.examine import checks
    from pipelines.environment import load_environment

    environment = load_environment(env)
    findings = []
    for finding in examine(checks(environment), seconds):
        findings.append(finding)
        if not as_json:
            click.echo(finding.line)
    if as_json:
        click.echo(json.dumps([vars(finding) for finding in findings], ensure_ascii=False))
    return int(ExitCode.DONE if is_sound(findings) else ExitCode.FAILED)
