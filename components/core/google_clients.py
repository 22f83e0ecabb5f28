"""How Google's own clients are opened here: over REST, and at a fake's address where a variable names one."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from components.core.errors import InvalidInput


def rest_options(fake: str, address: str = "") -> dict[str, Any]:
    """What a client is given: REST, at ``address`` or the service's own where it is empty.

    ``fake`` is the variable that names a fake's address, which is asked without a login. Raises InvalidInput for one
    that is not on this machine.
    """
    named = os.environ.get(fake, "")
    if not named:
        return {"transport": "rest", **({"client_options": {"api_endpoint": address}} if address else {})}
    if urlsplit(named).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise InvalidInput(f"{fake}: {named} is not on this machine, and a fake elsewhere is not asked; unset it")
    from google.auth.credentials import AnonymousCredentials

    return {
        "transport": "rest",
        "credentials": AnonymousCredentials(),
        "client_options": {"api_endpoint": named},
    }
