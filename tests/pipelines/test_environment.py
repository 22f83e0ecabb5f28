from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.core.errors import InvalidInput
from pipelines.environment import SHIPPED, is_loopback, load_environment, shipped


def changed(tmp_path: Path, name: str, **changes: object) -> str:
    """A shipped environment with some fields changed; None removes one."""
    document = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text()) | changes
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))
    return str(path)


def complaint(path: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        load_environment(path)
    return str(caught.value)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_environment_loads(name: str) -> None:
    assert load_environment(name).name == name


def test_a_misspelt_name_is_held_against_the_projects_own_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "known: " in complaint("prodution")
    Path("environments").mkdir()
    Path("environments/production.yaml").write_text("")
    assert complaint("prodution") == "--env prodution: there is no such environment; did you mean production?"
    assert complaint("x") == "--env x: there is no such environment; known: " + ", ".join(
        sorted(["production", *shipped()])
    )


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    assert "region: missing; add it" in complaint(changed(tmp_path, "vertex", region=None))


def test_an_image_by_tag_is_refused(tmp_path: Path) -> None:
    found = complaint(changed(tmp_path, "kubeflow", images={"sluice/data": "registry.example/sluice/data:latest"}))
    assert "is not pinned; write registry/name@sha256:<64 digits>, a tag can move" in found


def test_a_secret_in_clear_is_refused(tmp_path: Path) -> None:
    assert "secrets.hub: a secret is named, never written" in complaint(
        changed(tmp_path, "local", secrets={"hub": "swordfish"})
    )
    assert "looks like a secret in clear" in complaint(changed(tmp_path, "local", tracking="http://me:pw@host/"))


@pytest.mark.parametrize("store", ["", " ", "foo://x", "{{$.x}}"])
def test_a_store_that_is_no_place_is_refused(tmp_path: Path, store: str) -> None:
    assert "is no place for a store; use a folder, gs://… or s3://…" in complaint(
        changed(tmp_path, "local", store=store)
    )


@pytest.mark.parametrize("backend", [["local"], {"a": "b"}, 3])
def test_a_backend_that_is_no_word_is_refused(tmp_path: Path, backend: object) -> None:
    assert "backend: " in complaint(changed(tmp_path, "local", backend=backend))


@pytest.mark.parametrize("version", ["", "/cryptoKeyVersions", "/cryptoKeyVersions/latest", "/cryptoKeyVersions/0"])
def test_a_key_in_googles_vault_without_a_version_is_refused(tmp_path: Path, version: str) -> None:
    address = f"gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k{version}"
    said = complaint(changed(tmp_path, "vertex", keys={"release": address}))
    assert f"{address!r} pins no version of a key of Cloud KMS; write gcpkms:projects/PROJECT" in said
    assert "vertex.yaml:" in said


@pytest.mark.parametrize("account", ["", " ", "Steps", "-steps", "steps@project", "steps\n"])
def test_what_is_no_kubernetes_account_is_refused(tmp_path: Path, account: str) -> None:
    assert "service_account: " in complaint(changed(tmp_path, "kubeflow", service_account=account))
    assert "accounts.release: " in complaint(changed(tmp_path, "kubeflow", accounts={"release": account}))
    named = changed(tmp_path, "kubeflow", service_account="s", accounts={"release": "sluice.release-1"})
    assert load_environment(named).account_of("release") == "sluice.release-1"


def test_an_example_is_only_sent_to_loopback(tmp_path: Path) -> None:
    found = complaint(changed(tmp_path, "kubeflow", host="https://kfp.company.example"))
    assert "is not a loopback address, and an example's image digests are made up" in found
    assert load_environment(changed(tmp_path, "kubeflow", host="https://kfp.company.example", example=False))


def test_an_unknown_environment_or_backend_names_the_nearest(tmp_path: Path) -> None:
    assert "did you mean vertex?" in complaint("vertx")
    assert "did you mean kubeflow?" in complaint(changed(tmp_path, "kubeflow", backend="kubflow"))


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("http://127.0.0.1:8888", True),
        ("http://localhost", True),
        ("[::1]:80", True),
        ("https://127.0.0.1.example.com", False),
        ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
    ],
)
def test_only_loopback_is_loopback(address: str, here: bool) -> None:
    assert is_loopback(address) is here
