"""Starts what runs ask for. Locally the running command does it; a service does it in the cloud.

A request is started once, as a run of its own; a further attempt is made only after a final failure or a cancel.
"""

from __future__ import annotations

from components.core.errors import Refused
from components.core.run_request import FOLDER, RunRequest
from components.core.store import Store
from pipelines.backends.local_run import Ask, start
from pipelines.environment import LocalEnvironment
from pipelines.recipe import RecipeBase
from pipelines.runs import RunFolder

MAY_ASK = {"release": ("lifecycle",)}
"""Which graph may ask for which."""


def read_request(store: Store, name: str) -> RunRequest:
    """The run request of that name. Raises Refused when its content is not what the name says."""
    key = f"{FOLDER}/{name}.json"
    request = RunRequest.read(store.read(key), key)
    if request.name != name:
        raise Refused(f"request {name[:12]}: its content was changed after it was made; run what asked for it again")
    return request


def dispatch(name: str, recipe: RecipeBase, environment: LocalEnvironment) -> RunFolder:
    """Starts the run that a request asks for, or finds the one that was started for it.

    Raises Refused when the asker may not ask, or recipe or environment are not those that the request names.
    """
    request = read_request(Store(environment.store), name)
    if request.asker not in MAY_ASK.get(request.graph, ()):
        raise Refused(f"request {name[:12]}: {request.asker} may not ask for {request.graph}")
    if request.recipe != recipe.digest or request.environment != environment.name:
        raise Refused(f"request {name[:12]}: asks for another recipe or environment than this run's; run that one")
    arguments = tuple((given.role, given.reference) for given in request.inputs)
    return start(
        Ask(
            graph=request.graph,
            recipe=recipe,
            environment=environment,
            arguments=arguments,
            spec=request.spec,
            asked_by=name,
        )
    )
