"""The images' files: locks, bases, Dockerfiles."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.images.bases import bases
from pipelines.images.context import ROOT
from pipelines.images.spec import IMAGES

CONTAINERS = ROOT / "containers"
OURS = sorted(image.name for image in IMAGES.values() if image.base == "python")
FROM_MAIN = sorted(set(OURS) - {"statistics"})
STEPS = sorted(image.name for image in IMAGES.values() if image.stage and image.name != "serve")
PIN = re.compile(r"^([a-z0-9.-]+)(?:\[[a-z,]+\])?==(\S+)((?: ;[^\\]*)?) \\$", re.MULTILINE)


def pins(path: Path) -> dict[tuple[str, str], set[str]]:
    """Hashes by name and version; the main lock has two versions of some, for two Pythons."""
    found = dict[tuple[str, str], set[str]]()
    for block in re.split(r"\n(?=[a-z])", path.read_text()):
        if pin := PIN.match(block):
            found[pin[1], pin[2]] = set(re.findall(r"sha256:[0-9a-f]{64}", block))
    return found


@pytest.mark.parametrize("name", FROM_MAIN)
def test_an_image_holds_what_the_main_lock_holds(name: str) -> None:
    main, image = pins(ROOT / "locks" / "main.txt"), pins(CONTAINERS / name / "requirements.txt")
    assert image
    assert [pin for pin, hashes in image.items() if main.get(pin) != hashes] == []


@pytest.mark.parametrize("name", [*OURS, "tools"])
def test_a_lock_has_a_hash_for_all_and_names_no_registry(name: str) -> None:
    text = (CONTAINERS / name / "requirements.txt").read_text()
    found = pins(CONTAINERS / name / "requirements.txt")
    assert found
    assert all(found.values())
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_what_signs_has_no_torch() -> None:
    heavy = {"torch", "transformers", "trl", "lm-eval", "peft"}
    for name in ("release", "monitor", "serve"):
        assert not IMAGES[name].torch
        assert not heavy & {package for package, _ in pins(CONTAINERS / name / "requirements.txt")}


@pytest.mark.parametrize("name", OURS)
def test_a_dockerfile_takes_its_base_from_the_build_and_runs_as_nobody_in_particular(name: str) -> None:
    text = (CONTAINERS / name / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}"}
    assert "\nARG BASE\n" in text
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["65532:65532"]
    assert not re.search(r"^(ARG|ENV) .*(TOKEN|SECRET|PASSWORD|KEY)", text, re.MULTILINE | re.IGNORECASE)


def test_dockerfiles_of_steps_differ_in_torch_and_name_only() -> None:
    def common(name: str) -> str:
        text = (CONTAINERS / name / "Dockerfile").read_text().partition("\n")[2]
        return text.replace("torch-*.txt ", "").replace("ARG TORCH=cpu\n", "").replace(f"sluice/{name}", "sluice/…")

    assert {common(name) for name in STEPS} == {common("data")}
    for name in STEPS:
        assert ("ARG TORCH=cpu" in (CONTAINERS / name / "Dockerfile").read_text()) == IMAGES[name].torch


def test_every_image_is_a_folder_and_stands_on_a_base_of_the_file() -> None:
    folders = {path.parent.name for path in CONTAINERS.glob("*/Dockerfile")}
    assert folders == set(IMAGES)
    assert {image.base for image in IMAGES.values()} <= bases().keys()
    for entry in json.loads((CONTAINERS / "bases.json").read_text()).values():
        assert not entry["reference"].endswith(":latest")


@pytest.mark.parametrize("installed", ["auto", "cpu", "cuda"])
def test_what_torch_an_image_gets_is_not_what_this_machine_gets(tmp_path: Path, installed: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (
        f".venv/.installed-{installed}",
        *(f"locks/{name}.txt" for name in ("main", "torch-cpu", "torch-cuda")),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("pyproject.toml", "setup.sh"):
        (tmp_path / name).touch()

    def would(*words: str) -> str:
        given = {name: value for name, value in os.environ.items() if name not in ("TORCH", "MAKEFLAGS", "MFLAGS")}
        command = ("make", "--dry-run", "--what-if=setup.sh", *words)
        return subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True, check=True).stdout

    for words, setup, torch in (
        (("images", "TORCH=cuda"), installed, "cuda"),
        (("images",), installed, "cpu"),
        (("setup", "TORCH=cpu"), "cpu", ""),
        (("images-lint", "TORCH=cuda"), "cuda", ""),
    ):
        said = would(*words)
        assert re.findall(r"\./setup\.sh (\w+)", said) == [setup], words
        assert "".join(re.findall(r"--torch (\w+)", said)) == torch, words
