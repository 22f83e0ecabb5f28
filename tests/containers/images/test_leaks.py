"""Secrets in images are found wherever they stand."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator

import pytest

from pipelines.images.leaks import leaks

pytestmark = pytest.mark.images

KEY = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n" * 3
    + "-----END PRIVATE KEY-----\n"
)
PLANTED = "planted-5f0a"
Build = Callable[..., str]


@pytest.fixture
def build(lock: object) -> Iterator[Build]:
    """``build("FROM scratch\\n…", files={"a": "…"}, arguments=("--build-arg", "A=b"))``: the image's id."""
    made = list[str]()

    def call(dockerfile: str, files: dict[str, str], arguments: tuple[str, ...] = ()) -> str:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, text in {"Dockerfile": dockerfile, **files}.items():
                info = tarfile.TarInfo(name)
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        done = subprocess.run(
            ("docker", "build", "--quiet", *arguments, "-"),
            input=out.getvalue(),
            capture_output=True,
            check=True,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )
        made.append(done.stdout.decode().strip())
        return made[-1]

    yield call
    for image in made:
        subprocess.run(("docker", "image", "rm", "--force", image), capture_output=True, check=True)


def test_a_key_in_a_layer_is_found_also_where_a_later_layer_hides_it(build: Build) -> None:
    image = build("FROM scratch\nCOPY key /srv/key\nCOPY none /srv/key\n", {"key": KEY, "none": "nothing\n"})
    found = leaks(image)
    assert len(found) == 1
    assert found[0].endswith("/srv/key: private key")
    assert "MII" not in found[0]


def test_a_value_in_a_build_argument_and_in_a_variable_is_found(build: Build) -> None:
    dockerfile = "FROM scratch\nARG TOKEN\nENV HANDED_ON=${TOKEN}\nCOPY a /a\n"
    image = build(dockerfile, {"a": ""}, ("--build-arg", f"TOKEN={PLANTED}"))
    assert "settings: known value 1" in leaks(image, [PLANTED])
    assert any(line.startswith("history") for line in leaks(image, [PLANTED]))


def test_an_image_without_secrets_has_none(build: Build) -> None:
    assert leaks(build("FROM scratch\nCOPY a /a\n", {"a": "-----BEGIN PUBLIC KEY-----\n"}), [PLANTED]) == []


def test_nothing_that_was_built_holds_a_secret(built: dict[str, str]) -> None:
    assert {name: found for name, image in built.items() if (found := leaks(image))} == {}
