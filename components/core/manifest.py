"""``Manifest``: what a step's output is, by digest. Written last, it is the commit of everything it names."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from components.core.canonical import canonical_json, sha256
from components.core.contract import Contract
from components.core.errors import InvalidInput
from components.core.settings import encode
from components.core.store import Store

MANIFEST = "manifest.json"
"""The name of a manifest in its output's folder."""


class Kind(StrEnum):
    """What an artifact holds."""

    DOCUMENTS = "documents"
    CONVERSATIONS = "conversations"
    PREFERENCES = "preferences"
    TOKENS = "tokens"
    REQUESTS = "requests"
    FEEDBACK = "feedback"
    SUITES = "suites"
    ANSWERS = "answers"
    MODEL = "model"
    REPORT = "report"


class Part(BaseModel):
    """The base of what a contract is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Shard(Part):
    """One object of an artifact."""

    uri: str = Field(description="Key of the object, relative to the store's root.")
    sha256: str
    rows: int = Field(ge=0, description="Rows in it; 0 for a file of a model.")
    bytes: int = Field(ge=0)


def file_name(shard: Shard) -> str:
    """The name of an object inside its output's folder; its key is ``<step>/<attempt>/<role>/<name>``."""
    return shard.uri.split("/", 3)[3]


class Reference(Part):
    """A manifest by place and digest."""

    key: str = Field(description="Where the manifest lies, relative to the store's root.")
    digest: str
    content_digest: str


class Parent(Part):
    """An artifact that this one was made from."""

    role: str
    key: str = Field(default="", description="Where its manifest lies; empty in what an older Sluice wrote.")
    digest: str
    content_digest: str


class Producer(Part):
    """What made an artifact."""

    step: str
    code: str = Field(description="Digest of the stage's code, of core and of the lock; empty in a notebook.")
    image: str = Field(default="", description="Digest of the image that it ran in; empty outside one.")
    settings: str = Field(description="SHA-256 of the settings' canonical JSON.")


class Source(Part):
    """Where data came from, pinned."""

    uri: str
    generation: str = Field(default="", description="An object store's generation; empty for a file.")
    sha256: str
    licence: str = ""


class ModelFacts(Part):
    """What a model's manifest adds; on tokens, the model that they were made for."""

    base: str = Field(description="Name of the base model, or `scratch`.")
    revision: str = Field(default="", description="Commit of the base model in its hub.")
    base_digest: str = Field(default="", description="Content digest of the base model; empty for a base itself.")
    adapter: bool = Field(default=False, description="True for a LoRA adapter, False for full weights.")
    tokenizer_digest: str
    template_digest: str
    data_digest: str = Field(default="", description="Content digest of the tokens that it was last trained on.")
    recipe_digest: str = Field(default="", description="Digest of the recipe that an exported model was made by.")


class Manifest(Contract):
    """An artifact: its rows or files by digest, and what it was made from."""

    kind: Kind
    key: str = Field(description="Where this manifest lies, relative to the store's root.")
    content_digest: str = Field(
        description="SHA-256 over the sorted digests of the rows (of a model: of its files): the same whatever"
        " order, sharding, attempt or backend."
    )
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    shards: tuple[Shard, ...]
    parents: tuple[Parent, ...] = ()
    producer: Producer
    sources: tuple[Source, ...] = ()
    suites: tuple[str, ...] = Field(
        default=(), description="Content digests of the suites that this was decontaminated against."
    )
    model: ModelFacts | None = None

    @classmethod
    def from_file(cls, path: str | Path) -> Manifest:
        """The manifest whose copy a KFP artifact holds."""
        return cls.read(Path(path).read_bytes(), str(path))

    @property
    def identity(self) -> str:
        """What a step that reads this can see of it: equal for the same content, whichever attempt wrote it."""
        seen = self.model_dump(mode="json", include={"kind", "content_digest", "sources", "suites", "model"})
        return sha256(canonical_json(seen))

    def as_parent(self, role: str) -> Parent:
        """This artifact as something that another was made from."""
        return Parent(role=role, **self.named.model_dump())

    @property
    def named(self) -> Reference:
        """This manifest by place and digest."""
        return Reference(key=self.key, digest=self.digest, content_digest=self.content_digest)

    def reference(self) -> str:
        """A string that names this manifest by place and digest; ``resolve_reference`` reads it back."""
        return encode(self.named.model_dump())


def resolve_reference(store: Store, reference: str) -> Manifest:
    """The manifest that a reference names, checked against its digest.

    Raises InvalidInput when the text is no reference, or the manifest is gone or changed.
    """
    try:
        named = json.loads(reference)
        key, digest = str(named["key"]), str(named["digest"])
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            f"{reference[:80]!r} does not name a manifest; pass what `Manifest.reference` returns"
        ) from error
    return Manifest.read(store.read_verified(key, digest), key)


def read_manifest(store: Store, named: Reference | Parent) -> Manifest:
    """The manifest that is named by place and digest. Raises InvalidInput when it is gone or changed."""
    return Manifest.read(store.read_verified(named.key, named.digest), named.key)


def read_beside(store: Store, manifest: Manifest, name: str, what: str, step: str) -> bytes:
    """The object of that name beside an output's rows.

    Raises InvalidInput where there is none, saying ``what`` it would be and which ``step`` makes it.
    """
    shard = next((shard for shard in manifest.shards if file_name(shard) == name), None)
    if shard is None:
        raise InvalidInput(f"{manifest.key}: holds no {what} ({name} is missing); pass the output of the step {step}")
    return store.read_verified(shard.uri, shard.sha256)


def check_whole(store: Store, manifest: Manifest) -> None:
    """Hashes every object of an output as a stream. Raises InvalidInput for the first that is gone or changed."""
    for shard in manifest.shards:
        store.check(shard.uri, shard.sha256)
