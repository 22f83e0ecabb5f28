"""A cluster of Kubernetes as the doctor sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from tests.contract.loopback import Loopback

TOKEN = "planted-0123456789"


class Kubernetes(Loopback):
    """A cluster's service accounts and Secrets by namespace. It does not imitate: all else, and who may do what."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, dict[tuple[str, str], dict[str, str]]] = {
            "serviceaccounts": {("kubeflow", "sluice-steps"): {}},
            "secrets": {},
        }

    async def answer(self, came: web.Request) -> web.StreamResponse:
        parts = came.path.split("/")
        kind, place = parts[5], (parts[4], parts[6])
        if came.method != "GET" or parts[:4] != ["", "api", "v1", "namespaces"] or kind not in self.items:
            self.wrong.append(f"{came.method} {came.path}")
        fault = self.fault_of(kind)
        status = fault.how if fault else 200 if place in self.items[kind] else 404
        assert isinstance(status, int)
        if status != 200:
            return web.json_response({"kind": "Status", "code": status}, status=status)
        body = {"apiVersion": "v1", "metadata": {"name": place[1], "namespace": place[0]}}
        return web.json_response(body | {"data": self.items[kind][place]})


@pytest.fixture
def kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    with Kubernetes().running() as kubernetes:
        login = {"clusters": [{"name": "here", "cluster": {"server": kubernetes.address}}],
                 "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                 "users": [{"name": "me", "user": {"token": TOKEN}}], "current-context": "here"}  # fmt: skip
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **login}))
        name = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        monkeypatch.setattr(name, str(tmp_path / "kubeconfig"))
        yield kubernetes


@pytest.fixture(autouse=True)
def _no_login_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "no-token"))
