"""Commands that go on by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands import options
from pipelines.commands.foreground import until_stopped

if TYPE_CHECKING:
    from pipelines.schedule import Plan


@click.command(epilog="Example:  sluice schedule recipe.yaml --every 7d")
@options.recipe_path
@click.option(
    "--every", required=True, metavar="TIME", help="7d, 1h, 30m; or five fields of cron, in UTC: '0 3 * * 1'."
)
@options.env
@options.assignments
@click.option(
    "--graph",
    type=click.Choice(["monitoring", "lifecycle"]),
    default="monitoring",
    show_default=True,
    help="What runs.",
)
def schedule(recipe: Path, every: str, env: str, assignments: tuple[str, ...], graph: str) -> int:
    """Runs monitoring again and again, and what it asks for, until Ctrl-C; what was missed meanwhile is run once.

    Ctrl-C and SIGTERM are how it ends: exit code 0. A run at work is ended too, and gone on with next time.
    """
    from components.core.store import Store
    from pipelines.backends.ask import Ask
    from pipelines.compile import compile_graphs
    from pipelines.follow import carry_out, tell
    from pipelines.recipe import load_recipe
    from pipelines.schedule import LocalSchedule
    from pipelines.schedule import Plan as Planned
    from pipelines.timing import parse_timing

    timing, environment = parse_timing(every), options.local_environment(env)
    loaded = load_recipe(recipe, assignments)
    compile_graphs(loaded, environment)

    def run(plan: Plan, now: str) -> None:
        tell(carry_out(Ask(plan.graph, plan.recipe, environment, now=now)), Store(environment.store))

    with until_stopped("the schedule was ended; start it again and it goes on from here"):
        LocalSchedule(environment, run).keep(Planned(graph, loaded, timing))
    return 0


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

    from pipelines.dispatch_service import DispatchService, server
    from pipelines.environment import load_environment
    from pipelines.recipe import load_recipe

    service = DispatchService(load_environment(env), tuple(load_recipe(path) for path in recipes))
    if once:
        service.look()
        return 0
    with until_stopped("the dispatcher was ended; what it had started goes on"):
        if port:
            threading.Thread(target=server(service, host, port).serve_forever, daemon=True).start()
        service.keep_looking(look)
    return 0
