"""What is a cache hit and what is not, with real steps run by the local backend."""

import json
import shutil
from pathlib import Path

import pytest
from kfp import compiler, dsl

from pipelines import catalogue
from pipelines.backends.kfp_local import Limits, TaskRun, Watch, run_graph
from pipelines.code_digest import code_digest
from pipelines.environment import LocalEnvironment
from pipelines.placement import WORD, Placement
from pipelines.recipe import load_recipe

RECIPE = """
version: 1
name: small
resolve: {root: ROOT/data, sources: [{path: a.jsonl}]}
format: {column: answer}
"""


class Project:
    """A recipe, a source and a short graph of real steps."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.code = {"data": "code-1"}
        self.environment = LocalEnvironment(version=1, name="local", backend="local", store=str(root / "store"))
        (root / "data").mkdir()
        (root / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(root)))
        self.write_source("the printer in room four is jammed")

    def write_source(self, text: str) -> None:
        (self.root / "data" / "a.jsonl").write_text(json.dumps({"text": text, "answer": "x"}) + "\n")

    def run(self, *assignments: str, now: str = "2026-01-01T00:00:00+00:00") -> dict[str, bool]:
        """Runs resolve → ingest → curate; which of them were answered from the cache."""
        place = Placement(load_recipe(self.root / "recipe.yaml", assignments), self.environment, self.code)

        @dsl.pipeline(name="short")
        def short(now: str):
            sources = place("resolve", now=now).outputs[WORD]
            documents = place("ingest", sources=sources).outputs["documents"]
            place("curate", documents=documents)

        path = self.root / "graph.yaml"
        compiler.Compiler().compile(short, str(path))
        seen: dict[str, TaskRun] = {}
        watch = Watch(
            started=lambda task: None,
            finished=lambda task: seen.__setitem__(task.name, task),
            log=lambda name: self.root / f"{name}.log",
            limits=lambda title: Limits(),
            may_hit=lambda task, outputs: True,
        )
        done = run_graph(path.read_text(), {"now": now}, root=self.root / "kfp", watch=watch)
        assert done, "\n".join(path.read_text() for path in self.root.glob("*.log"))
        return {name: task.cached for name, task in seen.items()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    assert project.run() == {"resolve": False, "ingest": False, "curate": False}
    return project


def test_the_same_at_another_moment_is_a_hit(project: Project) -> None:
    assert project.run(now="2026-02-02T00:00:00+00:00") == {"resolve": False, "ingest": True, "curate": True}


def test_a_harmless_change_is_a_hit(project: Project) -> None:
    assert project.run("redact.regions=[GB]", "curate.resources.memory=2Gi", "description=other")["curate"]


def test_another_input_is_a_miss(project: Project) -> None:
    project.write_source("the printer in room five is jammed")
    assert project.run() == {"resolve": False, "ingest": False, "curate": False}


def test_another_setting_is_a_miss_from_that_step_on(project: Project) -> None:
    assert project.run("curate.min_words=4") == {"resolve": False, "ingest": True, "curate": False}


@pytest.mark.parametrize("changed", ["data/curate/rules.py", "core/rows.py", "../locks/main.txt"])
def test_other_code_of_the_step_of_core_or_of_the_lock_is_a_miss(project: Project, changed: str) -> None:
    root = project.root / "checkout" / "components"
    shutil.copytree(catalogue.ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(catalogue.ROOT.parent / "locks", root.parent / "locks")
    project.code = {"data": code_digest("data", root)}
    assert not project.run()["curate"]
    assert project.run()["curate"]
    with (root / changed).open("a") as file:
        file.write("# changed\n")
    project.code = {"data": code_digest("data", root)}
    assert not project.run()["curate"]


def test_code_of_another_stage_is_a_hit(project: Project) -> None:
    before = code_digest("data")
    assert before != code_digest("evaluate")
    project.code = {"data": "code-1", "evaluate": "changed"}
    assert project.run()["curate"]
