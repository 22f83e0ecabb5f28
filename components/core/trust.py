"""Trust roots: whose key may sign which kind of decision. They lie apart from the store, where no step may write.

A key that is *retired* (rotation) signs nothing more, and what it signed before still holds. A key that is *revoked*
(it was stolen, or its holder left in anger) proves nothing, whenever it signed: the moment that a decision states is
the signer's own word.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

import fsspec
from pydantic import Field, field_validator, model_validator

from components.core.contract import Contract
from components.core.decision import DecisionKind
from components.core.errors import Failed, InvalidInput, Refused, did_you_mean
from components.core.manifest import Part
from components.core.moment import parse_moment
from components.core.store import Store

NAME = r"^[a-z][a-z0-9.-]{0,39}$"
"""What a service or a person may be called; a key's file has that name too."""
PEOPLE = (
    DecisionKind.APPROVAL,
    DecisionKind.ROLLBACK,
    DecisionKind.FREEZE,
    DecisionKind.THAW,
    DecisionKind.BREAK_GLASS,
)
"""What people sign, unless something else is said."""
SERVICES = {
    "release": (DecisionKind.GATE, DecisionKind.RELEASE),
    "monitor": (DecisionKind.RETRAIN,),
}
"""What the two services sign."""


class TrustedKey(Part):
    """A public key, whose it is, and what it may sign."""

    name: str = Field(pattern=NAME, description="A service or a person.")
    key_id: str
    key_type: str = Field(description="As securesystemslib names it, such as `ed25519`.")
    scheme: str
    public: str = Field(description="The public key: hexadecimal for ed25519, else PEM.")
    signs: tuple[DecisionKind, ...]
    environments: tuple[str, ...] = Field(default=(), description="Where it counts; empty for everywhere.")
    added: str = Field(description="UTC, ISO 8601.")
    retired: str = Field(default="", description="From when on it signs nothing more; empty while it does.")
    revoked: str = Field(default="", description="Since when it proves nothing at all; empty while it does.")
    why: str = Field(default="", description="Why it was retired or revoked.")

    @field_validator("added", "retired", "revoked")
    @classmethod
    def _is_a_moment(cls, text: str) -> str:
        try:
            if text:
                parse_moment(text)
        except InvalidInput as error:
            raise ValueError(f"{text!r} is no moment with an offset") from error
        return text

    @property
    def active(self) -> bool:
        """Whether it may sign."""
        return not (self.retired or self.revoked)

    def counts_in(self, environment: str) -> bool:
        """Whether it is trusted in an environment."""
        return not self.environments or environment in self.environments


class TrustRoots(Contract):
    """All keys that ever were trusted."""

    keys: tuple[TrustedKey, ...] = ()

    @classmethod
    def read(cls, data: bytes | str, where: str) -> Self:
        """As every contract; but those made again would not know which keys were retired or revoked."""
        try:
            return super().read(data, where)
        except InvalidInput as error:
            words = str(error).replace("make it again", "bring it back from a copy")
            raise InvalidInput(words) from error.__cause__

    @model_validator(mode="after")
    def _one_active_each(self) -> Self:
        active = [key.name for key in self.keys if key.active]
        twice = next((name for name in active if active.count(name) > 1), None)
        if twice:
            raise ValueError(f"{twice} has two active keys; retire one")
        for ids in ([key.key_id for key in self.keys], ["".join(key.public.split()) for key in self.keys]):
            if len(set(ids)) != len(ids):
                raise ValueError("a key stands there twice; a key belongs to one name")
        return self

    def active_key(self, name: str) -> TrustedKey:
        """The key that a service or a person signs with now. Raises InvalidInput when there is none."""
        found = next((key for key in self.keys if key.name == name and key.active), None)
        if found is None:
            near = did_you_mean(name, [key.name for key in self.keys if key.active])
            raise InvalidInput(f"trust roots: {name} has no active key{near}; make one with `sluice keys new {name}`")
        return found

    def key_for(self, key_id: str, kind: DecisionKind, environment: str, issued: datetime) -> TrustedKey:
        """The key of that id, if it may sign such a decision. Raises Refused, saying why not."""
        found = next((key for key in self.keys if key.key_id == key_id), None)
        if found is None:
            raise Refused(f"signed by {key_id[:12]!r}…, a key that nobody trusts; see `sluice keys list`")
        if found.revoked:
            raise Refused(f"signed by {found.name} with a key that was revoked on {found.revoked} ({found.why})")
        if found.retired and issued >= parse_moment(found.retired):
            raise Refused(f"signed by {found.name} on {issued.isoformat()} with a key that was retired before that")
        if kind not in found.signs:
            raise Refused(f"{found.name} may sign {', '.join(found.signs)}, and this is a decision of kind {kind}")
        if not found.counts_in(environment):
            raise Refused(f"{found.name} is not trusted in the environment {environment}")
        return found


def read_trust(address: str) -> TrustRoots:
    """The trust roots at an address (a file, ``gs://…``, ``s3://…``). Raises InvalidInput where there are none."""
    if not address:
        raise InvalidInput("trust roots: the environment names none; add `trust: PATH` to its file")
    try:
        return TrustRoots.read(_content(address), address)
    except FileNotFoundError as error:
        raise InvalidInput(
            f"trust roots: there is no {address}; bring it back from a copy, or name the right file as"
            " `trust` in the environment; only where there never was one, `sluice keys new release` makes it, or"
            " `sluice keys add release` where the key lies in a vault"
        ) from error
    except (OSError, ImportError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise InvalidInput(f"trust roots: {address} cannot be read: {reason}; name the right file") from error


def _content(address: str) -> bytes:
    """What lies at an address; in a cloud through ``Store``, which knows how its services fail."""
    if not address.startswith(("gs://", "s3://")):
        with fsspec.open(address, "rb") as file:
            data: bytes = file.read()
            return data
    folder, _, name = address.rpartition("/")
    if folder in ("gs:/", "s3:/") or not name:
        raise FileNotFoundError(address)
    try:
        return Store(folder).read(name)
    except (InvalidInput, Failed) as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise error.__cause__ from None
        raise type(error)(f"trust roots: {error}") from error
