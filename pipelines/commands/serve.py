"""The command that serves: it stays until it is ended, and ends all that it started."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from components.core.errors import InvalidInput, did_you_mean
from pipelines.commands import options
from pipelines.commands.foreground import until_stopped

if TYPE_CHECKING:
    from components.core.endpoint import Endpoints
    from pipelines.environment import LocalEnvironment

POLL_SECONDS = 0.5


@click.command(epilog="Example:  sluice serve local helpdesk --port 8080")
@click.argument("env")
@click.argument("endpoint", required=False, default="")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; else serving.port of the environment.")
def serve(env: str, endpoint: str, port: int | None) -> None:
    """Serves what should serve on an endpoint of ENV: model server, gateway and router, until Ctrl-C.

    It follows every release and rollback. ENDPOINT is needed where there are several. Ctrl-C and SIGTERM are how it
    ends: exit code 0 once nothing is left running.
    """
    import asyncio

    from components.core.store import Store
    from components.serve.model_server import model_server
    from components.serve.replica import Place
    from components.serve.supervisor import Supervisor, until_told
    from pipelines.endpoint_changes import endpoints_of

    environment = options.local_environment(env)
    serving = environment.serving.model_copy(update={"port": port} if port else {})
    server = model_server(serving.server)
    endpoints = endpoints_of(environment)
    with until_stopped("stopped"):
        name = _named(endpoints, endpoint)
        _check_log(environment)
        place = Place(name, serving, Store(environment.store), endpoints, environment.requests)
        asyncio.run(until_told(Supervisor(place, server, say=lambda line: click.echo(line))))


def _named(endpoints: Endpoints, endpoint: str) -> str:
    """The endpoint that is meant; waits for the first release where there is none yet."""
    told = False
    while True:
        names = endpoints.names()
        if endpoint and (endpoint in names or not names):
            return endpoint
        if endpoint:
            raise InvalidInput(f"endpoint {endpoint}: nobody has used it yet{did_you_mean(endpoint, names)}")
        if len(names) > 1:
            raise InvalidInput(f"there are several endpoints here: {', '.join(names)}; say which one to serve")
        if names:
            return names[0]
        if not told:
            click.echo("nothing has been released yet: waiting for the first release (Ctrl-C ends this)")
            told = True
        time.sleep(POLL_SECONDS)


def _check_log(environment: LocalEnvironment) -> None:
    """Nothing is served that would not be logged. Raises InvalidInput where the environment names no request log."""
    from components.core.request_log import RequestLog

    RequestLog(environment.requests)
