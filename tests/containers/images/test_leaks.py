"""Secrets in images are found wherever they stand."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.core.errors import Failed
from pipelines.images.leaks import KINDS, leaks
from tests.containers.images.conftest import SaysDocker

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


@pytest.mark.images
def test_a_key_in_a_layer_is_found_also_where_a_later_layer_hides_it(build: Build) -> None:
    image = build("FROM scratch\nCOPY key /srv/key\nCOPY none /srv/key\n", {"key": KEY, "none": "nothing\n"})
    found = leaks(image)
    assert len(found) == 1
    assert found[0].endswith("/srv/key: private key")
    assert "MII" not in found[0]


ED25519 = "-----BEGIN PRIVATE KEY-----\n" + "MC4CAQAwBQYDK2VwBCIEI" + "A" * 43 + "\n-----END PRIVATE KEY-----\n"
ENCRYPTED = KEY.replace("BEGIN ", "BEGIN RSA ").replace("-----\nMII", "-----\nProc-Type: 4,ENCRYPTED\n\nMII")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (ED25519, "private key"),
        (ENCRYPTED, "private key"),
        (json.dumps({"private_key": ED25519}), "private key"),
        ("hf_" + "a1B2" * 8 + "cd", "token of Hugging Face"),
        ("github_pat_" + "a1" * 41, "token of GitHub"),
        ("glpat-" + "x" * 20, "token of GitLab"),
        ('aws_secret_access_key = "' + "a/" * 20 + '"', "secret key of AWS"),
        ("xoxb-" + "1" * 12 + "-" + "a" * 24, "token of Slack"),
        ("ya29." + "a" * 40, "token of Google"),
        ("GOCSPX-" + "a" * 28, "token of Google"),
    ],
)
def test_a_secret_is_known_by_its_form(text: str, kind: str) -> None:
    found = [name for name, one in KINDS.items() if re.search(one.pattern, f"a={text}\n".encode())]
    assert found == [kind]
    assert any(mark in text.encode() for mark in KINDS[kind].marks)


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if content.startswith(b"../"):
                info.type, info.linkname, info.size = tarfile.SYMTYPE, content.decode(), 0
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def saved(docker_that: SaysDocker, tmp_path: Path) -> Callable[[bytes], int]:
    """Sets what ``docker save`` writes."""
    docker_that({"history": "", "image inspect": '[{"Config": {}}]'}, fails={"save": "not this time"})
    with pytest.raises(Failed, match="not this time"):
        leaks("x")
    program, file = tmp_path / "docker-bin" / "docker", tmp_path / "saved.tar"
    program.write_text(program.read_text().replace("'save'*)", f"'save'*) cat {file}; exit 0 ;;\n'never'*)"))
    return file.write_bytes


BLOB = "blobs/sha256/"
LAYER, BASE = tar({"srv/key": KEY.encode()}), tar({"etc/passwd": b"root"})


def manifest(*layers: str) -> bytes:
    return json.dumps([{"Config": BLOB + "a" * 64, "Layers": list(layers)}]).encode()


@pytest.mark.parametrize("layer", [LAYER, gzip.compress(LAYER)])
def test_layers_are_found_as_later_dockers_write_them(saved: Callable[[bytes], int], layer: bytes) -> None:
    names = [BLOB + digit * 64 for digit in "bc"]
    blobs = {BLOB + "a" * 64: b'{"config": 1}', names[0]: BASE, names[1]: layer}
    saved(tar({**blobs, "manifest.json": manifest(*names)}))
    assert leaks("x") == ["layer cccccccccccc, /srv/key: private key"]


def test_and_as_earlier_ones_do_which_write_a_layer_once(saved: Callable[[bytes], int]) -> None:
    names = ["1/layer.tar", "2/layer.tar"]
    saved(tar({"1/layer.tar": LAYER, "2/layer.tar": b"../1/layer.tar", "manifest.json": manifest(*names)}))
    assert leaks("x") == ["layer 1/layer.tar, /srv/key: private key"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tar({"manifest.json": b"[]"}), "a layer"),
        (tar({BLOB + "b" * 64: BASE}), "a layer"),
        (tar({BLOB + "b" * 64: BASE, "manifest.json": manifest(BLOB + "b" * 64, BLOB + "c" * 64)}), f"{BLOB}ccc"),
        (tar({BLOB + "b" * 64: b"(\xb5/\xfd zstd", "manifest.json": manifest(BLOB + "b" * 64)}), f"{BLOB}bbb"),
        (tar({BLOB + "b" * 64: LAYER})[:1200], "a layer"),
        (b"", "a layer"),
    ],
)
def test_a_layer_that_cannot_be_read_is_not_taken_for_clean(
    saved: Callable[[bytes], int], content: bytes, said: str
) -> None:
    saved(content)
    with pytest.raises(Failed, match=rf"x: {said}.* cannot be read in what `docker save` wrote"):
        leaks("x")


@pytest.mark.images
def test_a_value_in_a_build_argument_and_in_a_variable_is_found(build: Build) -> None:
    dockerfile = "FROM scratch\nARG TOKEN\nENV HANDED_ON=${TOKEN}\nCOPY a /a\n"
    image = build(dockerfile, {"a": ""}, ("--build-arg", f"TOKEN={PLANTED}"))
    assert "settings: known value 1" in leaks(image, [PLANTED])
    assert any(line.startswith("history") for line in leaks(image, [PLANTED]))


@pytest.mark.images
def test_an_image_without_secrets_has_none(build: Build) -> None:
    assert leaks(build("FROM scratch\nCOPY a /a\n", {"a": "-----BEGIN PUBLIC KEY-----\n"}), [PLANTED]) == []


@pytest.mark.images
@pytest.mark.timeout(1800)
def test_nothing_that_was_built_holds_a_secret(built: dict[str, str]) -> None:
    assert {name: found for name, image in built.items() if (found := leaks(image))} == {}
