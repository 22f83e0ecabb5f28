"""A new step and a new project are green at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.core.errors import Conflict, InvalidInput
from pipelines import catalogue
from pipelines.scaffold import new_project, new_step

ROOT = catalogue.ROOT.parent
PARTS = ("components", "pipelines", "tests", "docs", "locks", "pyproject.toml")


@pytest.fixture
def checkout(tmp_path: Path):
    """A copy of this checkout, and a way to run Python in it."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, tmp_path / part)

    def python(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return tmp_path, python


def test_a_new_step_is_green_at_once(checkout) -> None:
    folder, python = checkout
    out = python("-c", "from pipelines.cli import main; main()", "new", "step", "data", "shorten_texts")
    assert "components/data/shorten_texts/component.py" in out
    python("-m", "pipelines.reference", "--check")
    new = ["components/data/shorten_texts", "tests/data/shorten_texts"]
    for check in (["format", "--check"], ["check"]):
        python("-m", "ruff", *check, *new)
    python("-m", "mypy", "components/data/shorten_texts")
    python(
        "-m", "pytest", "-p", "no:cacheprovider", "tests/data/shorten_texts", "tests/test_arrows.py", "-k", "shorten"
    )
    assert "shorten_texts" in (folder / "components/data/README.md").read_text()
    assert "shorten_texts" in (folder / "docs/reference/settings.md").read_text()


def test_a_step_of_a_new_stage_gets_its_packages(tmp_path: Path) -> None:
    (tmp_path / "components").mkdir()
    written = new_step("polish", "shine", tmp_path / "components", new_stage=True)
    assert all(path.exists() for path in written)
    assert (tmp_path / "components/polish/__init__.py").read_text().startswith('"""')


@pytest.mark.parametrize("name", ["Upper", "with-hyphen", "1st", "class", ""])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name; use lower-case letters"):
        new_step("data", name, tmp_path)


def test_a_stage_that_there_is_not_is_not_made_by_a_slip(tmp_path: Path) -> None:
    (tmp_path / "components").mkdir()
    new_step("data", "shine", tmp_path / "components", new_stage=True)
    with pytest.raises(InvalidInput, match=r"there is no stage dta; did you mean data\? or add --new-stage"):
        new_step("dta", "polish", tmp_path / "components")


def test_a_step_that_there_is_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "components").mkdir()
    new_step("data", "shine", tmp_path / "components", new_stage=True)
    with pytest.raises(Conflict, match="there is a step shine already"):
        new_step("data", "shine", tmp_path / "components")


def test_a_new_project_has_all_that_it_needs_and_is_not_overwritten(tmp_path: Path) -> None:
    from pipelines.recipe import load_recipe

    new_project(tmp_path / "mine")
    recipe = load_recipe(tmp_path / "mine" / "recipe.yaml")
    for source in recipe.settings("resolve").sources:
        assert (tmp_path / "mine" / recipe.settings("resolve").root / source.path).exists()
    made_later = (tmp_path / "mine" / ".gitignore").read_text().split()
    assert made_later == ["/build/", "/runs/", "/.sluice/"]
    with pytest.raises(Conflict, match=r"there is a recipe\.yaml already"):
        new_project(tmp_path / "mine")
