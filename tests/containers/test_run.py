"""A lifecycle and its release in the images, step by step through KFP's Docker runner, as outside of them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import docker
import pytest

from components.core.errors import Failed, InvalidInput
from components.core.store import Store
from pipelines.backends.containers import WORKER, Containers, run_container
from pipelines.backends.kfp_local import Limits
from pipelines.images.lock import ImagesLock
from tests.containers.conftest import NO_IMAGES, USER, Contained
from tests.end_to_end.conftest import RECIPE
from tests.end_to_end.outcome import NAME_OTHERS, outputs

NOW = "2026-02-01T00:00:00+00:00"
pytestmark = pytest.mark.images


@pytest.fixture(autouse=True)
def _images_of_steps(lock: ImagesLock) -> None:
    missing = sorted({f"sluice/{name}" for name in ("data", "train", "evaluate", "release")} - lock.images.keys())
    if missing:
        pytest.skip(f"{NO_IMAGES}: {', '.join(missing)}")


@pytest.mark.timeout(1800)
def test_what_is_made_in_containers_is_what_is_made_outside(contained: Contained) -> None:
    (contained.folder / "recipe.yaml").write_text(RECIPE)
    found = []
    for env, place in (("local", ".sluice"), ("contained", ".contained")):
        done = contained.sluice("run", "recipe.yaml", "--env", env, "--now", NOW, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        runs = json.loads(done.stdout)
        assert [(run["graph"], run["state"]) for run in runs] == [("lifecycle", "done"), ("release", "done")]
        store = Store(str(contained.folder / place / "store"))
        found.append({name: one for run in runs for name, one in outputs(run, store).items()})
    here, inside = found
    assert here.keys() == inside.keys()
    assert {name for name in here if here[name] != inside[name]} <= NAME_OTHERS


@pytest.mark.timeout(600)
def test_a_step_that_fails_in_a_container_fails_the_run_in_its_own_words(contained: Contained) -> None:
    (contained.folder / "recipe.yaml").write_text(RECIPE.replace("tickets.jsonl,", "gone.jsonl,"))
    done = contained.sluice("run", "recipe.yaml", "--env", "contained")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "gone.jsonl" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_no_failed_container_is_taken_for_a_success(lock: ImagesLock, tmp_path: Path) -> None:
    """KFP's own runner did take them: 5 of 20 (kubeflow/pipelines #13332)."""
    os.chown(tmp_path, USER, USER)
    client, given = docker.from_env(), Containers("must-fail", tmp_path).arguments()
    image = lock.images["sluice/data"].reference
    codes = [run_container(client, image, ["sh", "-c", "exit 3"], io.BytesIO(), Limits(), given) for _ in range(20)]
    assert codes == [(3, "")] * 20
    assert not client.containers.list(all=True, filters={"label": "dev.sluice.run=must-fail"})


def test_limits_end_a_container_and_say_so(lock: ImagesLock, tmp_path: Path) -> None:
    os.chown(tmp_path, USER, USER)
    client, given = docker.from_env(), Containers("limits", tmp_path).arguments()
    image = lock.images["sluice/data"].reference
    _, late = run_container(client, image, ["sleep", "60"], io.BytesIO(), Limits(seconds=1), given)
    assert "over its time of 1 s" in late
    eats = ["python3", "-c", "bytearray(400 * 2**20)"]
    _, large = run_container(client, image, eats, io.BytesIO(), Limits(memory_bytes=200 * 2**20), given)
    assert "over its memory of 200 MiB" in large


def test_what_docker_refuses_is_a_sentence(lock: ImagesLock, tmp_path: Path) -> None:
    os.chown(tmp_path, USER, USER)
    given = Containers("tiny", tmp_path).arguments()
    image = lock.images["sluice/data"].reference
    with pytest.raises(Failed, match=r"Docker makes no container of it: .*; look at the step's resources"):
        run_container(docker.from_env(), image, ["true"], io.BytesIO(), Limits(memory_bytes=2**20), given)


def test_a_container_whose_worker_was_killed_is_removed_by_the_next_run(lock: ImagesLock, tmp_path: Path) -> None:
    os.chown(tmp_path, USER, USER)
    client, mine = docker.from_env(), Containers("killed", tmp_path).arguments()
    _, began, where = mine["labels"][WORKER].split(" ", 2)
    image = lock.images["sluice/data"].reference.rpartition("@")[2]
    left = {"killed": f"{2**22 + 1} {began} {where}", "other": f"{2**22 + 1} {began} another machine", "mine": ""}
    made = {
        name: client.containers.create(image, ["true"], labels={WORKER: worker or mine["labels"][WORKER]})
        for name, worker in left.items()
    }
    try:
        with Containers("next", tmp_path).open():
            there = {one.id for one in client.containers.list(all=True)}
        assert {name for name, one in made.items() if one.id in there} == {"other", "mine"}
    finally:
        for name in ("other", "mine"):
            made[name].remove(force=True)


def test_an_image_that_is_not_here_is_a_sentence(lock: ImagesLock, tmp_path: Path) -> None:
    os.chown(tmp_path, USER, USER)
    given = Containers("absent", tmp_path).arguments()
    absent = f"sluice/data@sha256:{'0' * 64}"
    with pytest.raises(InvalidInput, match="is not on this machine; `make images` builds it"):
        run_container(docker.from_env(), absent, ["true"], io.BytesIO(), Limits(), given)


@pytest.mark.skipif(os.getuid() != 0, reason="a project that belongs to root is made by root")
def test_no_step_runs_as_root(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="belongs to root, and no step in a container runs as root"):
        Containers("root", tmp_path).arguments()
