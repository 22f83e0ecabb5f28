"""A project as a doctor sees it: its regions, which APIs are enabled, its service accounts, and a quota.

It does not imitate: who asks (permissions are what ``may`` says), propagation times, overrides of quotas and what is
used of them, APIs' dependencies on each other, accounts of other projects, and all that changes anything.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from tests.contract.google.server import ApiError, Request

HIDDEN = "Permission denied on resource project {0}, or it does not exist."


class GoogleProject:
    """The fake; mount it on a ``Server``."""

    documents = ("aiplatform.v1", "serviceusage.v1", "serviceusage.v1beta1", "iam.v1")

    def __init__(self, project: str, region: str) -> None:
        self.project, self.region = project, region
        self.enabled = {"aiplatform", "artifactregistry", "cloudkms", "compute", "iam", "logging", "storage"}
        self.accounts: dict[str, bool] = {}
        """Each account, and whether it is disabled."""
        self.may: dict[str, list[str]] = {}
        """What whoever asks may do with an account."""
        self.limits: list[dict[str, Any]] = [{"effectiveLimit": "42"}]
        self.date = ""
        """The moment that answers say they are of; empty for the present."""

    def answer(self, request: Request) -> Any:
        """What an operation gives. Raises ApiError."""
        path = request.path
        found = re.match(r"/v1(?:beta1)?/projects/([^/]+)/", path)
        if found and found[1] not in (self.project, "-"):
            raise ApiError(403, HIDDEN.format(found[1]))
        kind = ".".join(request.operation.id.split(".")[-2:])
        if kind == "locations.get":
            return self._location(path.rpartition("/")[2])
        if kind == "services.get":
            name = path.rpartition("/")[2]
            state = "ENABLED" if name.removesuffix(".googleapis.com") in self.enabled else "DISABLED"
            return {"name": path.removeprefix("/v1/"), "state": state}
        if kind == "consumerQuotaMetrics.get":
            return {"consumerQuotaLimits": [{"quotaBuckets": self.limits}]}
        account = request.names["serviceAccountsId"]
        if account not in self.accounts:
            raise ApiError(404, f"Unknown service account {account}")
        if kind == "serviceAccounts.testIamPermissions":
            held = [one for one in request.body["permissions"] if one in self.may.get(account, ())]
            return {"permissions": held} if held else {}
        return {"email": account, "disabled": True} if self.accounts[account] else {"email": account}

    def _location(self, region: str) -> Any:
        if region != self.region:
            raise ApiError(404, f"Location {region} is not found or access is unauthorized.")
        headers = {"Date": self.date} if self.date else {}
        return web.json_response({"locationId": region}, headers=headers)
