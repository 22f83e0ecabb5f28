"""Seals: a service vouches for an object of the store that is kept for later, so that nobody else can put one there.

What trains can write into the store, so an answer that is found there counts only under the seal of who examines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.core.canonical import canonical_json
from components.core.decision import DecisionKind
from components.core.errors import Refused
from components.core.signing import sign_payload, verify_payload
from components.core.trust import TrustRoots, read_trust

PAYLOAD_TYPE = "application/vnd.sluice.seal+json"
EVER = datetime.min.replace(tzinfo=UTC)
"""A seal has no date: a key that was retired since vouches for what it sealed before, a revoked one for nothing."""


@dataclass(frozen=True)
class Seal:
    """Seals and knows its own: the key at an address, and whom to trust."""

    trust: TrustRoots
    key: str
    environment: str
    signer: str = "release"

    @classmethod
    def of(cls, trust: str, key: str, environment: str) -> Seal | None:
        """The seal of a graph's account; none in a notebook, where nothing is signed."""
        return cls(read_trust(trust), key, environment) if key else None

    def set(self, what: dict[str, Any]) -> bytes:
        """The envelope that vouches for ``what``."""
        return sign_payload(canonical_json(what).encode(), PAYLOAD_TYPE, self.key, self.trust.active_key(self.signer))

    def holds(self, envelope: bytes, what: dict[str, Any]) -> bool:
        """Whether an envelope vouches for ``what``, by a key that may sign what a gate finds."""
        try:
            key_id = str(json.loads(envelope)["signatures"][0]["keyid"])
            key = self.trust.key_for(key_id, DecisionKind.GATE, self.environment, EVER)
            payload = verify_payload(envelope, PAYLOAD_TYPE, key, "seal")
        except (ValueError, KeyError, TypeError, IndexError, Refused):
            return False
        return payload == canonical_json(what).encode()
