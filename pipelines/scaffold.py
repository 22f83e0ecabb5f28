"""Makes new things from skeletons: a step's folder, a project's folder."""

from __future__ import annotations

import json
import keyword
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

from components.core.errors import Conflict, InvalidInput
from pipelines import catalogue
from pipelines.located_yaml import nearest
from pipelines.recipe import recipe_model

TEMPLATES = Path(__file__).parent / "templates"

PROJECT_HEAD = """\
# sluice run recipe.yaml
# yaml-language-server: $schema=recipe.schema.json
"""
IMAGES = {"data": "data", "train": "train"}
"""Which image a stage's steps run in; `evaluate` where none is named."""


def new_step(stage: str, name: str, root: Path = catalogue.ROOT, new_stage: bool = False) -> list[Path]:
    """Writes the folder of a new step and its test; returns the files.

    ``root`` is the folder ``components`` of a checkout. Raises InvalidInput for a name that is none and, unless
    ``new_stage``, for a stage that there is not; Conflict for a name that is taken.
    """
    for word in (stage, name):
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", word) or keyword.iskeyword(word):
            raise InvalidInput(f"new step: {word!r} is no name; use lower-case letters, digits and underscores")
    stages = {path.parent.name for path in root.glob("*/__init__.py")} - {"core"}
    if stage not in stages and not new_stage:
        raise InvalidInput(f"new step: there is no stage {stage}; {nearest(stage, stages)} or add --new-stage")
    taken = catalogue.steps(root).get(name)
    folder = root / stage / name
    if taken or folder.exists():
        raise Conflict(
            f"new step: there is a step {name} already ({taken.package if taken else folder}); choose another"
        )
    tests = root.parent / "tests" / stage / name
    words = {
        "stage": stage,
        "name": name,
        "class_name": "".join(word.capitalize() for word in name.split("_")),
        "image": IMAGES.get(stage, "evaluate"),
    }
    written = [_render("settings.py", folder, words), _render("method.py", folder, words)]
    written += [_render("component.py", folder, words), _render("test_method.py", tests, words)]
    for package in (folder, tests, tests.parent):
        written += _package(package)
    if not (root / stage / "__init__.py").exists():
        (root / stage / "__init__.py").write_text(f'"""The stage {stage}: say here what it is for."""\n')
        written.append(root / stage / "__init__.py")
    _tidy(written)
    catalogue.steps.cache_clear()
    return written


def new_project(folder: Path) -> list[Path]:
    """Writes a folder with a recipe, an environment and made-up data, which runs as it is.

    Raises Conflict when the folder has a recipe already.
    """
    from pipelines.demo.tickets import write_tickets

    if (folder / "recipe.yaml").exists():
        raise Conflict(f"{folder}: there is a recipe.yaml already; choose another folder")
    (folder / "environments").mkdir(parents=True, exist_ok=True)
    write_tickets(folder / "data", seed=7)
    _, _, recipe = (Path(__file__).parent / "recipes" / "helpdesk.yaml").read_text().partition("\nversion:")
    (folder / "recipe.yaml").write_text(f"{PROJECT_HEAD}version:{recipe}")
    schema = json.dumps(recipe_model().model_json_schema(), indent=2)
    (folder / "recipe.schema.json").write_text(schema)
    shutil.copyfile(Path(__file__).parent / "environments" / "local.yaml", folder / "environments" / "local.yaml")
    (folder / ".gitignore").write_text("/build/\n/runs/\n/.sluice/\n")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _render(name: str, folder: Path, words: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    target.write_text(Template((TEMPLATES / "step" / f"{name}.txt").read_text()).substitute(words))
    return target


def _package(folder: Path) -> list[Path]:
    path = folder / "__init__.py"
    if path.exists():
        return []
    path.touch()
    return [path]


def _tidy(files: list[Path]) -> None:
    """Sorts imports and wraps lines as this checkout wants them: both depend on how long the names are."""
    for words in (["format"], ["check", "--fix"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *words, "--quiet", *map(str, files)], check=True)
