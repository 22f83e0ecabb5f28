"""``Registry``: where people look for models. A version is a model by digest, an alias says what it does.

What should serve is written in the ``EndpointState`` alone. Aliases are projections of it: neither MLflow nor Vertex AI
can compare-and-set one, so nothing that serves ever reads them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import Field

from components.core.errors import InvalidInput, did_you_mean
from components.core.manifest import Manifest, Part
from components.core.store import Store


class Alias(StrEnum):
    """The aliases that Sluice sets; all others are people's own."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    SHADOW = "shadow"
    PREVIOUS = "previous"


class Version(Part):
    """A registered model: its place, what it was made from, and its aliases."""

    name: str = Field(description="The registered model that it is a version of.")
    version: int = Field(ge=1)
    endpoint: str = Field(description="The endpoint that models of this name are for.")
    digest: str = Field(default="", description="Of its manifest; empty for one that somebody else registered.")
    content_digest: str = ""
    key: str = Field(default="", description="Where its manifest lies, relative to the store's root.")
    base: str = ""
    recipe_digest: str = ""
    data_digest: str = ""
    source: str = Field(default="", description="Address of the model's folder.")
    registered: str = Field(default="", description="UTC, ISO 8601.")
    aliases: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """``name/version``."""
        return f"{self.name}/{self.version}"


class Evaluation(Part):
    """What a gate found about a model, for people who look it up where it is registered."""

    evidence: str = Field(description="Digest of the manifest of the gate's evidence.")
    policy: str = Field(description="Digest of the policy that it was held against.")
    figures: dict[str, float] = Field(
        description="`SUITE.candidate` and `SUITE.incumbent`, mean scores; `SUITE.questions`, `.won` and `.lost`;"
        " of a slice `SUITE/SLICE.…`."
    )


class Registry(Protocol):
    """A registry of models. All methods raise Failed when it does not answer, or is damaged; a cloud's may refuse."""

    address: str

    def register(self, name: str, endpoint: str, model: Manifest, source: str) -> Version:
        """The version of ``name`` that is this model by its manifest's digest; a new one unless it is there already.

        ``source`` is the address of the model's folder. Raises InvalidInput for a name that is another endpoint's.
        """

    def versions(self, endpoint: str = "") -> Sequence[Version]:
        """All versions of the names that are for an endpoint (of all, where it is empty), the oldest first."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Lets an alias mean this version, and no other one."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Removes an alias; one that is not there is no error."""

    def evaluate(self, name: str, version: int, evaluation: Evaluation) -> None:
        """Puts what a gate found beside a version; the same evidence once, however often it is said."""


def open_registry(address: str) -> Registry | None:
    """The registry at an address: ``sqlite:///PATH``, an MLflow server, ``vertex://…``; None where it is empty.

    Raises InvalidInput for another address. Whether it answers is seen when it is used.
    """
    if not address:
        return None
    if _is_mlflow(address):
        from components.release.registries.mlflow_registry import MlflowRegistry

        return MlflowRegistry(address)
    if address.startswith("vertex://"):
        from components.release.registries.vertex_registry import VertexRegistry

        return VertexRegistry(address)
    raise InvalidInput(
        f"registry {address!r}: there is no registry for this address; write sqlite:///PATH, the address of an MLflow"
        " server (https://…), or vertex://PROJECT/REGION"
    )


def _is_mlflow(address: str) -> bool:
    if address.startswith("sqlite:///"):
        return address != "sqlite:///"
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def find_version(versions: Sequence[Version], wanted: str) -> Version:
    """The version that ``NAME@ALIAS`` or ``NAME/NUMBER`` means. Raises InvalidInput, naming what there is."""
    name, mark, which = re.fullmatch(r"([^@/]*)([@/]?)(.*)", wanted, re.DOTALL).groups("")  # type: ignore[union-attr]
    of_name = [version for version in versions if version.name == name]
    if not of_name or not mark:
        hint = _hint(name, {version.name for version in versions})
        raise InvalidInput(f"registry: no version is {wanted!r}{hint}; write NAME@ALIAS or NAME/NUMBER")
    known = {each: one for one in of_name for each in (one.aliases if mark == "@" else (str(one.version),))}
    if which not in known:
        kind = "alias" if mark == "@" else "version"
        raise InvalidInput(f"registry: {name} has no {kind} {which!r}{_hint(which, set(known))}")
    return known[which]


def _hint(name: str, known: set[str]) -> str:
    return did_you_mean(name, known) or f"; there are: {', '.join(sorted(known)) or 'none'}"


def folder_address(store: Store, model: Manifest) -> str:
    """The address of a model's folder, for people and programs that know nothing of this store."""
    root = store.uri if "://" in store.uri else str(Path(store.uri).absolute())
    return f"{root}/{model.key.rpartition('/')[0]}"
