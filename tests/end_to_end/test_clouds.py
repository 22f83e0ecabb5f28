"""The same project on Vertex AI and on Kubeflow, each played by a fake with machines: as a person submits and follows.

What lies in the store afterwards is what lies there after the same runs on this machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from components.core.manifest import Manifest
from components.core.store import Store
from pipelines.demo.tickets import write_tickets
from pipelines.environment import load_environment
from tests.contract.cluster import Cluster, KubeflowPlay, VertexPlay
from tests.contract.google.cloud_logging import CloudLogging
from tests.contract.google.server import Server as Google
from tests.contract.google.storage import Storage
from tests.contract.google.vertex import Vertex
from tests.contract.kubeflow.server import Server as Kubeflow
from tests.end_to_end.conftest import RECIPE, Project

NOW = "2026-02-01T00:00:00+00:00"
HERE = """
version: 1
name: {backend}
backend: local
store: ./.sluice/store
runs: ./runs
state: ./.sluice
"""


@dataclass
class Cloud:
    """A project whose environment ``there`` is a service, and what plays it."""

    project: Project
    backend: str
    cluster: Cluster


def environment_of(backend: str, folder: Path, address: str) -> dict:
    """The shipped example with an address on loopback; keys and trust roots are this machine's."""
    shipped = load_environment(backend).model_dump(mode="json", exclude_defaults=True)
    place = {
        "name": "there",
        "store": "gs://desk/store",
        "endpoints": "gs://desk/endpoints",
        "requests": "gs://desk/requests",
        "registry": f"sqlite:///{folder}/registry.db",
        "tracking": "",
        "trust": str(folder / ".sluice/trust.json"),
        "keys": {name: f"file2:{folder}/.sluice/keys/{name}.pem" for name in ("release", "monitor")},
    }
    place |= {"host": address} if backend == "kubeflow" else {"api_endpoint": address}
    return {**shipped, **place}


@pytest.fixture(params=["vertex", "kubeflow"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    write_tickets(tmp_path / "data", seed=3, genuine=300, questions=60)
    storage, vertex, logging = Storage("desk"), Vertex(), CloudLogging()
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("root: data", "root: gs://desk/data"))
    with ExitStack() as stack:
        google = stack.enter_context(Google(storage, vertex, logging).running())
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", google.address)
        for path in (tmp_path / "data").iterdir():
            Store("gs://desk/data").upload(path, path.name)
        kubeflow = stack.enter_context(Kubeflow().running())
        play = VertexPlay(vertex, logging) if request.param == "vertex" else KubeflowPlay(kubeflow)
        address = google.address if request.param == "vertex" else kubeflow.address
        there = environment_of(request.param, tmp_path, address)
        (tmp_path / "there.yaml").write_text(yaml.safe_dump(there))
        project = Project(tmp_path)
        project.sluice("keys", "new", "release", "--env", "local")
        cluster = stack.enter_context(Cluster(tmp_path / "machines", play).running())
        yield Cloud(project, request.param, cluster)


def contents(project: Project, env: str, store: str) -> dict[str, dict]:
    """What the outputs of a lifecycle's steps are, wherever they lie and whoever made them."""
    found, opened = {}, Store(store)
    run = next(
        run for run in json.loads(project.sluice("runs", "--json", "--env", env).stdout) if run["graph"] == "lifecycle"
    )
    for step in run["steps"]:
        for role, output in step["outputs"].items():
            manifest = Manifest.read(opened.read_verified(output["key"], output["digest"]), role)
            found[f"{step['name']}/{role}"] = {
                "content": manifest.content_digest,
                "rows": manifest.rows,
                "bytes": manifest.bytes,
                "kind": manifest.kind,
                "producer": manifest.producer.model_dump(),
                "suites": manifest.suites,
            }
    return found


def test_a_lifecycle_and_its_release_leave_what_they_leave_here(cloud: Cloud, finished: Project) -> None:
    project = cloud.project
    done = project.sluice("run", "recipe.yaml", "--env", "there.yaml", "--now", NOW, "--json")
    runs = json.loads(done.stdout)
    assert [(run["graph"], run["state"]) for run in runs] == [("lifecycle", "done"), ("release", "done")]
    print(done.stderr)
