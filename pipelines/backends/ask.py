"""What somebody wants run, and what becomes of it on whatever backend: a launch with an id, and a pinned graph."""

from __future__ import annotations

from dataclasses import dataclass

from components.core.errors import Conflict
from components.core.store import Store
from pipelines.environment import Environment
from pipelines.environment import as_document as environment_document
from pipelines.recipe import RecipeBase
from pipelines.recipe import as_document as recipe_document
from pipelines.runs import Launch, run_id

GRAPHS = "graphs"
"""Where the store keeps pinned graphs, by digest."""


@dataclass(frozen=True)
class Ask:
    """What somebody wants run."""

    graph: str
    recipe: RecipeBase
    environment: Environment
    now: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    spec: str = ""
    asked_by: str = ""
    start_from: str = ""
    use_cache: bool = True


def launch_of(ask: Ask, now: str, attempt: int) -> Launch:
    """The run that is asked for. A request is carried out once whenever, so the moment is not in its run's id."""
    arguments = dict(ask.arguments)
    asked = {
        "graph": ask.graph,
        "recipe": ask.recipe.digest,
        "environment": ask.environment.digest,
        "spec": ask.spec,
        "arguments": arguments,
        "request": ask.asked_by,
        "now": "" if ask.asked_by else now,
        "attempt": attempt,
    }
    return Launch(
        run=run_id(ask.graph, ask.recipe.name, asked),
        graph=ask.graph,
        recipe=recipe_document(ask.recipe),
        environment=environment_document(ask.environment),
        now=now,
        attempt=attempt,
        arguments=arguments,
        spec=ask.spec,
        asked_by=ask.asked_by,
        start_from=ask.start_from,
        use_cache=ask.use_cache,
    )


def inputs_of(ask: Ask) -> str:
    """The id of all that a run is made of but its moment and attempt: the same again has the same."""
    launch = launch_of(ask, "", 0)
    if ask.use_cache and not ask.start_from:
        return launch.run
    return run_id(ask.graph, ask.recipe.name, {"run": launch.run, "from": ask.start_from, "cache": ask.use_cache})


def check_choice(launch: Launch, ask: Ask) -> None:
    """Raises Conflict where a run that was found began with another choice of what is taken from the cache."""
    if (launch.use_cache, launch.start_from) != (ask.use_cache, ask.start_from):
        raise Conflict(
            f"run {launch.run}: began at {launch.now} with another choice of --from and --no-cache, and is that run;"
            " leave --now out, or say another moment"
        )


def read_graph(store: Store, digest: str) -> str:
    """A pinned graph. Raises InvalidInput where it is gone, or is not the one of that digest."""
    return store.read_verified(f"{GRAPHS}/{digest}.yaml", digest).decode()


def pinned(graph: str, spec: str, recipe: RecipeBase, environment: Environment, store: Store) -> tuple[str, str]:
    """A graph's text and digest: the one that ``spec`` pins in the store, or compiled and pinned there.

    Raises Refused where an image is known to hold other code than is compiled for.
    """
    from pipelines.code_digest import code_digests
    from pipelines.compile import compile_graphs, compile_smoke
    from pipelines.images.lock import check_code

    if spec:
        return read_graph(store, spec), spec
    check_code(environment.image_code, code_digests())
    compiled = {graph: compile_smoke(environment)} if graph == "smoke" else compile_graphs(recipe, environment)
    for other in compiled.values():
        store.create(f"{GRAPHS}/{other.digest}.yaml", other.text.encode())
    return compiled[graph].text, compiled[graph].digest
