"""Deploys a commit's build to an environment, or a deployment that was there once more.

A deployment is a record in the environment's store, by its commit: the images and the graphs, each by digest. It is
written last and never changed. ``--again`` takes images and graphs from it and builds nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from images import source_of, verify
from place import Place, summarise
from programs import ROOT, call
from pydantic import Field

from components.core.contract import Contract
from components.core.errors import Conflict, ExitCode, InvalidInput, Refused, ended
from components.core.store import Store
from pipelines.backends.ask import GRAPHS, read_graph
from pipelines.code_digest import code_digests
from pipelines.compile import Compiled, compile_graphs
from pipelines.environment import Environment, load_environment
from pipelines.environment import as_document as environment_document
from pipelines.images.build import LOCK
from pipelines.images.lock import ImagesLock, check_code
from pipelines.images.services import service_images
from pipelines.recipe import as_document as recipe_document
from pipelines.recipe import load_recipe
from pipelines.terraform.outputs import environment_of, write

FOLDER = "deployments"
"""Where records of what was deployed lie, by commit: beside what the dispatcher starts with, where admins write alone.
Who could put one into the store could have deployed again what never was."""


class Deployment(Contract):
    """What was deployed."""

    environment: str
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    images: ImagesLock
    graphs: dict[str, str] = Field(description="RECIPE/GRAPH to the digest of the compiled graph.")

    @property
    def key(self) -> str:
        """Where it lies."""
        return f"{FOLDER}/{self.commit}.json"


@dataclass(frozen=True)
class Asked:
    """What is to be deployed, and where."""

    place: Place
    commit: str
    repository: str
    again: bool


def deploy(asked: Asked) -> Deployment:
    """Looks at the images, compiles, plans, checks access, applies, and only then tells the dispatcher.

    Raises Refused where the plan would let somebody reach what they must not, or graphs are not those of the record.
    """
    place, before = asked.place, asked.place.outputs()
    known = recorded(before, asked) if asked.again else None
    lock = known.images if known else ImagesLock.load(LOCK)
    verify(source_of(lock, asked.repository), asked.repository, asked.commit)
    lock.save(LOCK)
    services = service_images(LOCK)
    graphs = compiled(before, place, known)  # what cannot be compiled is known before anything is changed
    code = place.plan(services)
    summarise((place.out / "plan.md").read_text())
    if code:
        raise Refused(f"{place.name}: the plan is refused, see Access above; nothing was changed")
    place.terraform("apply", "-input=false", "-no-color", str(place.out / "tfplan"))
    after = place.outputs()
    if after != before:
        graphs = compiled(after, place, known)
    made = Deployment(environment=place.name, commit=asked.commit, images=lock, graphs=digests(graphs))
    _keep(made, graphs, after)
    _show(made, graphs, place)
    _tell_dispatcher(place, asked.commit, after)
    return made


def recorded(outputs: dict[str, Any], asked: Asked) -> Deployment:
    """The record of an earlier deployment. Raises InvalidInput where there was none, or one of its graphs is gone."""
    key, records = f"{FOLDER}/{asked.commit}.json", _records(outputs)
    if not records.exists(key):
        there = sorted(name.rpartition("/")[2].removesuffix(".json") for name in records.list(FOLDER))
        known = ", ".join(there) or "nothing was yet"
        raise InvalidInput(f"{asked.commit} was never deployed to {asked.place.name}; name one of: {known}")
    found = Deployment.read(records.read(key), key)
    if (found.environment, found.commit) != (asked.place.name, asked.commit):
        raise InvalidInput(
            f"{key}: says that it is {found.commit} in {found.environment}; somebody put it there by hand"
        )
    store = _store(outputs)
    for digest in found.graphs.values():
        read_graph(store, digest)
    return found


def compiled(outputs: dict[str, Any], place: Place, known: Deployment | None) -> dict[str, Compiled]:
    """All graphs of the place's recipes, as RECIPE/GRAPH.

    Raises Refused where they are not those of an earlier deployment that is to be had again.
    """
    environment = _environment(outputs, place)
    check_code(environment.image_code, code_digests())
    found = {
        f"{recipe.name}/{name}": graph
        for recipe in map(load_recipe, recipes(place))
        for name, graph in compile_graphs(recipe, environment).items()
    }
    made = digests(found)
    if known and known.graphs != made:
        differ = sorted(name for name in {*known.graphs, *made} if known.graphs.get(name) != made.get(name))
        raise Refused(
            f"{known.key}: {', '.join(differ)}: compile to other graphs than were deployed then, because the place has"
            " changed since; the dispatcher was told nothing; deploy a new commit"
        )
    return found


def recipes(place: Place) -> list[Path]:
    """The recipes that are dispatched in a place; Terraform names the same files to the dispatcher."""
    folder = place.folder / "recipes"
    if not (found := sorted(folder.glob("*.yaml"))):
        raise InvalidInput(f"{folder.relative_to(ROOT)}: has no recipe; put those there that {place.name} dispatches")
    return found


def digests(graphs: dict[str, Compiled]) -> dict[str, str]:
    """What a record says of graphs."""
    return {name: graph.digest for name, graph in sorted(graphs.items())}


def _keep(made: Deployment, graphs: dict[str, Compiled], outputs: dict[str, Any]) -> None:
    """Keeps graphs by digest, then the record; what is there stays as it is."""
    store, records = _store(outputs), _records(outputs)
    for graph in graphs.values():
        store.create(f"{GRAPHS}/{graph.digest}.yaml", graph.text.encode())
    if not records.create(made.key, made.to_bytes()) and records.read(made.key) != made.to_bytes():
        raise Conflict(
            f"{made.key}: this commit was deployed with other images or graphs; run rollback.yml to have those again,"
            " or push a new commit"
        )


def _show(made: Deployment, graphs: dict[str, Compiled], place: Place) -> None:
    """Leaves record and graphs for the job's artifact."""
    for name, graph in graphs.items():
        path = place.out / GRAPHS / f"{name.replace('/', '.')}.{graph.digest}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(graph.text)
    (place.out / "deployment.json").write_bytes(made.to_bytes())


def _environment(outputs: dict[str, Any], place: Place) -> Environment:
    path = place.out / "environment.yaml"
    write(environment_of(json.dumps(outputs), LOCK), path)
    return load_environment(str(path))


def _tell_dispatcher(place: Place, commit: str, outputs: dict[str, Any]) -> None:
    """Puts environment and recipes where the dispatcher reads them, whole without another file, and starts it anew."""
    found, here = outputs["deployment"]["value"], outputs["sluice_environment"]["value"]
    folder = place.out / "dispatch"
    folder.mkdir(parents=True, exist_ok=True)
    documents = {path.name: recipe_document(load_recipe(path)) for path in recipes(place)}
    documents["environment.yaml"] = environment_document(_environment(outputs, place))
    for name, document in documents.items():
        (folder / name).write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    call("gcloud", "storage", "cp", *(folder / name for name in sorted(documents)), f"{found['config']}/")
    if found.get("commands"):
        where = ("--project", here["project"], "--region", here["region"])
        label = f"deployment={commit[:12]}"
        call("gcloud", "run", "services", "update", "sluice-dispatch", *where, "--update-labels", label, "--quiet")


def _records(outputs: dict[str, Any]) -> Store:
    return Store(outputs["deployment"]["value"]["config"].rpartition("/")[0])


def _store(outputs: dict[str, Any]) -> Store:
    return Store(outputs["sluice_environment"]["value"]["store"])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="deploy.py", description=__doc__)
    parser.add_argument("environment")
    parser.add_argument("--state", default="", help="Bucket of Terraform's state.")
    parser.add_argument("--commit", default="", help="The commit that is checked out, all 40 digits.")
    parser.add_argument("--repository", default="", help="OWNER/NAME on GitHub.")
    parser.add_argument("--again", action="store_true", help="Deploy what was deployed of this commit before.")
    asked = parser.parse_args()
    here = call("git", "rev-parse", "HEAD").strip()
    if not re.fullmatch(r"[0-9a-f]{40}", asked.commit) or asked.commit != here:
        raise InvalidInput(f"COMMIT {asked.commit!r} is not what is checked out ({here}); check it out, then deploy")
    place = Place(asked.environment)
    place.begin(asked.state)
    made = deploy(Asked(place, asked.commit, asked.repository, asked.again))
    print(f"deployed {made.commit} to {made.environment}: {len(made.images.images)} images, {len(made.graphs)} graphs")
    return int(ExitCode.DONE)


if __name__ == "__main__":
    sys.exit(ended(main))
