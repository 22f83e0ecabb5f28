"""What people do in a registry past Sluice, and what they see there."""

from __future__ import annotations

import json

from components.core.manifest import Manifest
from components.release.registries.mlflow_registry import EVALUATION
from components.release.registries.registry import Evaluation, Registry
from components.release.registries.vertex_registry import VertexRegistry


def make_model(registry: Registry, name: str) -> None:
    """A registered model that is none of ours."""
    if isinstance(registry, VertexRegistry):
        model = {"display_name": name}
        registry._client.upload_model({"parent": registry._parent, "model": model, "model_id": name}).result()
        return
    with registry._used() as client:
        client.create_registered_model(name)


def register_again(registry: Registry, name: str, model: Manifest) -> None:
    """One more version that is the same model, as of two who registered it at once."""
    if isinstance(registry, VertexRegistry):
        made = registry._wanted(name, name, model, "gs://b/m")
        request = {"parent": registry._parent, "model": made, "parent_model": registry._name(name)}
        registry._client.upload_model(request).result()
        return
    with registry._used() as client:
        client.create_model_version(name, "gs://b/m", tags={"sluice.digest": model.digest}, await_creation_for=0)


def digests(registry: Registry, name: str) -> list[str]:
    """The digests of all versions of a name that have one, whoever's it is."""
    if isinstance(registry, VertexRegistry):
        return [version.digest for version in registry._of_name(name, "") if version.digest]
    with registry._used() as client:
        return [version.tags["sluice.digest"] for version in client.search_model_versions(f"name = '{name}'")]


def evaluations(registry: Registry, name: str, version: int) -> list[Evaluation]:
    """What stands beside a version."""
    if isinstance(registry, VertexRegistry):
        found = registry._client.list_model_evaluations({"parent": registry._name(name, version)})
        return [Evaluation(**dict(one.metadata), figures=dict(one.metrics)) for one in found]
    with registry._used() as client:
        tags = client.get_model_version(name, str(version)).tags
    return [Evaluation(**json.loads(tags[EVALUATION]))] if EVALUATION in tags else []
