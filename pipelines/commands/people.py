"""Commands by which people say yes or no to what a gate has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from components.core.errors import ExitCode
from pipelines.commands import options

if TYPE_CHECKING:
    from components.core.decision import Verdict
    from pipelines.environment import Environment
    from pipelines.people import Said
    from pipelines.recipe import RecipeBase

as_whom = click.option("--as", "name", required=True, metavar="NAME", help="Who speaks, by the name of the key.")
reason = click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the audit.")


@click.command(epilog="Example:  sluice approve latest --as anna --reason 'read the lost questions'")
@click.argument("run")
@as_whom
@reason
@options.env
@options.as_json
def approve(run: str, name: str, reason: str, env: str, as_json: bool) -> int:
    """Approves what a held run waits for; when enough have, the release goes on, started here or by the dispatcher."""
    from components.core.decision import Verdict

    return _speak(run, name, Verdict.PASS, reason, env, as_json)


@click.command(epilog="Example:  sluice refuse latest --as anna --reason 'the slice network got worse'")
@click.argument("run")
@as_whom
@reason
@options.env
@options.as_json
def refuse(run: str, name: str, reason: str, env: str, as_json: bool) -> int:
    """Refuses what a held run waits for; one refusal is enough."""
    from components.core.decision import Verdict

    return _speak(run, name, Verdict.REFUSE, reason, env, as_json)


def _speak(run: str, name: str, verdict: Verdict, reason: str, env: str, as_json: bool) -> int:
    from components.release.decide.settings import Decide
    from pipelines.environment import has_dispatcher
    from pipelines.examine import begun, held_run
    from pipelines.follow import go_on, tell
    from pipelines.people import speak
    from pipelines.recipe import recipe_from

    environment, backend = options.backend(env)
    folder = held_run(backend.runs, backend.find(run))
    recipe = recipe_from(folder.launch().recipe)
    said = speak(
        begun(folder),
        Decide.decode(recipe.settings("decide").encode()),
        environment,
        name=name,
        verdict=verdict,
        reason=reason,
    )
    if not said.request:
        spoken = " and ".join(said.names)
        click.echo(f"{folder.run}: {spoken} approved; {said.missing} more approval is waited for", err=as_json)
        return int(ExitCode.REFUSED)
    if has_dispatcher(environment):
        _tell_what_is_to_be(folder.run, said, recipe, environment, as_json)
        return 0
    finished = go_on(said.request, recipe, environment, as_json=as_json)
    tell(finished, environment, as_json=as_json)
    return finished.exit_code


def _tell_what_is_to_be(run: str, said: Said, recipe: RecipeBase, environment: Environment, as_json: bool) -> None:
    """Says which run the dispatcher makes of people's word, or has made of it. Raises Refused where it refused."""
    from datetime import UTC, datetime

    from components.core.store import Store
    from pipelines.dispatched import last_asked, made_of, run_of
    from pipelines.dispatcher import run_to_be
    from pipelines.typed import typed

    asked = last_asked(said.request, environment, datetime.now(UTC).isoformat())
    made = made_of(Store(environment.store), asked.name, asked.after)
    there = run_of(made) if made else run_to_be(asked.name, recipe, environment, asked.attempt)
    follow = typed(f"status {there} --follow", environment.name)
    spoke = f"{run}: {said.decision.signer} said {said.decision.verdict}"
    starts, when = ("has started", "") if made else ("starts", ", in a minute")
    click.echo(f"{spoke}; the dispatcher {starts} {there}\n  to follow it{when}:  {follow}", err=as_json)
