"""The base of every document that passes between steps or stays in the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from components.core.canonical import canonical_json, sha256
from components.core.errors import InvalidInput

Document = dict[str, Any]


class Contract(BaseModel):
    """A versioned, frozen document with canonical bytes.

    ``schema_version`` is what this code writes. ``upgrades[n]`` turns a document of version n into one of
    version n + 1, so a reader takes every older version; a newer one is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_version: ClassVar[int] = 1
    upgrades: ClassVar[Mapping[int, Callable[[Document], Document]]] = {}

    version: int = 1
    _digest: str | None = PrivateAttr(default=None)

    def to_bytes(self) -> bytes:
        """The document's canonical JSON; its SHA-256 is ``digest``."""
        return canonical_json(self.model_dump(mode="json", by_alias=True)).encode()

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, whatever each was read from."""
        return type(self) is type(other) and isinstance(other, Contract) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes that this was read from, or would be written as."""
        return self._digest or sha256(self.to_bytes())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; one that says something else is no longer what was read, and has a digest of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied._digest = None if update else self._digest
        return copied

    @classmethod
    def read(cls, data: bytes | str, where: str) -> Self:
        """Reads a document of this or an older version; ``where`` names its place in an error.

        Raises InvalidInput when it is not such a document, or is newer than this code.
        """
        name = cls.__name__
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:  # no JSON, no text, a number of 5,000 digits; nested too deep
            raise InvalidInput(f"{where}: not a {name}: {error}; it may be damaged: make it again") from error
        if not isinstance(document, dict) or not isinstance(document.get("version"), int):
            raise InvalidInput(f"{where}: not a {name}: no version; give the path of one that Sluice wrote")
        try:
            contract = cls.model_validate(cls._upgraded(document, where))
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{where}: not a {name}: {path}: {first['msg']}; make it again") from error
        contract._digest = sha256(data)
        return contract

    @classmethod
    def _upgraded(cls, document: Document, where: str) -> Document:
        found = document["version"]
        if found > cls.schema_version:
            raise InvalidInput(
                f"{where}: {cls.__name__} version {found} is newer than this Sluice reads"
                f" ({cls.schema_version}); upgrade Sluice"
            )
        for version in range(found, cls.schema_version):
            if version not in cls.upgrades:
                raise InvalidInput(
                    f"{where}: not a {cls.__name__}: no Sluice wrote a version {found}; it may be damaged: make it"
                    " again"
                )
            document = {**cls.upgrades[version](document), "version": version + 1}
        return document
