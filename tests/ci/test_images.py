"""Images are signed and listed where they were built, and come to an environment with the digest that was signed."""

from __future__ import annotations

import json

import pytest

from pipelines.images.lock import ImagesLock
from pipelines.images.spec import IMAGES
from tests.ci.conftest import BUILT, REGISTRY, Checkout

LOCK = "build/images.lock.json"


def promote(checkout: Checkout, **more: str) -> str:
    asked = {"REGISTRY": REGISTRY, "COMMIT": checkout.commit, "REPOSITORY": "Example/Sluice", **more}
    done = checkout.make("ci-promote", **asked)
    assert (done.returncode == 0) == ("error:" not in done.stderr)
    return done.stderr


def test_every_image_is_signed_and_its_list_attested_to(checkout: Checkout) -> None:
    lock = ImagesLock.load(checkout.lock())
    boms = checkout.folder / "build" / "images"
    boms.mkdir()
    for name in IMAGES:
        (boms / f"{name}.cdx.json").write_text("{}")
    done = checkout.make("ci-sign")
    assert done.returncode == 0, done.stderr
    signed = [call for call in checkout.asked("cosign") if call[1] == "sign"]
    attested = [call for call in checkout.asked("cosign") if call[1] == "attest"]
    references = [image.reference for image in lock.images.values()]
    assert [call[-1] for call in signed] == [call[-1] for call in attested] == references
    assert not any("key" in word for call in signed for word in call), "without a key"
    for call in attested:
        name = call[-1].partition("@")[0].rpartition("/")[2]
        assert call[call.index("--predicate") + 1].endswith(f"/{name}.cdx.json")


def test_an_image_without_a_list_is_a_sentence(checkout: Checkout) -> None:
    checkout.lock()
    assert "sluice/data: has no bill of materials at" in checkout.make("ci-sign").stderr


def test_nothing_is_signed_that_is_not_in_a_registry(checkout: Checkout) -> None:
    path = checkout.lock()
    lock = ImagesLock.load(path)
    here = {name: image.model_copy(update={"pushed": False}) for name, image in lock.images.items()}
    ImagesLock.of(here).save(path)
    assert "not in a registry yet" in checkout.make("ci-sign").stderr
    assert checkout.asked("cosign") == []


def test_what_was_signed_is_copied_by_its_digest_once(checkout: Checkout) -> None:
    lock = ImagesLock.load(checkout.lock())
    there = f"{REGISTRY}/sluice/train@{lock.images['sluice/train'].reference.rpartition('@')[2]}"
    checkout.plays["there"] = [there]
    assert promote(checkout) == ""
    assert [call[1] for call in checkout.asked("cosign")] == ["verify"] * len(IMAGES)
    copied = [call for call in checkout.asked("skopeo") if call[1] == "copy"]
    assert len(copied) == len(IMAGES) - 1, "what is there is not copied again"
    for call in copied:
        assert "--preserve-digests" in call
        source, target = call[-2], call[-1]
        assert source.startswith(f"docker://{BUILT}/sluice/")
        assert target.startswith(f"docker://{REGISTRY}/sluice/")
        assert source.partition("@sha256:")[2][:12] == target.rpartition(":")[2]
    now = ImagesLock.load(checkout.folder / LOCK).images
    for name, image in lock.images.items():
        assert now[name].reference == image.reference.replace(BUILT, REGISTRY)


def test_nothing_is_copied_that_our_build_of_this_commit_did_not_sign(checkout: Checkout) -> None:
    path = checkout.lock()
    before = path.read_bytes()
    checkout.plays["fails"] = ["cosign"]
    assert "cosign verify" in promote(checkout)
    assert checkout.asked("skopeo") == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["REGISTRY", "COMMIT", "REPOSITORY"])
def test_what_is_not_said_is_asked_for(checkout: Checkout, name: str) -> None:
    checkout.lock()
    assert "promote: wants REGISTRY, COMMIT and REPOSITORY" in promote(checkout, **{name: ""})


def test_images_as_they_ship_are_built_for_cuda(checkout: Checkout) -> None:
    checkout.plays["fails"] = ["version"]
    done = checkout.make("ci-images")
    assert done.returncode != 0
    assert checkout.asked("docker")[0][1] == "version", "the daemon is asked for first"
    assert "--torch cuda" in checkout.make("ci-images", MAKEFLAGS="n").stdout


class TestTheLockOfABuild:
    def test_it_is_fetched_from_the_run_of_main_for_the_commit(self, checkout: Checkout) -> None:
        text = checkout.lock().read_text()
        (checkout.folder / LOCK).unlink()
        checkout.plays |= {"run": "42", "lock": text}
        done = checkout.make("ci-lock", COMMIT=checkout.commit)
        assert done.returncode == 0, done.stderr
        listed, downloaded = checkout.asked("gh")
        for words in (
            ("--workflow", "main.yml"),
            ("--branch", "main"),
            ("--event", "push"),
            ("--commit", checkout.commit),
        ):
            assert tuple(listed[listed.index(words[0]) :][:2]) == words
        assert downloaded[3] == "42"
        assert json.loads((checkout.folder / LOCK).read_text()) == json.loads(text)

    @pytest.mark.parametrize(
        ("plays", "commit", "words"),
        [
            ({}, "v1.2.3", "COMMIT 'v1.2.3' is no commit's 40 digits"),
            ({}, "0" * 40, f"main.yml never ran for {'0' * 40}; release a commit of main"),
            ({"run": "42"}, "0" * 40, "run 42 of main.yml has no images-lock"),
        ],
    )
    def test_one_that_cannot_be_had_is_a_sentence(
        self, checkout: Checkout, plays: dict[str, str], commit: str, words: str
    ) -> None:
        checkout.lock()
        checkout.plays |= plays
        done = checkout.make("ci-lock", COMMIT=commit)
        assert done.returncode != 0
        assert words in done.stderr
