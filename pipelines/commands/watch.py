"""Commands that go on by themselves."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.core.errors import InvalidInput
from pipelines.commands import options
from pipelines.commands.foreground import until_stopped

if TYPE_CHECKING:
    from pipelines.backends.service import ScheduleState, Service
    from pipelines.environment import LocalEnvironment
    from pipelines.recipe import RecipeBase


@click.command(epilog="Example:  sluice schedule recipe.yaml --every '0 3 * * 1'")
@options.recipe_path
@click.option("--every", required=True, metavar="TIME", help="Five fields of cron: '0 3 * * 1'; here also 7d, 1h, 30m.")
@options.env
@options.assignments
@click.option(
    "--graph",
    type=click.Choice(["monitoring", "lifecycle"]),
    default="monitoring",
    show_default=True,
    help="What runs.",
)
@click.option("--zone", default="UTC", show_default=True, help="Time zone of the fields; on Vertex AI any.")
@click.option("--catch-up", is_flag=True, help="On a service: what was missed while paused is run afterwards.")
def schedule(
    recipe: Path, every: str, env: str, assignments: tuple[str, ...], graph: str, zone: str, catch_up: bool
) -> int:
    """Runs monitoring again and again, and what it asks for.

    Here it goes on until Ctrl-C, and what was missed meanwhile is run once: Ctrl-C and SIGTERM are how it ends, with
    exit code 0; a run at work is ended too, and gone on with next time. On Vertex AI and Kubeflow the service keeps the
    schedule, never runs two at once, and the same command changes it; `sluice dispatch` starts what runs ask for.
    """
    from pipelines.environment import LocalEnvironment, load_environment
    from pipelines.recipe import load_recipe

    environment, loaded = load_environment(env), load_recipe(recipe, assignments)
    if not isinstance(environment, LocalEnvironment):
        from pipelines.backends.cloud_schedule import keep
        from pipelines.backends.service import open_service
        from pipelines.signers import check_signer

        check_signer(environment, graph)
        service = open_service(environment)
        click.echo(_line(keep(environment, service, loaded, graph, cron=every, zone=zone, catch_up=catch_up)))
        return 0
    if zone != "UTC" or catch_up:
        raise InvalidInput("schedule: on this machine times are UTC, and what was missed is run once; leave it out")
    _keep_here(environment, loaded, graph, every)
    return 0


def _keep_here(environment: LocalEnvironment, recipe: RecipeBase, graph: str, every: str) -> None:
    from pipelines.backends.ask import Ask
    from pipelines.compile import compile_graphs
    from pipelines.follow import carry_out, tell
    from pipelines.schedule import LocalSchedule, Plan
    from pipelines.timing import parse_timing

    timing = parse_timing(every)
    compile_graphs(recipe, environment)

    def run(plan: Plan, now: str) -> None:
        tell(carry_out(Ask(plan.graph, plan.recipe, environment, now=now)), environment)

    with until_stopped("the schedule was ended; start it again and it goes on from here"):
        LocalSchedule(environment, run).keep(Plan(graph, recipe, timing))


@click.group(invoke_without_command=True, epilog="Example:  sluice schedules --env production")
@options.env
@options.as_json
@click.pass_context
def schedules(context: click.Context, env: str, as_json: bool) -> None:
    """Lists the schedules that a service keeps, and pauses, resumes or removes one."""
    if context.invoked_subcommand:
        context.default_map = {context.invoked_subcommand: {"env": env}}  # holds unless it is given behind the verb too
        return
    found = list(_service(env).schedules())
    for one in found:
        click.echo(json.dumps(asdict(one)) if as_json else _line(one))
    if not found and not as_json:
        click.echo(f"no schedules in {env}; make one with `sluice schedule RECIPE --every '0 3 * * 1' --env {env}`")


@schedules.command(epilog="Example:  sluice schedules pause helpdesk-monitoring --env production")
@click.argument("name")
@options.env
def pause(name: str, env: str) -> None:
    """Starts no run of a schedule until it is resumed; one that runs goes on."""
    _service(env).pause(name)
    click.echo(f"schedule {name}: paused; `sluice schedules resume {name} --env {env}` goes on")


@schedules.command(epilog="Example:  sluice schedules resume helpdesk-monitoring --env production")
@click.argument("name")
@options.env
@click.option("--catch-up", is_flag=True, help="Also runs what was missed.")
def resume(name: str, env: str, catch_up: bool) -> None:
    """Goes on with a schedule that was paused."""
    _service(env).resume(name, catch_up=catch_up)
    click.echo(f"schedule {name}: goes on")


@schedules.command(epilog="Example:  sluice schedules remove helpdesk-monitoring --env production")
@click.argument("name")
@options.env
def remove(name: str, env: str) -> None:
    """Ends a schedule; the runs that it started stay."""
    _service(env).remove(name)
    click.echo(f"schedule {name}: removed; its runs stay")


def _service(env: str) -> Service:
    from pipelines.backends.service import open_service
    from pipelines.environment import LocalEnvironment, load_environment

    environment = load_environment(env)
    if isinstance(environment, LocalEnvironment):
        raise InvalidInput(
            f"--env {env}: on this machine the process of `sluice schedule` keeps a schedule; Ctrl-C ends it"
        )
    return open_service(environment)


def _line(one: ScheduleState) -> str:
    upcoming = "paused" if one.paused else f"next {one.upcoming}" if one.upcoming else "on"
    return f"{one.name:<40} {one.cron:<16} {one.zone:<16} {upcoming:<30} {one.link}".rstrip()


@click.command(epilog="Example:  sluice dispatch recipe.yaml --env production --port 8080")
@click.argument("recipes", type=click.Path(path_type=Path), nargs=-1, required=True)
@options.env
@click.option("--port", type=int, default=0, help="Also takes Pub/Sub's messages on this port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to take them on.")
@click.option("--look", default=30.0, show_default=True, help="Seconds between two looks through the store.")
@click.option("--once", is_flag=True, help="Looks once, and ends.")
def dispatch(recipes: tuple[Path, ...], env: str, port: int, host: str, look: float, once: bool) -> int:
    """Starts the runs that runs ask for, each once, until Ctrl-C or SIGTERM (exit code 0)."""
    import threading

    from components.core.log_lines import log_json
    from pipelines.dispatch_service import DispatchService, server
    from pipelines.environment import load_environment
    from pipelines.recipe import load_recipe

    log_json()  # as what it says of each request
    service = DispatchService(load_environment(env), tuple(load_recipe(path) for path in recipes))
    if once:
        service.look()
        return 0
    with until_stopped("the dispatcher was ended; what it had started goes on"):
        if port:
            threading.Thread(target=server(service, host, port).serve_forever, daemon=True).start()
        service.keep_looking(look)
    return 0
