"""Who a step runs as, by what its machine says."""

from __future__ import annotations

import base64
import binascii
import getpass
import json
import os
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

KUBERNETES = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""The token of a pod's service account."""
METADATA = "metadata.google.internal"
"""Google's metadata server; GCE_METADATA_HOST says otherwise, as for Google's own clients."""
SECONDS = 5.0


def who_am_i(account: str) -> str:
    """The account that this process runs as, of the kind that ``account`` is; empty where nothing here can tell."""
    if not account:
        with suppress(KeyError, OSError):  # a user without a name
            return getpass.getuser()
        return ""
    return _google() if "@" in account else _kubernetes()


def _google() -> str:
    """The account by Google's metadata server."""
    connection = HTTPConnection(os.environ.get("GCE_METADATA_HOST", METADATA), timeout=SECONDS)
    try:
        path = "/computeMetadata/v1/instance/service-accounts/default/email"
        connection.request("GET", path, headers={"Metadata-Flavor": "Google"})
        answer = connection.getresponse()
        text = answer.read(1000).decode(errors="replace").strip()
    except (OSError, HTTPException):  # no such server: another cloud, or none
        return ""
    finally:
        connection.close()
    return text if answer.status == 200 and "@" in text else ""


def _kubernetes() -> str:
    """The service account that the pod's own token names: `system:serviceaccount:NAMESPACE:NAME`."""
    try:
        body = KUBERNETES.read_text().split(".")[1]
        subject = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sub"]
    except (OSError, IndexError, ValueError, KeyError, TypeError, binascii.Error):  # no pod, or no token in it
        return ""
    kind, _, name = str(subject).rpartition(":")
    return name if kind.startswith("system:serviceaccount:") else ""
