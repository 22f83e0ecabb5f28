"""A checkout of its own with programs that play their part, in which the workflows' make targets are run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.core.store import Store
from pipelines.images.lock import ImagesLock, LockedImage
from pipelines.images.spec import IMAGES
from tests.contract.google.server import Server
from tests.contract.google.storage import Storage

ROOT = Path(__file__).resolve().parents[2]
PARTS = (".github", "Makefile", "pyproject.toml", "setup.sh", "locks", "components", "pipelines", "infra", "containers")
PLAYER = Path(__file__).with_name("player.py")
PROGRAMS = ("cosign", "docker", "gcloud", "gh", "skopeo", "terraform")
STORE = "gs://a-store/store"
RECORDS = "gs://a-trust"
REGISTRY = "europe-west4-docker.pkg.dev/a-project/sluice"
BUILT = "ghcr.io/example/sluice"
RECIPE = """\
version: 1
extends: ../../../../../pipelines/recipes/helpdesk.yaml
resolve: {root: gs://a-data/helpdesk}
"""
CODE = "import json; from pipelines.code_digest import code_digests; print(json.dumps(code_digests()))"


class Checkout:
    """The checkout, what its programs answer, and what they were asked."""

    def __init__(self, folder: Path, tmp_path: Path) -> None:
        self.folder, self.programs = folder, tmp_path / "programs"
        self.programs.mkdir()
        for name in PROGRAMS:
            file = self.programs / name
            file.write_text(f"#!{sys.executable}\n{PLAYER.read_text()}")
            file.chmod(0o755)
        self.plays: dict[str, Any] = {"outputs": self.outputs(), "access": 0}
        shutil.rmtree(folder / "build", ignore_errors=True)
        self.commit = self._run("git", "rev-parse", "HEAD").stdout.strip()

    def outputs(self, **deployment: Any) -> dict[str, Any]:
        """What Terraform says of a place that was applied."""
        account = "sluice-{}@a-project.iam.gserviceaccount.com".format
        place = {
            "name": "dev",
            "project": "a-project",
            "region": "europe-west4",
            "service_account": account("lifecycle"),
            "pipeline_root": "gs://a-pipelines/root",
            "store": STORE,
        }
        deployed = {
            "registry": REGISTRY,
            "config": "gs://a-trust/dispatch",
            "commands": {"watch": "gcloud run jobs execute sluice-watch"},
            "ci": {"provider": "projects/1/p", "push": account("ci"), "plan": account("plan")},
            **deployment,
        }
        return {"sluice_environment": {"value": place}, "deployment": {"value": deployed}}

    def lock(self, registry: str = BUILT, **more: str) -> Path:
        """Writes the images lock of a build; its path."""
        code = json.loads(self._run(str(self.folder / ".venv/bin/python"), "-c", CODE).stdout)
        images = {
            f"sluice/{name}": LockedImage(
                reference=more.get(name, f"{registry}/sluice/{name}@sha256:{position:064x}"),
                platform="linux/amd64",
                base=f"sha256:{0:064x}",
                code=code.get(name, ""),
                pushed=True,
            )
            for position, name in enumerate([*IMAGES, *(name for name in more if name not in IMAGES)])
        }
        path = self.folder / "build" / "images.lock.json"
        ImagesLock.of(images).save(path)
        return path

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a target as a workflow does; what is installed stays as it is."""
        (self.programs / "plays.json").write_text(json.dumps(self.plays))
        return self._run("make", "-o", "setup", target, *(f"{name}={value}" for name, value in variables.items()))

    def asked(self, program: str = "") -> list[list[str]]:
        """How programs were called, in order."""
        log = self.programs / "asked.jsonl"
        calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [call for call in calls if program in ("", call[0])]

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "MAKE"))},
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
        }
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git knows of the checkout, committed elsewhere, with the installed environment beside it."""
    folder = tmp_path_factory.mktemp("ci") / "checkout"
    names = subprocess.check_output(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PARTS), cwd=ROOT, text=True
    )
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    installed = Path(sys.prefix)
    for name in ("lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(installed / name)
    (binaries / "python").symlink_to(installed / "bin" / "python")
    (binaries / "uv").symlink_to(installed / "bin" / "uv")
    # Who can reach what is worked out, and tested, elsewhere; here it is what becomes of the verdict.
    (binaries / "sluice").write_text(f"#!{sys.executable}\n{PLAYER.read_text()}")
    (binaries / "sluice").chmod(0o755)
    recipes = folder / "infra" / "terraform" / "envs" / "dev" / "recipes"
    recipes.mkdir(exist_ok=True)
    (recipes / "helpdesk.yaml").write_text(RECIPE)
    bases = folder / "containers" / "bases.json"
    published = json.loads(bases.read_text())
    bases.write_text(json.dumps({name: one | {"digest": f"sha256:{8:064x}"} for name, one in published.items()}))
    (folder / ".gitignore").write_text("/.venv/\n/build/\n__pycache__/\n")
    me = ("-c", "user.name=ci", "-c", "user.email=ci@example.com")
    for command in (("init", "--quiet"), ("add", "--all"), (*me, "commit", "--quiet", "--message", "A checkout")):
        subprocess.run(("git", *command), cwd=folder, check=True)
    return folder


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The place's store, on a fake Cloud Storage that has the bucket of the records too."""
    service = Storage("a-store", "a-trust")
    with Server(service).running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        from gcsfs.core import GCSFileSystem

        GCSFileSystem.clear_instance_cache()
        yield Store(STORE)


@pytest.fixture
def checkout(copied: Path, tmp_path: Path) -> Iterator[Checkout]:
    yield Checkout(copied, tmp_path)
    subprocess.run(("git", "checkout", "--quiet", "--force", "."), cwd=copied, check=True)
