"""Keys, trust roots and decisions for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.core.decision import Decision, DecisionKind, Permits, Reason, Verdict
from components.core.manifest import Reference
from components.core.signing import FILE, make_key_file, sign
from components.core.trust import PEOPLE, SERVICES, TrustedKey, TrustRoots

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
MODEL = Reference(key="export/a/model/manifest.json", digest="a" * 64, content_digest="c" * 64)


def moment(hours: float = 0) -> str:
    """So many hours from now."""
    return (NOW + timedelta(hours=hours)).isoformat()


class Keyring:
    """Key files in a folder, and the trust roots that name them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.trust = folder, TrustRoots()

    def add(self, name: str, **fields: Any) -> TrustedKey:
        """A new key of that name; what it signs is what a service or a person of that name does."""
        fields.setdefault("signs", SERVICES.get(name, PEOPLE))
        number = len(self.trust.keys)
        public = make_key_file(self.folder / f"{name}-{number}.pem")
        key = TrustedKey(name=name, added=moment(-24), **{**public, **fields})
        self.trust = TrustRoots(keys=(*self.trust.keys, key))
        return key

    def change(self, key: TrustedKey, **fields: Any) -> TrustRoots:
        """The trust roots with one key changed."""
        keys = tuple(one.model_copy(update=fields) if one == key else one for one in self.trust.keys)
        return TrustRoots(keys=keys)

    def address(self, key: TrustedKey) -> str:
        """Where the private key lies."""
        return f"{FILE}{self.folder / f'{key.name}-{self.trust.keys.index(key)}.pem'}"

    def decision(self, key: TrustedKey, **fields: Any) -> Decision:
        """A release of a first model, unless the fields say something else."""
        given = {
            "kind": DecisionKind.RELEASE,
            "endpoint": "helpdesk",
            "environment": "local",
            "subject": MODEL,
            "verdict": Verdict.PASS,
            "permits": Permits.CHAMPION,
            "reasons": (Reason(code="floor_holds", text="It holds.", holds=True, estimate=0.75, threshold=0.5),),
            "issued": moment(),
            "expires": moment(24),
            "signer": key.name,
            "key_id": key.key_id,
        }
        return Decision(**{**given, **fields})

    def signed(self, key: TrustedKey, **fields: Any) -> bytes:
        """The envelope of such a decision."""
        return sign(self.decision(key, **fields), self.address(key), self.trust)
