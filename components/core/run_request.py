"""``RunRequest``: how one graph asks for another. A graph never starts another itself.

The request's name is the digest of what it asks for, and it is created only if absent: asking twice starts once.
"""

from __future__ import annotations

from pydantic import Field

from components.core.canonical import canonical_json, sha256
from components.core.contract import Contract
from components.core.errors import InvalidInput
from components.core.manifest import Part
from components.core.store import Store

FOLDER = "requests"
CORRECTED = "corrected"
"""The role of what users corrected, in a decision to retrain and in the request that rests on it."""


class RequestedInput(Part):
    """An artifact that the requested graph is to work on."""

    role: str
    content_digest: str
    reference: str = Field(description="Where its manifest lies; not part of the request's name.")


class RunRequest(Contract):
    """Which graph to run, for which recipe and environment, on what; who asks, on which decision."""

    graph: str
    spec: str = Field(description="SHA-256 of the compiled graph: what runs is pinned.")
    recipe: str = Field(description="Digest of the recipe.")
    environment: str
    inputs: tuple[RequestedInput, ...] = ()
    asker: str = Field(description="The graph that asks.")
    decision: str = Field(default="", description="Id of the signed decision that allows it, where one is needed.")
    case: str = Field(default="", description="What people said their word about, where they ask.")
    attempt: int = Field(default=1, ge=1, description="Rises only after a final failure or a cancel.")

    @property
    def name(self) -> str:
        """The digest of what is asked for; places and attempts of the inputs do not change it."""
        asked = self.model_dump(mode="json", exclude={"inputs", "version"})
        asked["inputs"] = sorted((given.role, given.content_digest) for given in self.inputs)
        return sha256(canonical_json(asked))

    @property
    def key(self) -> str:
        """Where the request lies in the store."""
        return f"{FOLDER}/{self.name}.json"

    def put(self, store: Store) -> bool:
        """Asks, unless the same was asked for already; says whether this was the first.

        What lies there and is not this request, because it was damaged or changed, is replaced.
        """
        if store.create(self.key, self.to_bytes()):
            return True
        if not self._is_there(store):
            store.write(self.key, self.to_bytes())
        return False

    def _is_there(self, store: Store) -> bool:
        try:
            return RunRequest.read(store.read(self.key), self.key).name == self.name
        except InvalidInput:
            return False
