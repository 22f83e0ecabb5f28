"""A fake of Secret Manager: ``versions.access``, with real checksums unless ``corrupt`` says otherwise.

It does not imitate: making secrets and versions over the network, who may read which, rotation, regional secrets,
encryption keys, expiry, and the delay until a new version is the latest.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import google_crc32c

from tests.contract.google.server import ApiError, Request


class SecretManager:
    """The service. ``values`` are the versions' by their resource names, None for one that is disabled."""

    documents = ("secretmanager.v1",)

    def __init__(self) -> None:
        self.values: dict[str, bytes | None] = {}
        self._corrupt: list[Callable[[dict[str, Any]], object]] = []

    def add(self, secret: str, value: bytes | None) -> str:
        """A new version of ``projects/…/secrets/…``, which is then the latest; its name."""
        number = 1 + sum(name.startswith(f"{secret}/versions/") for name in self.values)
        self.values[f"{secret}/versions/{number}"] = value
        return f"{secret}/versions/{number}"

    def corrupt(self, change: Callable[[dict[str, Any]], object], times: int = 1) -> None:
        """Lets ``change`` have the payloads of the next answers."""
        self._corrupt += [change] * times

    def answer(self, request: Request) -> Any:
        """A version's value. Raises ApiError."""
        if request.operation.id != "secretmanager.projects.secrets.versions.access":
            raise ApiError(501, f"the fake of Secret Manager does not have {request.operation.id}")
        asked = request.path.removeprefix("/v1/").removesuffix(":access")
        secret, _, version = asked.rpartition("/versions/")
        of_it = [name for name in self.values if name.startswith(f"{secret}/versions/")]
        if not of_it:
            raise ApiError(404, f"Secret [{secret}] not found or has no versions.")
        name = of_it[-1] if version == "latest" else asked
        if name not in self.values:
            raise ApiError(404, f"Secret Version [{name}] not found.")
        value = self.values[name]
        if value is None:
            raise ApiError(400, f"Secret Version [{name}] is in DISABLED state.")
        payload = {"data": base64.b64encode(value).decode(), "dataCrc32c": str(google_crc32c.value(value))}
        if self._corrupt:
            self._corrupt.pop(0)(payload)
        return {"name": name, "payload": payload}
