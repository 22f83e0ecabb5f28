"""The images lock, and what an environment and a submission make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import InvalidInput, Refused
from components.core.store import Store
from pipelines.backends.ask import pinned
from pipelines.code_digest import code_digests
from pipelines.environment import environment_from, load_environment
from pipelines.images import context
from pipelines.images.context import context_digest
from pipelines.images.lock import ImagesLock, LockedImage, check_code
from pipelines.images.spec import IMAGES
from pipelines.recipe import load_recipe
from pipelines.smoke import recipe as smoke_recipe
from tests.pipelines.small import RECIPE

DIGEST = "sha256:" + "a" * 64
STAGES = ("data", "train", "evaluate", "release", "monitor")


def locked(pushed: bool = True, **code: str) -> ImagesLock:
    given = code_digests() | code
    images = {
        f"sluice/{stage}": LockedImage(
            reference=f"registry.example/sluice/{stage}@{DIGEST}", platform="linux/amd64", base=DIGEST,
            code=given[stage], pushed=pushed,
        )
        for stage in STAGES
    }  # fmt: skip
    return ImagesLock.of(images)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose environment names the lock."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    shipped = load_environment("kubeflow").model_dump(mode="json")
    del shipped["image_code"]
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "there.yaml").write_text(
        json.dumps({**shipped, "store": "./store", "images": "build/images.lock.json"})
    )
    return tmp_path


def test_an_environment_has_the_images_of_the_lock_that_it_names(place: Path) -> None:
    locked().save(place / "build" / "images.lock.json")
    environment = load_environment("there")
    assert environment.images["sluice/data"] == f"registry.example/sluice/data@{DIGEST}"
    assert environment.image_code["sluice/data"] == code_digests()["data"]
    text, _ = pinned("lifecycle", "", load_recipe(place / "recipe.yaml"), environment, Store("store"))
    assert f"registry.example/sluice/data@{DIGEST}" in text
    assert "image: sluice/" not in text
    (place / "build" / "images.lock.json").unlink()
    kept = json.loads(environment.model_dump_json())
    assert environment_from(kept) == environment, "a run's record needs no file"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stand_in": True}, "sluice/data: on a stand-in for the published base, which is for trying"),
        ({"platform": "linux/arm64"}, "sluice/data is for linux/arm64, and Google Cloud runs linux/amd64"),
    ],
)
def test_what_google_cloud_is_not_to_run_or_cannot_is_no_image_there(
    place: Path, changed: dict[str, Any], said: str
) -> None:
    path = place / "build" / "images.lock.json"
    images = locked().images
    ImagesLock.of(images | {"sluice/data": images["sluice/data"].model_copy(update=changed)}).save(path)
    assert load_environment("there").images
    vertex = load_environment("vertex").model_dump(mode="json", exclude={"image_code"})
    there = json.dumps({**vertex, "images": "build/images.lock.json"})
    (place / "environments" / "google.yaml").write_text(there)
    with pytest.raises(InvalidInput, match=said):
        load_environment("google")


def test_an_image_of_other_code_is_not_submitted(place: Path) -> None:
    locked(data="0" * 16).save(place / "build" / "images.lock.json")
    environment = load_environment("there")
    with pytest.raises(Refused, match=r"^sluice/data: built from other files than are here.*`make images-push"):
        pinned("smoke", "", smoke_recipe(), environment, Store("store"))
    assert not (place / "store").exists()


def test_an_image_of_the_same_code_and_another_page_is_not_submitted(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {
        name: image.model_copy(update={"context": context_digest(IMAGES[name.removeprefix("sluice/")])})
        for name, image in locked().images.items()
    }
    ImagesLock.of(held).save(place / "build" / "images.lock.json")
    environment = load_environment("there")
    check_code(environment.image_code, code_digests())
    other = environment.image_code | {"containers/evaluate": "0" * 16}
    with pytest.raises(Refused, match=r"^sluice/evaluate: built from other files than are here"):
        check_code(other, code_digests())
    monkeypatch.setattr(context, "ROOT", place)  # no checkout, so nothing that could be compared
    check_code(other, code_digests())


def test_images_that_are_in_no_registry_are_for_this_machine(place: Path) -> None:
    locked(pushed=False).save(place / "build" / "images.lock.json")
    with pytest.raises(InvalidInput, match="not in a registry yet, and no other machine has it; `make images-push"):
        load_environment("there")
    here = load_environment("local").model_dump(mode="json", exclude={"image_code", "serving"})
    (place / "environments" / "here.yaml").write_text(json.dumps({**here, "images": "build/images.lock.json"}))
    assert load_environment("here").images["sluice/data"].endswith(DIGEST)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("b" * 64, "c" * 64), "was changed by hand; `make images` writes it anew"),
        (lambda text: text[: len(text) // 2], "not a ImagesLock"),
        (lambda text: text.replace("linux/amd64", "linux"), "platform: String should match pattern"),
        (lambda text: text.replace('"check"', '"cheque"'), "cheque: Extra inputs are not permitted"),
    ],
)
def test_a_lock_that_was_changed_by_hand_is_a_sentence(place: Path, change, words: str) -> None:
    path = place / "build" / "images.lock.json"
    lock = locked()
    image = lock.images["sluice/data"].model_copy(update={"base": "sha256:" + "b" * 64})
    ImagesLock.of({**lock.images, "sluice/data": image}).save(path)
    path.write_text(change(path.read_text()))
    with pytest.raises(InvalidInput, match=words) as error:
        load_environment("there")
    assert "build/images.lock.json" in str(error.value)


def test_a_lock_that_is_not_there_says_what_makes_it(place: Path) -> None:
    with pytest.raises(InvalidInput, match=r"images.lock.json: there is no images lock; `make images` writes it"):
        load_environment("there")
