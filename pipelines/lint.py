"""What is refused when a graph is compiled: what a backend cannot do, and the design's rules. A sentence each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from components.core.signing import FILE
from components.core.sources import plain_name
from components.core.trust import SERVICES
from pipelines import catalogue
from pipelines.environment import Environment, LocalEnvironment, is_loopback
from pipelines.located_yaml import nearest
from pipelines.placement import BACKENDS, secrets_of
from pipelines.recipe import RecipeBase

Spec = dict[str, Any]
ARTIFACT = "taskOutputArtifact"
PARAMETER = "taskOutputParameter"
EXIT = "ALL_UPSTREAM_TASKS_COMPLETED"
HERE = ("file://", "local://")
SEEN_EVERYWHERE = {
    "requests": "gs://… or s3://…",
    "endpoints": "gs://BUCKET/PREFIX or postgresql://USER@HOST:PORT/DATABASE",
    "trust": "gs://BUCKET/NAME or s3://BUCKET/NAME",
    "registry": "an MLflow server (https://…) or vertex://PROJECT/REGION",
    "tracking": "an MLflow server (https://…)",
}
"""What an environment's setting names where steps run elsewhere."""


@dataclass(frozen=True)
class Task:
    """One task of a compiled graph, with what is around it."""

    name: str
    spec: Spec
    component: Spec
    executor: Spec
    siblings: dict[str, Any]
    inside: tuple[str, ...]
    """What encloses it, outermost first: `loop`, `condition`, `exit handler`."""
    behind: tuple[str, ...] = ()
    """Tasks that what encloses it waits for."""

    @property
    def cached(self) -> bool:
        """Whether KFP may answer it from its cache."""
        return bool(self.spec.get("cachingOptions", {}).get("enableCache"))

    @property
    def step(self) -> str:
        """The step that it runs: the task's name without the number that KFP adds."""
        return re.sub(r"-\d+$", "", self.name).replace("-", "_")

    @property
    def after(self) -> tuple[str, ...]:
        """Tasks that it waits for: its own, or those of the branch that it begins."""
        return tuple(self.spec.get("dependentTasks", ())) or self.behind


def resources(recipe: RecipeBase, environment: Environment) -> list[str]:
    """What the recipe asks of this backend and cannot have."""
    backend = BACKENDS[environment.backend]
    sections = [name for name in catalogue.steps() if hasattr(recipe, name)]
    sections += [stage.name for stage in recipe.train]
    found = [*_folders_of_this_machine(recipe, environment), *_places_of_one_container(environment)]
    found += _claims_on_no_suite(recipe)
    for section in sections:
        wanted = secrets_of(recipe, section)
        for name in wanted:
            if name not in environment.secrets:
                found.append(
                    f"{section}: secret {name}: environment {environment.name} does not say what it is; add it to"
                    " secrets there"
                )
        secrets = {name: environment.secrets[name] for name in wanted if name in environment.secrets}
        found += backend.cannot(section, recipe.resources(section), secrets, environment)
    return found


def _claims_on_no_suite(recipe: RecipeBase) -> Iterator[str]:
    """A claim about a suite that this recipe does not make would be refused after the training, and not before."""
    suites = [recipe.section("suites").held_out]
    for source in recipe.section("resolve").sources:
        if source.role == "benchmark":
            if not source.name and re.search(r"[*?\[]", source.path):
                return
            suites.append(source.name or PurePosixPath(plain_name(source.path)).stem)
    for entry in recipe.section("gate").claims:
        for claim in getattr(entry, "any_of", (entry,)):
            if claim.suite and claim.suite not in suites:
                yield f"gate: claims: {claim.name}: there is no suite {claim.suite!r}; {nearest(claim.suite, suites)}"


def _folders_of_this_machine(recipe: RecipeBase, environment: Environment) -> Iterator[str]:
    """Steps elsewhere see no folder of this machine; an example is not submitted, so there it does no harm."""
    if isinstance(environment, LocalEnvironment) or environment.example:
        return
    for what, address in (("resolve: root", recipe.section("resolve").root), ("store", environment.store)):
        place = address.rpartition("::")[2]  # behind simplecache:: and its like
        memory = place.startswith("memory://")
        if memory or "://" not in place or place.startswith(HERE):
            kind = "the memory of one process" if memory else "a folder of this machine"
            yield (
                f"{what}: {address} is {kind}, which no step on {environment.backend} sees; name"
                f" gs://… or s3://…, in a bucket that {environment.account_of('lifecycle')} can reach"
            )


def _places_of_one_container(environment: Environment) -> Iterator[str]:
    """What a step would look for in its own container. An absolute path may be a volume that is mounted there.

    On loopback nothing is elsewhere. A person's key is on that person's machine: no step signs with it.
    """
    if not _is_elsewhere(environment):
        return
    for setting, instead in SEEN_EVERYWHERE.items():
        address = getattr(environment, setting)
        if address and _is_of_one_container(address):
            yield (
                f"{setting}: {address} is, to a step on {environment.backend}, a place in its own container: empty, and"
                f" gone when it ends; name {instead}"
            )
    for name, address in environment.keys.items():
        if complaint := unseen_key(environment, name, address):
            yield f"keys: {name}: {complaint}"


def unseen_key(environment: Environment, name: str, address: str) -> str:
    """What is wrong with the key of one who signs in steps that run elsewhere, where it is a file; empty otherwise."""
    if not (_is_elsewhere(environment) and name in SERVICES and address.startswith(FILE)):
        return ""
    return (
        f"{address} is a file of this machine, which no step on {environment.backend} sees; name a key in a vault:"
        " gcpkms:… or awskms:…"
    )


def _is_elsewhere(environment: Environment) -> bool:
    """Whether steps run on other machines than this one; an example's and a loopback's do not."""
    if isinstance(environment, LocalEnvironment):
        return False
    return not (environment.example or is_loopback(environment.address()))


def _is_of_one_container(address: str) -> bool:
    scheme, mark, path = address.partition("://")
    if not mark:
        return not address.startswith("/")
    if scheme == "sqlite":
        return not path.startswith("//")
    return scheme == "memory" or (f"{scheme}://" in HERE and not path.startswith("/"))


def graph(text: str, environment: Environment) -> list[str]:
    """What is wrong with a compiled graph for this backend."""
    documents = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    found = [*_documents(documents, environment), *_branches_on_named_outputs(documents[0])]
    for task in tasks(documents[0]):
        for rule in RULES:
            found += rule(task, environment)
    return found


def tasks(spec: Spec) -> Iterator[Task]:
    """Every task of a specification that runs a container or an importer, in nested graphs too."""
    yield from _tasks(spec, spec["root"]["dag"]["tasks"], (), ())


def _tasks(spec: Spec, level: dict[str, Any], inside: tuple[str, ...], behind: tuple[str, ...]) -> Iterator[Task]:
    handled = {name for task in level.values() if _is_exit(task) for name in task.get("dependentTasks", ())}
    for name, task in level.items():
        component = spec["components"][task["componentRef"]["name"]]
        around = inside
        if "parameterIterator" in task or "artifactIterator" in task:
            around = (*around, "loop")
        if task.get("triggerPolicy", {}).get("condition"):
            around = (*around, "condition")
        if name in handled:
            around = (*around, "exit handler")
        if "dag" in component:
            waits = tuple(task.get("dependentTasks", ())) or behind
            yield from _tasks(spec, component["dag"]["tasks"], around, waits)
        else:
            executor = spec["deploymentSpec"]["executors"][component["executorLabel"]]
            yield Task(name, task, component, executor, level, around, behind)


def _is_exit(task: Spec) -> bool:
    return bool(task.get("triggerPolicy", {}).get("strategy") == EXIT)


def _documents(documents: list[Any], environment: Environment) -> Iterator[str]:
    if environment.backend != "kubeflow" and len(documents) > 1:
        yield (
            f"the graph has Kubernetes settings, which {environment.backend} cannot load; set them only where the"
            " environment is Kubeflow"
        )


def _branches_on_named_outputs(spec: Spec) -> Iterator[str]:
    """KFP's local runner takes no branch on a named output and calls the run a success."""
    for level in [spec["root"], *spec["components"].values()]:
        for name, task in level.get("dag", {}).get("tasks", {}).items():
            given = task.get("inputs", {}).get("parameters", {})
            condition = task.get("triggerPolicy", {}).get("condition", "")
            for channel in re.findall(r"parameter_values\['([^']+)'\]", condition):
                key = given.get(channel, {}).get(PARAMETER, {}).get("outputParameterKey", "Output")
                if key != "Output":
                    yield (
                        f"{name}: branches on the named output {key}, which is silently false on this machine; branch"
                        " on the step's unnamed output, a word"
                    )


def _caches_what_may_not_be(task: Task, environment: Environment) -> Iterator[str]:  # noqa: ARG001
    if task.cached and task.step in catalogue.UNCACHED:
        yield f"{task.name}: is cached, but it looks at the world or decides; call set_caching_options(False) on it"


def _cached_takes_uncached_artifact(task: Task, environment: Environment) -> Iterator[str]:  # noqa: ARG001
    for role, given in task.spec.get("inputs", {}).get("artifacts", {}).items():
        producer = given.get(ARTIFACT, {}).get("producerTask")
        if not task.cached or producer not in task.siblings:
            continue
        if not task.siblings[producer].get("cachingOptions", {}).get("enableCache"):
            yield (
                f"{task.name}: is cached and takes the artifact {role} of {producer}, which is not: it would never hit;"
                f" let {producer} hand on a string, or do not cache {task.name}"
            )


def _cached_without_code_digest(task: Task, environment: Environment) -> Iterator[str]:  # noqa: ARG001
    step = catalogue.steps().get(task.step)
    if task.cached and step and step.cached:
        given = task.spec.get("inputs", {}).get("parameters", {})
        if "code" not in given:
            yield (
                f"{task.name}: is cached without a code digest, so old code would answer for new; give the component a"
                " parameter `code`"
            )


def _cached_sees_the_moment(task: Task, environment: Environment) -> Iterator[str]:  # noqa: ARG001
    if task.cached and "now" in task.spec.get("inputs", {}).get("parameters", {}):
        yield f"{task.name}: is cached and takes `now`, so it would never hit; only steps that are not cached see it"


def _retry_inside_loop(task: Task, environment: Environment) -> Iterator[str]:
    retries = task.spec.get("retryPolicy", {}).get("maxRetryCount", 0)
    if environment.backend == "kubeflow" and retries and "loop" in task.inside:
        yield (
            f"{task.name}: retries inside ParallelFor: KFP servers lose the result (kubeflow/pipelines #12389);"
            " take the retries off or unroll the loop"
        )


def _loop_inside_exit_handler(task: Task, environment: Environment) -> Iterator[str]:
    where = task.inside
    inside = "exit handler" in where and "loop" in where and where.index("exit handler") < where.index("loop")
    if environment.backend == "kubeflow" and inside:
        yield (
            f"{task.name}: ParallelFor inside ExitHandler: KFP servers never finish it (kubeflow/pipelines #12390);"
            " move the loop out"
        )


def _installs_when_it_starts(task: Task, environment: Environment) -> Iterator[str]:  # noqa: ARG001
    container = task.executor.get("container", {})
    words = " ".join([*container.get("command", ()), *container.get("args", ())])
    if "pip install" in words:
        yield (
            f"{task.name}: installs packages when it starts; put them into its image and set install_kfp_package=False"
        )


def _image_not_pinned(task: Task, environment: Environment) -> Iterator[str]:
    image = task.executor.get("container", {}).get("image", "")
    if environment.backend != "local" and image and not re.search(r"@sha256:[0-9a-f]{64}$", image):
        yield f"{task.name}: image {image} is not pinned; a tag can move: name it by digest in the environment's images"


def _only_lightweight_locally(task: Task, environment: Environment) -> Iterator[str]:
    container = task.executor.get("container", {})
    if environment.backend == "local" and container and "kfp.dsl.executor_main" not in str(container.get("command")):
        yield f"{task.name}: is a container component; on this machine only Python components run without a container"


def _no_display_name(task: Task, environment: Environment) -> Iterator[str]:  # noqa: ARG001
    name = task.spec.get("taskInfo", {}).get("name", task.name)
    if name == task.name:
        yield f"{task.name}: has no display name; set one, so that the picture in the console reads"


Rule = Callable[[Task, Environment], Iterator[str]]
RULES: tuple[Rule, ...] = (
    _caches_what_may_not_be,
    _cached_takes_uncached_artifact,
    _cached_without_code_digest,
    _cached_sees_the_moment,
    _retry_inside_loop,
    _loop_inside_exit_handler,
    _installs_when_it_starts,
    _image_not_pinned,
    _only_lightweight_locally,
    _no_display_name,
)
