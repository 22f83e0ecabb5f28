"""Compiles graphs for one recipe and one environment; equal inputs give equal bytes.

Imports kfp, and no library that a step works with.
"""

from __future__ import annotations

import contextlib
import copy
import io
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.core.canonical import sha256
from components.core.errors import InvalidInput, Refused
from pipelines import catalogue, lint
from pipelines.code_digest import code_digests
from pipelines.environment import Environment, LocalEnvironment
from pipelines.placement import Placement
from pipelines.recipe import RecipeBase

GRAPHS = ("lifecycle", "release", "monitoring")


@dataclass(frozen=True)
class Compiled:
    """A compiled graph."""

    graph: str
    backend: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the compiled text; a run request pins it."""
        return sha256(self.text)

    @property
    def file_name(self) -> str:
        """Where ``sluice compile`` puts it."""
        return f"{self.graph}.{self.backend}.yaml"

    def spec(self) -> dict[str, Any]:
        """The pipeline's specification."""
        return load_spec(self.text)


def load_spec(text: str) -> dict[str, Any]:
    """The first document of a compiled graph: the pipeline's specification."""
    spec: dict[str, Any] = next(iter(yaml.load_all(text, Loader=yaml.CSafeLoader)))
    return spec


def parameters_of(spec: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a graph takes, by name, each with what its specification says of it."""
    found: dict[str, Any] = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    return found


def forbid_caching(spec: dict[str, Any], only: str = "") -> None:
    """Has every task of a specification worked on anew, or ``only`` that one; those of nested graphs too."""
    for component in (spec["root"], *spec.get("components", {}).values()):
        for name, task in component.get("dag", {}).get("tasks", {}).items():
            if only in ("", name):
                task["cachingOptions"] = {"enableCache": False}


def compile_graphs(
    recipe: RecipeBase, environment: Environment, code: dict[str, str] | None = None
) -> dict[str, Compiled]:
    """All graphs by name, the requested ones before those that ask for them.

    Raises Refused with one line for each thing that the backend cannot do, or that breaks a rule of the design.
    """
    if not recipe.train:
        raise InvalidInput(f"recipe {recipe.name}: train: there is no stage of training, so nothing is made; add one")
    refusals = lint.resources(recipe, environment)
    code = code or code_digests()
    release = _compile("release", recipe, environment, code)
    lifecycle = _compile("lifecycle", recipe, environment, code, release=release.digest)
    monitoring = _compile("monitoring", recipe, environment, code, lifecycle=lifecycle.digest)
    compiled = {"lifecycle": lifecycle, "release": release, "monitoring": monitoring}
    for graph in compiled.values():
        refusals += lint.graph(graph.text, environment)
    if refusals:
        raise Refused("\n".join(dict.fromkeys(refusals)))
    return compiled


def compile_smoke(environment: Environment, code: dict[str, str] | None = None) -> Compiled:
    """The graph to submit first. Raises Refused as ``compile_graphs`` does."""
    from pipelines import smoke

    compiled = _compile("smoke", smoke.recipe(), environment, code or code_digests())
    refusals = lint.graph(compiled.text, environment)
    if refusals:
        raise Refused("\n".join(dict.fromkeys(refusals)))
    return compiled


def compile_components(environment: Environment) -> Iterator[tuple[str, str]]:
    """Each component alone, as (file name, text), so that other people's pipelines can load it."""
    from kfp import compiler

    for name, step in catalogue.steps().items():
        component = copy.deepcopy(step.component())
        container = component.component_spec.implementation.container
        container.image = _pinned_image(container.image, environment)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "component.yaml"
            with _quiet():
                compiler.Compiler().compile(component, str(path))
            yield f"{name}.yaml", path.read_text()


def _compile(
    name: str, recipe: RecipeBase, environment: Environment, code: dict[str, str], **arguments: str
) -> Compiled:
    from kfp import compiler

    from pipelines.lifecycle import lifecycle
    from pipelines.monitoring import monitoring
    from pipelines.release import release
    from pipelines.smoke import smoke

    build: Any = {"lifecycle": lifecycle, "release": release, "monitoring": monitoring, "smoke": smoke}[name]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        graph = build(Placement(recipe, environment, code), **arguments)
        _resolve_images(graph.pipeline_spec, environment)
        path = Path(folder) / "graph.yaml"
        compiler.Compiler().compile(graph, str(path))
        return Compiled(name, environment.backend, path.read_text())


def _resolve_images(spec: Any, environment: Environment) -> None:
    for executor in spec.deployment_spec["executors"].values():
        if "container" in executor:
            executor["container"]["image"] = _pinned_image(executor["container"]["image"], environment)


def _pinned_image(image: str, environment: Environment) -> str:
    """A logical image by registry and digest; on a machine where steps are processes it stays as it is."""
    if "@" in image or (isinstance(environment, LocalEnvironment) and not environment.images):
        return image
    if image not in environment.images:
        raise InvalidInput(f"environment {environment.name}: images: there is no {image}; add it, pinned by digest")
    return environment.images[image]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """KFP prints and warns while it compiles; what matters is raised."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
