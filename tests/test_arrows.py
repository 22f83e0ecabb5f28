"""Arrows point one way: pipelines → components.<stage> → components.core. Stages meet in artifacts, not in imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import catalogue

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for folder in ("components", "pipelines") for path in (ROOT / folder).rglob("*.py"))
HEAVY = ("torch", "daft", "tensorflow", "mlflow", "transformers", "datasets", "great_expectations", "trl", "pandas")


def imports(path: Path, top_level_only: bool = False) -> Iterator[str]:
    """The modules that a file imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def backward(path: Path) -> list[str]:
    """What a file imports against the arrows."""
    place = path.relative_to(ROOT).parts
    if place[0] == "pipelines":
        return []
    allowed = ("components.core",) if place[1] == "core" else ("components.core", f"components.{place[1]}")
    ours = [name for name in imports(path) if name.split(".")[0] in ("components", "pipelines", "benchmarks", "tests")]
    return [
        name
        for name in ours
        if name != "components" and not any((name + ".").startswith(f"{right}.") for right in allowed)
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_imports_against_the_arrows(path: Path) -> None:
    assert backward(path) == []


def test_an_arrow_backwards_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    wrong = tmp_path / "components" / "data" / "x.py"
    wrong.parent.mkdir(parents=True)
    wrong.write_text("def f():\n    from components.train import finetune\n    import pipelines.recipe\n")
    assert backward(wrong) == ["components.train", "components.train.finetune", "pipelines.recipe"]


@pytest.mark.parametrize("step", catalogue.steps().values(), ids=lambda step: step.name)
def test_a_face_imports_kfp_only_and_is_short(step: catalogue.Step) -> None:
    path = catalogue.ROOT / step.stage / step.name / "component.py"
    assert {name.split(".")[0] for name in imports(path, top_level_only=True)} == {"kfp"}
    function = next(node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))
    assert function.end_lineno - function.lineno < 30
    assert ast.get_docstring(function)


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after ``code``."""
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_compiling_loads_no_library_that_a_step_works_with() -> None:
    code = (
        "from pipelines.recipe import *; from pipelines.environment import load_environment\n"
        "from pipelines.compile import compile_graphs\n"
        "[compile_graphs(load_recipe(path), load_environment('vertex')) for path in shipped()]"
    )
    assert loaded(code) & set(HEAVY) == set()


def test_the_command_line_loads_neither_kfp_nor_a_cloud_library_until_it_needs_it() -> None:
    found = loaded("import pipelines.cli") - loaded("pass")  # a cloud's SDK puts an empty `google` everywhere
    assert found & {"kfp", "google", "kubernetes", "gcsfs", "s3fs", "pyarrow", "yaml", *HEAVY} == set()


def test_no_room_has_a_name_that_says_nothing() -> None:
    assert [path for path in MODULES if path.stem in {"utils", "util", "helpers", "helper", "common", "misc"}] == []
