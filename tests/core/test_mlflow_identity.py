"""MLflow's client before a server that lets nobody in without a token for it, and a metadata server that gives one."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from google.auth.compute_engine import _metadata

from components.core import mlflow_access, mlflow_identity
from components.core.errors import Failed
from components.core.mlflow_identity import TOKEN, Identity, NoIdentity, audience_of
from components.release.registries.mlflow_registry import MlflowRegistry
from tests.contract.loopback import Loopback

VARIABLES = (TOKEN, "MLFLOW_TRACKING_AUTH", "GOOGLE_APPLICATION_CREDENTIALS", *mlflow_access.SETTINGS)
EXPERIMENT = {"experiment_id": "7", "name": "sluice", "artifact_location": "gs://b/7", "lifecycle_stage": "active"}


class Google(Loopback):
    """A metadata server whose tokens last ``seconds``; ``given`` is for whom each was."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds, self.given = 3600, list[str]()

    async def answer(self, came: web.Request) -> web.StreamResponse:
        headers = {"Metadata-Flavor": "Google"}
        if not came.path.endswith("/identity"):
            return web.json_response({"email": "step@a-project.iam.gserviceaccount.com"}, headers=headers)
        self.given.append(came.query["audience"])
        return web.Response(text=self.token(came.query["audience"]), headers=headers)

    def token(self, audience: str) -> str:
        claims = {"aud": audience, "exp": int(time.time()) + self.seconds, "number": len(self.given)}
        parts = ({"alg": "RS256", "kid": "k"}, claims)
        return ".".join([*(base64.urlsafe_b64encode(json.dumps(one).encode()).decode() for one in parts), "c2ln"])


class CloudRun(Loopback):
    """MLflow as far as it finds an experiment, behind a door; ``shown`` is what was shown there."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = list[str]()

    @property
    def url(self) -> str:
        return self.address.replace("127.0.0.1", "localhost")

    async def answer(self, came: web.Request) -> web.StreamResponse:
        self.shown.append(came.headers.get("Authorization", ""))
        if came.headers["Host"].startswith("localhost") and not self.is_let_in(self.shown[-1]):
            return web.Response(status=403, text="<title>403 Forbidden</title>")
        return web.json_response({"experiment": EXPERIMENT})

    def is_let_in(self, shown: str) -> bool:
        claims = shown.removeprefix("Bearer ").split(".")[1:2]
        if shown == "Bearer mine":
            return True
        return bool(claims) and json.loads(base64.urlsafe_b64decode(claims[0]))["aud"] == self.url


@pytest.fixture(autouse=True)
def nobody_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set, and a server on ``localhost`` is one on Cloud Run."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(mlflow_identity, "_IDENTITY", Identity())
    monkeypatch.setattr(mlflow_identity, "BEGINNING", "http://")
    monkeypatch.setattr(mlflow_identity, "END", "localhost")
    at(monkeypatch, "127.0.0.1:9")


def at(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Where the metadata server is. Its library reads that when it is imported."""
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", place)
    monkeypatch.setenv("GCE_METADATA_IP", place)
    monkeypatch.setattr(_metadata.ping, "__defaults__", (1, 1))


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with Google().running() as server:
        at(monkeypatch, server.address.removeprefix("http://"))
        yield server


@pytest.fixture
def cloud_run() -> Iterator[CloudRun]:
    with CloudRun().running() as server:
        yield server


def found(address: str, times: int = 1) -> None:
    client = mlflow_access.open_client(address)
    for _ in range(times):
        assert client.get_experiment_by_name("sluice").experiment_id == "7"


def test_a_token_for_the_server_is_shown_with_each_request_and_kept_while_it_lasts(
    google: Google, cloud_run: CloudRun
) -> None:
    found(cloud_run.url, times=3)
    assert google.given == [cloud_run.url]
    assert len(set(cloud_run.shown)) == 1
    assert len(cloud_run.shown) == 3


def test_a_token_that_is_about_to_expire_is_followed_by_a_new_one(google: Google, cloud_run: CloudRun) -> None:
    google.seconds = 60  # Google's library wants some minutes left
    found(cloud_run.url, times=3)
    assert len(set(cloud_run.shown)) == 3


def test_no_other_server_is_shown_it(google: Google, cloud_run: CloudRun) -> None:
    found(cloud_run.url)
    found(cloud_run.address)
    first, other = cloud_run.shown
    assert first
    assert other == ""


def test_a_token_of_ones_own_is_shown_and_none_is_asked_for(
    google: Google, cloud_run: CloudRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "mine")
    found(cloud_run.url)
    assert (cloud_run.shown, google.given) == (["Bearer mine"], [])


def test_a_persons_own_login_gives_none_and_what_does_is_said(
    cloud_run: CloudRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = tmp_path / "application_default_credentials.json"
    login.write_text(json.dumps({"type": "authorized_user", "client_id": "c", "refresh_token": "r"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(login))
    with pytest.raises(NoIdentity, match=r"export MLFLOW_TRACKING_TOKEN=\$\(gcloud auth print-identity-token\)"):
        mlflow_access.open_client(cloud_run.url)
    with pytest.raises(
        Failed, match=rf"registry {cloud_run.url}: .* wants an identity token .*print-identity-token\)$"
    ):
        MlflowRegistry(cloud_run.url).versions("desk")
    assert cloud_run.shown == []
    assert issubclass(NoIdentity, mlflow_access.failures())


def test_only_an_address_of_cloud_runs_wants_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert (
        audience_of("https://sluice-mlflow-1.europe-west4.run.app/") == "https://sluice-mlflow-1.europe-west4.run.app"
    )
    others = (
        "http://sluice-mlflow-1.run.app",
        "https://run.app.example.com",
        "https://xrun.app",
        "sqlite:///x.run.app",
    )
    assert [audience_of(other) for other in others] == [""] * 4
