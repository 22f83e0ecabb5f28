"""Terraform's images out of the images lock and the published bases."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.core.errors import InvalidInput
from pipelines import catalogue
from pipelines.cli import sluice
from pipelines.images import bases
from pipelines.images.lock import ImagesLock, LockedImage

DIGEST = f"sha256:{1:064x}"
PROXY = "gcr.io/cloud-sql-connectors/cloud-sql-proxy"


def image(name: str, pushed: bool = True) -> LockedImage:
    registry = "r.example/p/" if pushed else ""
    return LockedImage(
        reference=f"{registry}{name}@{DIGEST}", platform="linux/amd64", base=f"sha256:{0:064x}", pushed=pushed
    )


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock with what services run, pushed, and one that they do not, which is not."""
    path = tmp_path / "images.lock.json"
    pushed = {name: image(name) for name in ("sluice/release", "sluice/dispatch")}
    ImagesLock.of({**pushed, "sluice/data": image("sluice/data", pushed=False)}).save(path)
    return path


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bases, with a digest each."""
    path = tmp_path / "bases.json"
    path.write_text(json.dumps({name: one | {"digest": DIGEST} for name, one in bases.bases().items()}))
    monkeypatch.setattr(bases, "PATH", path)
    return path


def said(*words: str) -> None:
    sluice.main(["env", "services", *words], standalone_mode=False)


def test_a_stand_in_is_no_service(lock: Path, published: Path) -> None:
    images = ImagesLock.load(lock).images
    ImagesLock.of(images | {"sluice/dispatch": images["sluice/dispatch"].model_copy(update={"stand_in": True})}).save(
        lock
    )
    with pytest.raises(InvalidInput, match="sluice/dispatch: on a stand-in for the published base"):
        said(str(lock))


def test_each_service_has_its_image_by_digest_and_terraform_asks_for_these(
    lock: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(str(lock))
    told = json.loads(capsys.readouterr().out)
    ours = "r.example/p/sluice/{}".format
    assert told == {
        "images": {
            "mlflow": f"{ours('release')}@{DIGEST}",
            "dispatch": f"{ours('dispatch')}@{DIGEST}",
            "proxy": f"{PROXY}@{DIGEST}",
        }
    }
    declared = (catalogue.ROOT.parent / "infra/terraform/envs/dev/variables.tf").read_text()
    assert set(re.findall(r"(\w+) = string", declared)) == told["images"].keys()


def test_the_file_is_written_whole_and_its_name_is_said(
    lock: Path, published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "dev" / "images.auto.tfvars.json"
    said(str(lock), "--out", str(out))
    assert capsys.readouterr().out == f"{out}\n"
    assert json.loads(out.read_text())["images"].keys() == {"mlflow", "dispatch", "proxy"}


def test_an_image_that_is_missing_or_in_no_registry_is_a_sentence(lock: Path, published: Path, tmp_path: Path) -> None:
    out = tmp_path / "images.auto.tfvars.json"
    here = {"sluice/release": image("sluice/release"), "sluice/dispatch": image("sluice/dispatch", pushed=False)}
    ImagesLock.of(here).save(lock)
    with pytest.raises(InvalidInput, match=r"sluice/dispatch: not in a registry yet.*`make images-push REGISTRY=…`"):
        said(str(lock), "--out", str(out))
    ImagesLock.of({"sluice/release": image("sluice/release")}).save(lock)
    with pytest.raises(InvalidInput, match=r"has no sluice/dispatch, which Terraform's services run; `make images`"):
        said(str(lock), "--out", str(out))
    lock.unlink()
    with pytest.raises(InvalidInput, match="there is no images lock; `make images` writes it"):
        said(str(lock), "--out", str(out))
    assert not out.exists()


def test_a_published_image_without_a_digest_says_what_writes_it(lock: Path, published: Path) -> None:
    published.write_text(json.dumps({"cloud-sql-proxy": {"reference": f"{PROXY}:2", "digest": None}}))
    with pytest.raises(InvalidInput, match=rf"cloud-sql-proxy: {PROXY}:2 has no digest yet; `make images-bases`"):
        said(str(lock))
