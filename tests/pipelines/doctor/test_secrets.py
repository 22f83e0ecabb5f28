"""The secrets that an environment names, each in the ways in which it can be absent; what they hold is never said."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.doctor.check import Finding, Health, examine
from pipelines.doctor.secrets import checks
from pipelines.environment import environment_from, load_environment
from tests.contract.google.secret_manager import SecretManager
from tests.contract.google.server import Server
from tests.pipelines.doctor.conftest import Kubernetes

VALUE = "planted-0123456789"
HUB = "projects/sluice-example/secrets/hub"


def look(backend: str, **changes: Any) -> dict[str, Finding]:
    given = load_environment(backend).model_dump(mode="json") | {"secrets": {}} | changes
    found = {one.about: one for one in examine(checks(environment_from(given)))}
    assert VALUE not in "".join(one.line for one in found.values())
    return found


@pytest.fixture
def google() -> Iterator[tuple[Server, SecretManager]]:
    vault = SecretManager()
    with Server(vault).running() as server:
        yield server, vault


def in_vault(google: tuple[Server, SecretManager], reference: str, **changes: Any) -> Finding:
    found = look("vertex", api_endpoint=google[0].address, secrets={"hf-token": reference}, **changes)
    return found["secret hf-token"]


def test_a_version_that_can_be_read_is_well(google: tuple[Server, SecretManager]) -> None:
    google[1].add(HUB, VALUE.encode())
    for reference, version in (
        ("secret://hub", "latest"),
        ("secret://hub/1", "1"),
        (f"secret://{HUB}/versions/1", "1"),
    ):
        said = f"{HUB}/versions/{version} can be read from here; that lifecycle@sluice-example.iam.gserviceaccount.com"
        found = in_vault(google, reference)
        assert (found.health, said in found.said) == (Health.OK, True)


def test_a_secret_or_a_version_that_is_not_there(google: tuple[Server, SecretManager]) -> None:
    found = in_vault(google, "secret://hub")
    assert found.health is Health.MISSING
    assert f"there is no {HUB}/versions/latest; `gcloud secrets create hub --project sluice-example" in found.said
    google[1].add(HUB, VALUE.encode())
    assert f"there is no {HUB}/versions/2; " in in_vault(google, "secret://hub/2").said
    google[1].add(HUB, None)
    disabled = in_vault(google, "secret://hub/2")
    assert disabled.health is Health.MISSING
    assert "is in DISABLED state" in disabled.said
    assert "; enable that version, or name another" in disabled.said


def test_who_may_not_read_a_secret_here_is_told_whom_it_is_for(google: tuple[Server, SecretManager]) -> None:
    google[1].add(HUB, VALUE.encode())
    google[0].fail("versions.access", 403)
    found = in_vault(google, "secret://hub")
    assert found.health is Health.NOT_CHECKED
    assert "see that lifecycle@sluice-example.iam.gserviceaccount.com may, with roles/secretmanager.secretAccessor" in (
        found.said
    )
    assert "`gcloud secrets get-iam-policy hub --project sluice-example`" in found.said
    google[0].fail("versions.access", 401)
    assert in_vault(google, "secret://hub").health is Health.MISSING


def test_without_a_login_nothing_is_said_of_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    found = look("vertex", api_endpoint="", example=False, secrets={"hf-token": "secret://hub"})["secret hf-token"]
    assert found.health is Health.NOT_CHECKED
    assert found.said == "the login is missing or ended; log in first, as `credentials` says"


def test_what_is_no_secret_of_the_backend_s(google: tuple[Server, SecretManager]) -> None:
    assert "names no secret of Secret Manager; write secret://NAME" in in_vault(google, "env://HF_TOKEN").said
    for reference in ("env://HF_TOKEN", "secret://hub"):
        found = look("kubeflow", secrets={"hf-token": reference}, image_pull_secrets=[])["secret hf-token"]
        assert found.health is Health.MISSING
        assert f"{reference} names no key of a Kubernetes Secret; write secret://SECRET/KEY" in found.said
    assert "write env://VARIABLE" in look("local", secrets={"hf-token": "secret://hub"})["secret hf-token"].said


def test_the_webhook_s_address_is_read_from_here(
    google: tuple[Server, SecretManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"api_endpoint": google[0].address}
    assert look("vertex", **there, webhook="secret://hub")["secret of webhook"].health is Health.MISSING
    google[1].add(HUB, VALUE.encode())
    assert (
        "that whoever follows or dispatches may"
        in look("vertex", **there, webhook="secret://hub")["secret of webhook"].said
    )
    assert (
        "the variable WEBHOOK is not set" in look("vertex", **there, webhook="env://WEBHOOK")["secret of webhook"].said
    )
    monkeypatch.setenv("WEBHOOK", VALUE)
    assert look("vertex", **there, webhook="env://WEBHOOK")["secret of webhook"].health is Health.OK


def test_a_secret_of_the_cluster_and_its_key(kubernetes: Kubernetes) -> None:
    secrets, pull = {"hf-token": "secret://hub/token"}, ["registry"]
    found = look("kubeflow", secrets=secrets, image_pull_secrets=pull)
    assert {one.health for one in found.values()} == {Health.MISSING}
    assert (
        "there is no Secret hub in namespace kubeflow; `kubectl create secret generic hub"
        in found["secret hf-token"].said
    )
    data = base64.b64encode(VALUE.encode()).decode()
    kubernetes.items["secrets"] = {("kubeflow", "hub"): {"key": data}, ("kubeflow", "registry"): {}}
    found = look("kubeflow", secrets=secrets, image_pull_secrets=pull)
    assert found["image pull secret registry"].said == "registry is in namespace kubeflow"
    assert "has no key token, it has key; add it" in found["secret hf-token"].said
    kubernetes.items["secrets"]["kubeflow", "hub"] = {"token": data}
    found = look("kubeflow", secrets=secrets, image_pull_secrets=pull)
    assert {one.health for one in found.values()} == {Health.OK}
    assert data not in "".join(one.line for one in found.values())


@pytest.mark.parametrize(
    ("status", "health", "words"),
    [
        (403, Health.NOT_CHECKED, "have somebody look: `kubectl describe secret hub --namespace kubeflow`"),
        (401, Health.MISSING, "the login for the cluster is missing or ended"),
    ],
)
def test_a_cluster_that_does_not_let_one_look(kubernetes: Kubernetes, status: int, health: Health, words: str) -> None:
    kubernetes.fail("secrets", status)
    found = look("kubeflow", secrets={"hf-token": "secret://hub/token"}, image_pull_secrets=[])["secret hf-token"]
    assert (found.health, words in found.said) == (health, True)


def test_a_variable_that_nobody_set_is_wanted_only_by_some_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    found = look("local", secrets={"hf-token": "env://HF_TOKEN"})["secret hf-token"]
    assert found.health is Health.NOT_CHECKED
    assert "export it before a recipe that wants it is run" in found.said
    monkeypatch.setenv("HF_TOKEN", VALUE)
    assert look("local", secrets={"hf-token": "env://HF_TOKEN"})["secret hf-token"].health is Health.OK
