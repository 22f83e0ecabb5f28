"""A Docker that says what a test wants, and a way to run what was built."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.images.lock import ImagesLock
from tests.containers.conftest import NO_IMAGES

HARDENED = ("--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777", "--cap-drop", "ALL")
HARDENED += ("--security-opt", "no-new-privileges")

SaysDocker = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def docker_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SaysDocker:
    """``docker_that({"image inspect": "[]"}, fails={"push": "denied"})``: by beginnings of its arguments.

    Returns the file in which it writes, a line each, what it was asked.
    """
    asked = tmp_path / "asked"

    def make(says: dict[str, str] | None = None, fails: dict[str, str] | None = None) -> Path:
        says = {"version": "linux/amd64", "network ls": "bridge", **(says or {})}
        folder = tmp_path / "docker-bin"
        folder.mkdir()
        cases = [f"'{begin}'*) printf '%s' '{text}' >&2; exit 1 ;;" for begin, text in (fails or {}).items()]
        cases += [f"'{begin}'*) printf '%s' '{text}' ;;" for begin, text in says.items()]
        text = "\n".join(["#!/bin/sh", f'echo "$*" >>{asked}', 'case "$*" in', *cases, "esac"])
        (folder / "docker").write_text(text)
        (folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return asked

    return make


@pytest.fixture(scope="session")
def built(lock: ImagesLock) -> dict[str, str]:
    """The id of each image that was built on this machine, by its short name."""
    return {name.removeprefix("sluice/"): image.at_hand for name, image in lock.images.items()}


@pytest.fixture(scope="session")
def run(built: dict[str, str]) -> Run:
    """``run("data", "python", "-c", "…")`` in an image as a cluster runs it: no network, read-only, no capability."""

    def call(image: str, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        if image not in built:
            pytest.skip(f"{NO_IMAGES}: {image}")
        return subprocess.run(
            ("docker", "run", "--rm", "--network", "none", *HARDENED, *options, built[image], *command),
            capture_output=True,
            text=True,
            check=False,
        )

    return call
