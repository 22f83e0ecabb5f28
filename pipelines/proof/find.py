"""Finds out what a name means: an endpoint, a run, an artifact by key or digest, or the file of a bundle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from components.core.canonical import sha256
from components.core.endpoint import EndpointState, open_endpoints
from components.core.errors import Failed, InvalidInput, did_you_mean
from components.core.manifest import MANIFEST, Manifest, Reference
from components.core.store import Store
from components.core.trust import TrustRoots, read_trust
from pipelines.environment import Environment
from pipelines.models import FEWEST_DIGITS
from pipelines.proof.artifacts import Artifacts
from pipelines.proof.ledger import DAMAGE
from pipelines.proof.tree import Mark, Node, sentence, short
from pipelines.proof.walk import Scene, Verification, verify_endpoint, verify_model, verify_run
from pipelines.runs import RunFolder, Runs


@dataclass(frozen=True)
class Named:
    """What a name means; exactly one of the three."""

    endpoint: str = ""
    models: tuple[Reference, ...] = ()
    run: RunFolder | None = None


class NoEndpoints:
    """Endpoint states of an environment that has none."""

    def history(self, endpoint: str) -> Sequence[EndpointState]:  # noqa: ARG002
        """Nothing."""
        return ()

    def names(self) -> Sequence[str]:
        """Nothing."""
        return ()


def scene_of(environment: Environment, trust_file: str = "") -> Scene:
    """Store, endpoint states and trust roots of an environment; ``trust_file`` holds other trust roots."""
    trust, said = own_trust(trust_file) if trust_file else trust_roots(environment)
    return Scene(
        store=Store(environment.store),
        histories=open_endpoints(environment.endpoints) if environment.endpoints else NoEndpoints(),
        trust=trust,
        trust_said=said,
        environment=environment.name,
    )


def trust_roots(environment: Environment) -> tuple[TrustRoots, Node]:
    """The trust roots of an environment, and their node; where they cannot be read, nobody is trusted."""
    try:
        if not environment.trust:
            raise InvalidInput("the environment names no trust roots; write `trust: FILE` there")
        trust = read_trust(environment.trust)
    except DAMAGE as error:
        mark = Mark.NOTE if isinstance(error.__cause__, FileNotFoundError) else Mark.BROKEN
        return TrustRoots(), Node("trust roots", f"no decision counts without them: {sentence(error)}", mark)
    return trust, trust_node(trust)


def own_trust(file: str) -> tuple[TrustRoots, Node]:
    """The verifier's own trust roots. Raises InvalidInput where the file holds none."""
    trust = read_trust(file)
    return trust, trust_node(trust)


def trust_node(trust: TrustRoots, note: str = "") -> Node:
    """Whose keys count, and the digest to compare with one that was got elsewhere."""
    states = (
        f"{key.name}{f' (revoked {key.revoked[:10]})' if key.revoked else ' (retired)' if key.retired else ''}"
        for key in trust.keys
    )
    said = f"{', '.join(states) or 'no keys'}{f'; {note}' if note else ''}"
    return Node(f"trust roots  {short(sha256(trust.to_bytes()))}", said, Mark.NOTE if note else Mark.HOLDS)


def find(name: str, scene: Scene, runs: Runs, registry: str = "") -> Named:
    """What a name means here; ``registry`` is the address of the model registry, for ``NAME@ALIAS`` and ``NAME/1``.

    Raises InvalidInput, naming the nearest, when it means nothing or several things.
    """
    endpoints, damaged = _endpoints(scene)
    if name in endpoints:
        return Named(endpoint=name)
    models = _registered(name, registry) or _artifacts(name, scene)
    if models:
        return Named(models=models)
    known = [folder.run for folder in runs]
    if name == "latest" or any(run.startswith(name) or run.endswith(name) for run in known):
        return Named(run=runs.find(name))
    if damaged and re.fullmatch(r"[a-z][a-z0-9-]*", name):
        return Named(endpoint=name)
    near = did_you_mean(name, [*endpoints, *known])
    raise InvalidInput(
        f"{name}: is no endpoint, no run, and no artifact in {scene.store.uri}{near}; give an endpoint's name, a run's"
        " id, the key or the first digits of an artifact's digest, or a bundle's file"
    )


def verify(name: str, scene: Scene, runs: Runs, registry: str = "") -> Verification:
    """Verifies what a name means."""
    named = find(name, scene, runs, registry)
    if named.run:
        return verify_run(scene, runs, named.run)
    return verify_endpoint(scene, named.endpoint) if named.endpoint else verify_model(scene, named.models)


def _endpoints(scene: Scene) -> tuple[list[str], bool]:
    """The endpoints there are, and whether their record is damaged."""
    try:
        return list(scene.histories.names()), False
    except (Failed, InvalidInput):
        return [], True


def _registered(name: str, registry: str) -> tuple[Reference, ...]:
    """The model that a registry's alias or version means."""
    if not registry or not re.fullmatch(r"[a-z][a-z0-9-]*(@[\w.-]+|/\d+)", name):
        return ()
    from components.release.registries.registry import find_version, open_registry

    opened = open_registry(registry)
    version = find_version(opened.versions() if opened else (), name)
    if not version.digest:
        raise InvalidInput(f"{name}: was not registered by Sluice, no digest names its manifest; name a model")
    return (Reference(key=version.key, digest=version.digest, content_digest=version.content_digest),)


def _artifacts(name: str, scene: Scene) -> tuple[Reference, ...]:
    """The artifacts with that key, or whose digest or content digest begins so."""
    if name.endswith(f"/{MANIFEST}"):
        with suppress(InvalidInput):
            return (Manifest.read(scene.store.read(name), name).named,)
        return ()
    if not re.fullmatch(rf"[0-9a-f]{{{FEWEST_DIGITS},64}}", name):
        return ()
    found: dict[str, list[Reference]] = {}
    for digest, key in Artifacts(scene.ledger).index():
        named = _named(scene.store, key, digest)
        if digest.startswith(name) or named.content_digest.startswith(name):
            found.setdefault(named.content_digest or digest, []).append(named)
    if len(found) > 1:
        raise InvalidInput(f"{name}: {len(found)} artifacts begin so; write more of the digest: {', '.join(found)}")
    return tuple(next(iter(found.values()), ()))


def _named(store: Store, key: str, digest: str) -> Reference:
    try:
        return Manifest.read(store.read(key), key).named
    except DAMAGE:
        return Reference(key=key, digest=digest, content_digest="")
