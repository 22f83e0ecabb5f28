"""``smoke``: the graph to submit first. Two equal tasks and one that compares them; minutes and cents."""

import time
from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.core.run import Run
from components.data.probe.inside import LINE
from pipelines.backends.backend import Backend
from pipelines.placement import WORD, Placement
from pipelines.recipe import RecipeBase, recipe_from
from pipelines.runs import RunFolder

WAIT_SECONDS = (0.0, 5.0, 10.0, 20.0, 30.0)
"""How long a printed line may take to where logs are read: a service collects them."""


def smoke(place: Placement) -> Any:
    """The graph."""

    @dsl.pipeline(name="smoke", description="Store, account, cache and log, seen from where steps run.")
    def graph(now: str) -> None:
        first = place("probe", nonce=now, first="", second="")
        # It has nothing new to work on, so the cache answers; it waits for what the cache is to have.
        second = place("probe", nonce=now, first="", second="").after(first)
        place("probe", nonce=now, first=first.outputs[WORD], second=second.outputs[WORD])

    return graph


def recipe() -> RecipeBase:
    """A recipe that makes nothing: the graph takes all that it needs from the environment."""
    return recipe_from({"version": 1, "name": "smoke", "resolve": {"root": "none", "sources": [{"path": "none"}]}})


def find_line(backend: Backend, folder: RunFolder, run: Run, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Whether what the first task printed is where logs are read; it is waited for a minute."""
    name = run.steps[0].name
    for wait in WAIT_SECONDS:
        sleep(wait)
        if f"{LINE}{run.now}" in backend.log(folder, name):
            return True
    return False
