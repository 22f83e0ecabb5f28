"""The images that ``make images`` built, and a user who may not be root to run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.core.errors import SluiceError
from pipelines.demo.tickets import write_tickets
from pipelines.environment import load_environment
from pipelines.images.build import LOCK
from pipelines.images.daemon import check_daemon
from pipelines.images.lock import ImagesLock

USER = 65532
"""Whose a project is where root runs the tests: no step runs as root."""
NO_IMAGES = "no images were built; `make images` builds them (it wants a Docker daemon: `make dockerd`)"


@pytest.fixture(scope="session")
def lock() -> ImagesLock:
    """The images lock of this checkout."""
    try:
        check_daemon()
        return ImagesLock.load(LOCK)
    except SluiceError:
        pytest.skip(NO_IMAGES)


@dataclass
class Contained:
    """A project of a user who is not root, and its environment whose steps run in containers."""

    folder: Path

    def sluice(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as that user, who may ask the Docker daemon."""
        home = {**os.environ, "HOME": str(self.folder), "PYTHONPATH": str(LOCK.parents[1])}
        command = [*self._as_user(), sys.executable, "-c", "from pipelines.cli import main; main()", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env=home)

    def _as_user(self) -> list[str]:
        """What makes a command that user's; it may still look through root's folders, where Python may lie."""
        if os.getuid():
            return []
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        look = "+dac_read_search"
        groups = f"--groups={Path(where).stat().st_gid}"
        return [
            "setpriv", f"--reuid={USER}", f"--regid={USER}", groups, f"--inh-caps={look}", f"--ambient-caps={look}"
        ]  # fmt: skip


@pytest.fixture
def contained(lock: ImagesLock, tmp_path: Path) -> Contained:
    """A project with the environments ``local``, of processes, and ``contained``, of containers."""
    write_tickets(tmp_path / "data", seed=3, genuine=300, questions=60)
    (tmp_path / "environments").mkdir()
    given = load_environment("local").model_dump(mode="json", exclude={"image_code"})
    apart = {name: value for name, value in given.items() if isinstance(value, str) and ".sluice" in value}
    moved = {name: value.replace(".sluice", ".contained") for name, value in apart.items()}
    keys = {name: value.replace(".sluice", ".contained") for name, value in given["keys"].items()}
    document = {**given, **moved, "keys": keys, "name": "contained", "images": str(LOCK)}
    (tmp_path / "environments" / "contained.yaml").write_text(json.dumps(document))
    for path in (tmp_path, *tmp_path.rglob("*")):
        if not os.getuid():
            os.chown(path, USER, USER)
    for path in tmp_path.parents:
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o011)
    return Contained(tmp_path)
