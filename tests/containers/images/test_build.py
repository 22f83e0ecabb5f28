"""What ``make images`` and ``make images-push`` say when something is not as it should be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.core.errors import Conflict, Failed, InvalidInput, Refused
from pipelines.images import bases, build, daemon, push
from pipelines.images.lock import ImagesLock, LockedImage
from pipelines.images.spec import IMAGES
from tests.containers.images.conftest import SaysDocker

ID = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


def locked(**given: object) -> LockedImage:
    return LockedImage.model_validate(
        {"reference": f"sluice/data@{ID}", "platform": "linux/amd64", "base": OTHER, **given}
    )


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "images.lock.json"
    ImagesLock.of({"sluice/data": locked()}).save(path)
    return path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence on standard error."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("docker_says", "code", "sentence"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///x. Is it running?",
            4,
            "no Docker daemon answers at .*; start Docker",
        ),
        ("permission denied while trying to connect to unix:///var/run/docker.sock", 4, "add it to the group docker"),
        ("write /var/lib: no space left on device", 4, "the disk of the Docker daemon is full; `docker builder prune`"),
    ],
)
def test_a_daemon_that_cannot_is_a_sentence(
    docker_that: SaysDocker, capsys: pytest.CaptureFixture[str], docker_says: str, code: int, sentence: str
) -> None:
    docker_that(fails={"version": docker_says})
    assert build.main(["data"]) == code
    assert re.search(sentence, said(capsys))


def test_no_docker_at_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.main(["data"]) == 4
    assert "there is no docker on the PATH; start Docker, or `containers/dockerd.sh start`" in said(capsys)


def test_an_image_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["date"]) == 2
    assert "there is no image 'date'; did you mean data?; there are: data, train" in said(capsys)


def test_a_daemon_of_another_platform(docker_that: SaysDocker, capsys: pytest.CaptureFixture[str]) -> None:
    docker_that({"version": "linux/arm64"})
    assert build.main(["data"]) == 2
    assert "builds for linux/arm64, the locks are made for linux/amd64" in said(capsys)


@pytest.mark.parametrize("option", ["--wheels", "--certificates"])
def test_an_option_that_leads_nowhere(option: str, docker_that: SaysDocker, capsys: pytest.CaptureFixture[str]) -> None:
    docker_that()
    assert build.main(["data", option, "/nowhere"]) == 2
    assert f"{option} /nowhere: there is nothing" in said(capsys)


def test_a_disk_that_is_full_while_building(
    docker_that: SaysDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_that({"image inspect": json.dumps([{"Id": ID}])}, fails={"build": "#7 3.1 tar: no space left on device"})
    monkeypatch.setattr(build, "LOGS", tmp_path)
    with pytest.raises(Failed, match=r"data: the disk of the Docker daemon is full; .*the whole log is "):
        build.build(IMAGES["data"], build.Choices(stand_in="here"))


def test_why_a_command_of_a_build_failed_is_told() -> None:
    log = "#7 8.697 error: Failed to build `pyfarmhash`\n#7 ERROR: executor failed\nexecutor failed: exit code: 1"
    assert "error: Failed to build `pyfarmhash`" in str(daemon.fault("statistics", log))


def test_a_lock_changed_by_hand_is_not_built_upon(
    docker_that: SaysDocker, lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docker_that()
    lock.write_text(lock.read_text().replace(ID, OTHER))
    with pytest.raises(InvalidInput, match="was changed by hand; `make images` writes it anew"):
        build.build_all([IMAGES["data"]], build.Choices(), lock)
    assert capsys.readouterr().out == ""


@pytest.fixture
def base_file(tmp_path: Path) -> Path:
    path = tmp_path / "bases.json"
    path.write_text(json.dumps({"python": {"reference": "docker.io/library/python:3.11", "digest": None}}))
    return path


def test_a_base_without_digest_is_refused_unless_something_stands_in(docker_that: SaysDocker, base_file: Path) -> None:
    docker_that({"image inspect": json.dumps([{"Id": ID}])})
    with pytest.raises(InvalidInput, match=r"python:3\.11 has no digest yet; `make images-bases`.*STAND_IN=1"):
        bases.base("python", path=base_file)
    stands = bases.base("python", "1", base_file)
    assert (stands.digest, stands.stand_in) == (ID, True)
    assert stands.says == "stand-in for docker.io/library/python:3.11"


def test_a_stand_in_that_is_not_here(docker_that: SaysDocker, base_file: Path) -> None:
    docker_that(fails={"image inspect": "Error: No such image: mine"})
    with pytest.raises(InvalidInput, match=r"mine: the stand-in is not on this machine; `containers/stand_in\.sh`"):
        bases.base("python", "mine", base_file)


def test_a_tag_that_was_moved_is_told_and_taken_only_when_asked(docker_that: SaysDocker, base_file: Path) -> None:
    digests = [f"docker.io/library/python@{ID}"]
    docker_that({"image inspect": json.dumps([{"RepoDigests": digests}])})
    assert bases.write_digests(base_file) == [f"python: docker.io/library/python:3.11 {ID} (new)"]
    assert bases.base("python", path=base_file).name == f"docker.io/library/python@{ID}"
    base_file.write_text(base_file.read_text().replace(ID, OTHER))
    with pytest.raises(Conflict, match=r"the tag was moved; look what has changed, then `make images-bases MOVE=1`"):
        bases.write_digests(base_file)
    assert OTHER in base_file.read_text()
    bases.write_digests(base_file, move=True)
    assert ID in base_file.read_text()


@pytest.mark.parametrize("text", ["", "[]", '{"python": {"reference": "python", "digest": null}}', '{"python": {}}'])
def test_a_file_of_bases_that_is_none(base_file: Path, text: str) -> None:
    base_file.write_text(text)
    with pytest.raises(InvalidInput, match=str(base_file)):
        bases.bases(base_file)


def test_pushing_writes_the_registrys_digest_and_does_not_push_again(docker_that: SaysDocker, lock: Path) -> None:
    asked = docker_that({"image inspect": json.dumps([{"RepoDigests": [f"r.example/x/sluice/data@{OTHER}"]}])})
    assert push.push("r.example/x", lock) == [f"r.example/x/sluice/data@{OTHER}"]
    image = ImagesLock.load(lock).images["sluice/data"]
    assert (image.reference, image.pushed) == (f"r.example/x/sluice/data@{OTHER}", True)
    before = asked.read_text()
    push.push("r.example/x", lock)
    assert asked.read_text() == before


def test_an_image_that_is_gone_from_this_machine_cannot_be_pushed(docker_that: SaysDocker, lock: Path) -> None:
    docker_that(fails={"image inspect": "Error: No such image: x"})
    with pytest.raises(InvalidInput, match="is not on this machine any more; `make images` builds it"):
        push.push("r.example/x", lock)


def test_a_stand_in_is_not_shipped(docker_that: SaysDocker, lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = docker_that()
    ImagesLock.of({"sluice/data": locked(stand_in=True)}).save(lock)
    with pytest.raises(Refused, match="for trying and not for shipping"):
        push.push("r.example/x", lock)
    assert not asked.exists()


@pytest.mark.parametrize("registry", ["", "https://r.example", "R.Example", "r.example/"])
def test_a_registry_that_is_none(registry: str, lock: Path) -> None:
    with pytest.raises(InvalidInput, match=r"REGISTRY .*: wants a host and path"):
        push.push(registry, lock)


def test_an_image_that_is_missing_in_the_registry(docker_that: SaysDocker, lock: Path) -> None:
    docker_that(fails={"manifest inspect": f"no such manifest: r.example/sluice/data@{ID}"})
    with pytest.raises(InvalidInput, match="not in a registry yet"):
        push.check(lock)
    ImagesLock.of({"sluice/data": locked(reference=f"r.example/sluice/data@{ID}", pushed=True)}).save(lock)
    with pytest.raises(InvalidInput, match="is not in the registry; `make images`, then `make images-push"):
        push.check(lock)
