"""A bundle: one tar file with all that a third party needs to verify an endpoint or a model without the store.

| member | holds |
|---|---|
| `bundle.json` | what it is about, and the SHA-256 of every other member |
| `trust.json` | the trust roots, as they were |
| `endpoints/NAME.json` | the generations of the endpoints that it is about |
| `store/KEY` | objects of the store |

Names are sorted and nothing depends on the clock or on who writes: equal content gives equal bytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pydantic import Field

from components.core.canonical import sha256
from components.core.contract import Contract
from components.core.endpoint import EndpointState
from components.core.errors import InvalidInput, Refused
from components.core.manifest import Reference
from components.core.store import Store, stream_digest
from components.core.trust import TrustRoots
from components.core.whole_file import whole_file
from components.core.wording import counted
from pipelines.proof.find import Named, find, own_trust, trust_node
from pipelines.proof.history import Histories
from pipelines.proof.ledger import DAMAGE, MOST_DOCUMENT, Ledger
from pipelines.proof.tree import Broken, Mark, Node, checked, sentence, size
from pipelines.proof.walk import Scene, Verification, serving, verify_endpoint, verify_model
from pipelines.runs import Runs

INDEX, TRUST, STORE, ENDPOINTS = "bundle.json", "trust.json", "store", "endpoints"
SUFFIX = ".tar"
MOST_MEMBERS = 1_000_000
PAX = {"path", "size"}
"""What names and lengths that do not fit into a plain header need; anything else was written by others."""
TAR_DAMAGE: tuple[type[Exception], ...] = (*DAMAGE, tarfile.TarError)


class Generations(Contract):
    """The generations of an endpoint, the first one first."""

    endpoint: str
    states: tuple[EndpointState, ...]


class Index(Contract):
    """What a bundle is about and what it holds."""

    environment: str
    endpoint: str = Field(default="", description="The endpoint that it is about; empty for a model.")
    models: tuple[Reference, ...] = Field(default=(), description="The artifacts that it is about.")
    data: bool = Field(description="Whether the bytes of models and data are in it.")
    members: dict[str, str] = Field(description="SHA-256 of every other member, by name.")


@dataclass(frozen=True)
class Written:
    """A bundle that was written."""

    path: Path
    sha256: str
    members: int
    length: int
    trust: str

    def as_document(self) -> dict[str, Any]:
        """For scripts."""
        return {**self.__dict__, "path": str(self.path)}

    def lines(self) -> Iterator[str]:
        """For a person: what to hand on, and what to tell by another way."""
        yield f"{self.path}: {counted(self.members, 'object')}, {size(self.length)}"
        yield f"SHA-256 of the file         {self.sha256}"
        yield f"SHA-256 of the trust roots  {self.trust}  (tell it by another way than you send the file)"
        yield f"verify it with:  sluice verify {self.path} --trust THEIR-COPY.json"


@dataclass
class _ReadOnce:
    """Endpoint states, each history read once: what is verified is what is written."""

    histories: Histories
    read: dict[str, Sequence[EndpointState]] = field(default_factory=dict)

    def names(self) -> Sequence[str]:
        return self.histories.names()

    def history(self, endpoint: str) -> Sequence[EndpointState]:
        if endpoint not in self.read:
            self.read[endpoint] = self.histories.history(endpoint)
        return self.read[endpoint]


@dataclass(frozen=True)
class _Bundled:
    """Endpoint states that a bundle holds."""

    store: Store
    index: Index

    def names(self) -> Sequence[str]:
        prefix = f"{ENDPOINTS}/"
        named = (name for name in self.index.members if name.startswith(prefix))
        return sorted(name.removeprefix(prefix).removesuffix(".json") for name in named)

    def history(self, endpoint: str) -> Sequence[EndpointState]:
        name = f"{ENDPOINTS}/{endpoint}.json"
        kept = Generations.read(_small(self.store, name), name)
        if kept.endpoint != endpoint:
            raise Broken(f"{name} holds the generations of another endpoint, {kept.endpoint}")
        return kept.states


def write(name: str, scene: Scene, runs: Runs, path: Path, *, data: bool = False, registry: str = "") -> Written:
    """Verifies an endpoint or a model, and writes whatever that looked at into a bundle.

    Raises Refused when the chain is broken: what does not hold proves nothing to others.
    """
    if path.suffix != SUFFIX:
        raise InvalidInput(f"--out {path}: a bundle's name ends in {SUFFIX}; write {path.name}{SUFFIX}")
    named = find(name, scene, runs, registry)
    if named.run:
        raise InvalidInput(f"{name}: is a run; a bundle is about an endpoint or a model: give one of its outputs")
    scene.data, scene.sources, scene.histories = data, False, _ReadOnce(scene.histories)
    verification = verify_endpoint(scene, named.endpoint) if named.endpoint else verify_model(scene, named.models)
    if not verification.tree.holds:
        raise Refused(f"{name}: {verification.summary}; `sluice verify {name}` shows where")
    small = {TRUST: scene.trust.to_bytes(), **_histories(scene, named)}
    members = {key: sha256(content) for key, content in small.items()}
    members |= {f"{STORE}/{key}": digest for key, digest in scene.ledger.hashed.items()}
    index = Index(
        environment=scene.environment, endpoint=named.endpoint, models=named.models, data=data, members=members
    )
    _write(path, scene.store, {INDEX: index.to_bytes(), **small}, sorted(scene.ledger.hashed))
    with path.open("rb") as file:
        digest = stream_digest(file)
    return Written(path, digest, len(members), path.stat().st_size, sha256(scene.trust.to_bytes()))


def _histories(scene: Scene, named: Named) -> dict[str, bytes]:
    digests = frozenset(model.digest for model in named.models)
    names = [named.endpoint] if named.endpoint else serving(scene.histories, digests)
    return {
        f"{ENDPOINTS}/{name}.json": Generations(endpoint=name, states=tuple(scene.histories.history(name))).to_bytes()
        for name in sorted(names)
    }


def _write(path: Path, store: Store, small: dict[str, bytes], keys: Sequence[str]) -> None:
    """The file appears whole or not at all."""
    with whole_file(path) as part, tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in small.items():
            _add(tar, name, len(content), io.BytesIO(content))
        for key in keys:
            with store.open(key) as file:
                _add(tar, f"{STORE}/{key}", store.size(key) or 0, file)


def _add(tar: tarfile.TarFile, name: str, length: int, file: BinaryIO) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = length, 0o644
    tar.addfile(member, file)


def verify(path: Path, trust_file: str = "") -> Verification:
    """Verifies a bundle with nothing but itself and, better, the verifier's own copy of the trust roots.

    Whatever is wrong with the file is a break in the tree. Raises InvalidInput when there is no such file, or no trust
    roots in the verifier's.
    """
    own = own_trust(trust_file) if trust_file else None
    if not path.is_file():
        raise InvalidInput(f"{path}: there is no such file; give a bundle that `sluice bundle` wrote")
    try:
        _check_members(path)
        whole = Store(f"tar://::{path.absolute()}")
        index = Index.read(_small(whole, INDEX), f"{path}: {INDEX}")
        trust, said = own or _bundled_trust(whole)
        scene = Scene(
            store=Store(f"tar://{STORE}::{path.absolute()}"),
            histories=_Bundled(whole, index),
            trust=trust,
            trust_said=said,
            environment=index.environment,
            data=index.data,
            sources=False,
        )
        return _walked(path, index, scene, whole)
    except TAR_DAMAGE as error:
        return Verification(Node(f"bundle  {path.name}", sentence(error), Mark.BROKEN), Ledger(Store(str(path.parent))))


def _walked(path: Path, index: Index, scene: Scene, whole: Store) -> Verification:
    if index.endpoint:
        verification = verify_endpoint(scene, index.endpoint)
    elif index.models:
        verification = verify_model(scene, index.models)
    else:
        raise Broken(f"{INDEX} names neither an endpoint nor a model")
    about = Node(f"bundle  {path.name}", f"of the environment {index.environment}")
    about.children = [checked("contents", lambda: _contents(path, index, scene.ledger, whole), TAR_DAMAGE)]
    about.children.append(verification.tree)
    return Verification(about, scene.ledger)


def _check_members(path: Path) -> None:
    """Plain files under plain names, each once and whole: nothing that could lead a reader out of the bundle."""
    if path.suffix != SUFFIX or "::" in str(path.absolute()):
        raise Broken(f"the name of a bundle ends in {SUFFIX} and its path has no “::”; unpack or rename it")
    seen: set[str] = set()
    length = path.stat().st_size
    with tarfile.open(path, "r:") as tar:
        while member := tar.next():
            name = member.name
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
                raise Broken(f"{name} is no plain file; do not unpack this bundle")
            if name != str(PurePosixPath(name)) or name.startswith("/") or ".." in PurePosixPath(name).parts:
                raise Broken(f"{name} leads out of the bundle; do not unpack it")
            if name in seen or len(seen) >= MOST_MEMBERS:
                raise Broken(f"{name} stands there twice, or there are more than {MOST_MEMBERS:,} members")
            if member.size < 0 or member.offset_data + member.size > length or not member.pax_headers.keys() <= PAX:
                raise Broken(f"{name} is not whole, or not written by Sluice; get the bundle again")
            seen.add(name)


def _small(whole: Store, name: str) -> bytes:
    length = whole.size(name)
    if length is None or length > MOST_DOCUMENT:
        raise Broken(f"{name} is missing or too large; the bundle is damaged: get it again")
    return whole.read(name)


def _bundled_trust(whole: Store) -> tuple[TrustRoots, Node]:
    trust = TrustRoots.read(_small(whole, TRUST), TRUST)
    note = "from the bundle itself: compare their digest with one that you got elsewhere, or give --trust FILE"
    return trust, trust_node(trust, note)


def _contents(path: Path, index: Index, ledger: Ledger, whole: Store) -> str:
    """Every member is listed with its digest, and every one that is listed is there."""
    with tarfile.open(path, "r:") as tar:
        there = {member.name for member in tar} - {INDEX}
    if there != index.members.keys():
        missing, strange = sorted(index.members.keys() - there), sorted(there - index.members.keys())
        raise Broken(f"{(missing or strange)[0]} is {'missing from it' if missing else f'not listed in {INDEX}'}")
    for name, digest in index.members.items():
        found = ledger.hashed.get(name.removeprefix(f"{STORE}/")) if name.startswith(f"{STORE}/") else None
        if found is None:
            with whole.open(name) as file:
                found = stream_digest(file)
        if found != digest:
            raise Broken(f"{name} is not what {INDEX} lists: it was changed after the bundle was written")
    return f"{counted(len(there), 'object')}, as {INDEX} lists them{'' if index.data else '; without models and data'}"
