"""What the dispatcher made of a request, and how the commands wait for it that leave all starting to it.

| key in the store | holds |
|---|---|
| `dispatched/REQUEST.json` | what was made of a request (`Dispatched`) |
| `requests/REQUEST/RUN` | that it is asked for again, for RUN was given up: it failed, was cancelled, or is held |
| `dispatched/REQUEST/RUN.json` | what was made of that |
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import click
from pydantic import Field

from components.core.contract import Contract
from components.core.errors import Failed, Refused
from components.core.moment import parse_moment
from components.core.run_request import FOLDER
from components.core.store import Store
from pipelines.backends.backend import open_backend
from pipelines.environment import Environment
from pipelines.examine import begun
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
    after: str = Field(default="", description="The run that was given up, where it was asked for again.")

    @property
    def key(self) -> str:
        """Where it lies in the store."""
        return f"{DONE}/{self.request}/{self.after}.json" if self.after else f"{DONE}/{self.request}.json"


@dataclass(frozen=True)
class Asked:
    """A request, or the last time that it was asked for again: after which run, for which attempt."""

    name: str
    after: str = ""
    attempt: int = 1


def made_of(store: Store, name: str, after: str = "") -> Dispatched | None:
    """What the dispatcher made of a request, or of its being asked again; None where it has not come to it yet."""
    key = Dispatched(request=name, after=after).key
    return Dispatched.read(store.read(key), key) if store.exists(key) else None


def last_asked(name: str, environment: Environment, moment: str = "") -> Asked:
    """The last time that a request was asked for; where its run had been given up before ``moment``, that is now.

    However often it is asked for again after one run, that is followed by one attempt.
    """
    store, asked = Store(environment.store), Asked(name)
    while (made := made_of(store, name, asked.after)) and made.run:
        run = begun(open_backend(environment).find(made.run))
        key = f"{FOLDER}/{name}/{run.run}"
        if moment and run.given_up and run.ended and parse_moment(run.ended) < parse_moment(moment):
            store.create(key, b"")
        if run.attempt < asked.attempt or not store.exists(key):
            break
        asked = Asked(name, run.run, run.attempt + 1)
    return asked


def run_of(made: Dispatched) -> str:
    """The run that was started. Raises Refused, with the dispatcher's sentence, where none was."""
    if made.refused:
        raise Refused(f"the dispatcher refused: {made.refused}")
    return made.run


def wait_for(
    asked: Asked,
    environment: Environment,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> RunFolder:
    """The run that the dispatcher starts for a request, once it has.

    Raises Refused where it refuses, and Failed where it makes nothing of it for so long; the request is kept.
    """
    store, until = Store(environment.store), clock() + PATIENCE.total_seconds()
    name, made = asked.name, made_of(store, asked.name, asked.after)
    if made is None:
        click.echo(f"request {name[:12]}: the dispatcher starts what it asks for; waiting for it", err=True)
    while made is None:
        if clock() >= until:
            raise Failed(
                f"request {name[:12]}: no dispatcher has started it for {PATIENCE.seconds // 60} minutes; see that"
                " `sluice dispatch` runs for this recipe: the request is kept, and carried out then"
            )
        sleep(LOOK_SECONDS)
        made = made_of(store, name, asked.after)
    return open_backend(environment).find(run_of(made))
