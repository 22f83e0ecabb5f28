"""What the dispatcher made of a request, and how the commands wait for it that leave all starting to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import click
from pydantic import Field

from components.core.contract import Contract
from components.core.errors import Failed, Refused
from components.core.store import Store
from pipelines.backends.backend import open_backend
from pipelines.environment import Environment
from pipelines.runs import RunFolder

DONE = "dispatched"
"""Where the store keeps what was made of each request."""
LOOK_SECONDS = 5.0
PATIENCE = timedelta(minutes=15)
"""How long a request is waited for: longer than a dispatcher that died has its claim of a run."""


class Dispatched(Contract):
    """What was made of a run request."""

    request: str
    run: str = Field(default="", description="The run that was started for it; empty where it was refused.")
    refused: str = Field(default="", description="Why it was not; a sentence for a person.")

    @property
    def key(self) -> str:
        """Where it lies in the store."""
        return f"{DONE}/{self.request}.json"


def made_of(store: Store, name: str) -> Dispatched | None:
    """What the dispatcher made of a request; None where it has not come to it yet."""
    key = Dispatched(request=name).key
    return Dispatched.read(store.read(key), key) if store.exists(key) else None


def run_of(made: Dispatched) -> str:
    """The run that was started. Raises Refused, with the dispatcher's sentence, where none was."""
    if made.refused:
        raise Refused(f"the dispatcher refused: {made.refused}")
    return made.run


def wait_for(
    name: str,
    environment: Environment,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> RunFolder:
    """The run that the dispatcher starts for a request, once it has.

    Raises Refused where it refuses, and Failed where it makes nothing of it for so long; the request is kept.
    """
    store, until = Store(environment.store), clock() + PATIENCE.total_seconds()
    made = made_of(store, name)
    if made is None:
        click.echo(f"request {name[:12]}: the dispatcher starts what it asks for; waiting for it", err=True)
    while made is None:
        if clock() >= until:
            raise Failed(
                f"request {name[:12]}: no dispatcher has started it for {PATIENCE.seconds // 60} minutes; see that"
                " `sluice dispatch` runs for this recipe: the request is kept, and carried out then"
            )
        sleep(LOOK_SECONDS)
        made = made_of(store, name)
    return open_backend(environment).find(run_of(made))
