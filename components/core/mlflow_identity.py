"""Who asks an MLflow server on Cloud Run: Google lets in whoever shows an identity token for the server's address."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

NAME = "sluice-identity"
"""What MLflow knows it by (``MLFLOW_TRACKING_AUTH``)."""
TOKEN = "MLFLOW_TRACKING_TOKEN"
"""MLflow's own variable for a token: where it is set, that one is shown and nothing is done here."""
BEGINNING, END = "https://", ".run.app"
"""Of the addresses that Cloud Run gives."""
SETTINGS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
"""A server that nobody has asked for a while is started by the first request, which waits for it."""


class NoIdentity(OSError):
    """There is no identity token to be had; a sentence with the remedy."""


class Identity:
    """Puts the token into each request to Cloud Run, and a new one before it expires; into no other request."""

    def __init__(self) -> None:
        self._by_audience: dict[str, Any] = {}

    def __call__(self, request: Any) -> Any:
        """As ``requests`` calls what authenticates."""
        if audience := audience_of(request.url):
            self._credentials(audience).before_request(_transport(), request.method, request.url, request.headers)
        return request

    def check(self, audience: str) -> None:
        """Raises NoIdentity where no token can be had."""
        from google.auth.exceptions import GoogleAuthError

        try:
            self._credentials(audience).before_request(_transport(), "GET", audience, {})
        except GoogleAuthError as error:
            raise NoIdentity(
                f"{audience} wants an identity token and there is none: {str(error).splitlines()[0][:100]}. A person's"
                f" own login gives none to Google's libraries; export {TOKEN}=$(gcloud auth print-identity-token)"
            ) from error

    def _credentials(self, audience: str) -> Any:
        if audience not in self._by_audience:
            from google.oauth2.id_token import fetch_id_token_credentials

            self._by_audience[audience] = fetch_id_token_credentials(audience, _transport())
        return self._by_audience[audience]


class Provider:
    """How MLflow asks for it."""

    def get_name(self) -> str:
        """What ``MLFLOW_TRACKING_AUTH`` says."""
        return NAME

    def get_auth(self) -> Identity:
        """The one of this process, which keeps its tokens."""
        return _IDENTITY


def audience_of(address: str) -> str:
    """Whom a token is for that a server wants; empty where it is not on Cloud Run."""
    if not address.startswith(BEGINNING):
        return ""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if (parts.hostname or "").endswith(END) else ""


def identify(address: str) -> None:
    """Lets MLflow's client show who it is to a server on Cloud Run. Raises NoIdentity where it cannot."""
    audience = audience_of(address)
    if not audience:
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if os.environ.get(TOKEN):
        return
    _IDENTITY.check(audience)
    from mlflow.tracking.request_auth import registry

    # MLflow's way in are entry points, and code that is copied into an image has none.
    if NAME not in {provider.get_name() for provider in registry._request_auth_provider_registry}:
        registry._request_auth_provider_registry.register(Provider)
    os.environ.setdefault("MLFLOW_TRACKING_AUTH", NAME)


def _transport() -> Any:
    from google.auth.transport.requests import Request

    return Request()


_IDENTITY = Identity()
