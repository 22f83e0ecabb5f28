"""Terraform on a copy of ``infra/terraform``: without a cloud, and without the provider where it cannot be had.

The stand-in (``SLUICE_TERRAFORM_OFFLINE`` names its folder) serves the provider's schema and nothing else. It does not
know which values the real one refuses, and its lock must never be kept, so all is done in a copy.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "infra" / "terraform"
OFFLINE = Path(os.environ.get("SLUICE_TERRAFORM_OFFLINE") or SOURCE.parents[2] / "shared/tools/terraform-offline")
MODULES = sorted(path.name for path in (SOURCE / "modules").iterdir())
ENVIRONMENTS = ("dev", "staging", "prod")
IMAGES = {
    name: f"europe-west4-docker.pkg.dev/sluice-example/sluice/{name}@sha256:{digit * 64}"
    for name, digit in (("mlflow", "a"), ("proxy", "b"), ("dispatch", "c"))
}
"""Made-up images of an environment's services: nothing is pulled."""
SECONDS = 240
"""For one command; a first download of the real provider has 100 MB."""
ABSENT = "there is no terraform here (https://developer.hashicorp.com/terraform/install)"
UNREACHABLE = (
    "Terraform's google provider can neither be downloaded here nor be stood in for (SLUICE_TERRAFORM_OFFLINE)"
)
NEEDS = "the stand-in for Terraform's google provider needs the packages grpcio and msgpack"


@dataclass(frozen=True)
class Terraform:
    """The copy, and the variables by which Terraform finds its provider."""

    root: Path
    variables: dict[str, str]

    def run(self, folder: str, *words: str) -> str:
        """What a command prints; fails the test with all of it where the command fails."""
        done = self._run(folder, *words)
        assert done.returncode == 0, f"terraform {' '.join(words)} in {folder}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def test(self, folder: str) -> None:
        """Carries out the tests that a folder has of its own; they read all of it, so what is not valid fails too."""
        self.run(folder, "init", "-backend=false", "-input=false", "-no-color")
        assert "0 failed" in self.run(folder, "test", "-no-color")

    def plan(self, folder: str, *words: str) -> dict[str, Any]:
        """The plan of what is not there yet, as ``terraform show -json`` tells it; without a backend."""
        (self.root / folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        self.run(folder, "init", "-input=false", "-no-color")
        self.run(folder, "plan", "-input=false", "-no-color", "-out", "this.tfplan", *words)
        found: dict[str, Any] = json.loads(self.run(folder, "show", "-json", "this.tfplan"))
        return found

    def _run(self, folder: str, *words: str) -> subprocess.CompletedProcess[str]:
        # A Terraform whose provider has gone does not end by itself, nor when it is asked to.
        bounded = ["timeout", "--kill-after=5", str(SECONDS), "terraform", *words]
        return subprocess.run(
            bounded,
            cwd=self.root / folder,
            env=os.environ | self.variables,
            capture_output=True,
            text=True,
            check=False,
        )


def prepared(place: Path) -> Terraform:
    """Terraform on a copy in a folder; skips where there is none, or no provider for it."""
    if not shutil.which("terraform"):
        pytest.skip(ABSENT)
    root = place / "terraform"
    shutil.copytree(SOURCE, root, ignore=shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*"))
    # No one is asked, but the real provider wants to know as whom it would.
    variables = {"CHECKPOINT_DISABLE": "1", "GOOGLE_OAUTH_ACCESS_TOKEN": "nobody"}
    terraform = Terraform(root, variables | (_stand_in(place) if OFFLINE.is_dir() else _real(place)))
    if not OFFLINE.is_dir() and terraform._run("bootstrap", "init", "-backend=false", "-input=false").returncode:
        pytest.skip(UNREACHABLE)
    return terraform


def planned(terraform: Terraform, name: str) -> dict[str, Any]:
    """The whole plan of an environment, with images for its services."""
    return terraform.plan(f"envs/{name}", "-var", f"images={json.dumps(IMAGES)}")


def resources(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All resources of a plan, in whatever module they are."""
    return _of(plan["planned_values"]["root_module"])


def _of(module: dict[str, Any]) -> list[dict[str, Any]]:
    below = [one for child in module.get("child_modules", ()) for one in _of(child)]
    return [*module.get("resources", ()), *below]


def _stand_in(place: Path) -> dict[str, str]:
    if not (find_spec("grpc") and find_spec("msgpack")):
        pytest.skip(NEEDS)
    made = place / "provider"
    subprocess.run(["sh", OFFLINE / "install.sh", made, sys.executable], check=True, capture_output=True)
    return {"TF_CLI_CONFIG_FILE": str(made / "terraformrc")}


def _real(place: Path) -> dict[str, str]:
    cache = place / "providers"
    cache.mkdir()
    return {"TF_PLUGIN_CACHE_DIR": str(cache)}
