from __future__ import annotations

import pytest

from pipelines.compile import compile_graphs
from pipelines.environment import load_environment
from pipelines.lint import Task, tasks
from pipelines.recipe import load_recipe, shipped

HELPDESK = next(path for path in shipped() if path.stem == "helpdesk")


@pytest.fixture(params=["local", "kubeflow", "vertex"])
def graph(request) -> dict[str, Task]:
    """The tasks of the compiled lifecycle, for each backend."""
    spec = compile_graphs(load_recipe(HELPDESK), load_environment(request.param))["lifecycle"].spec()
    return {task.name: task for task in tasks(spec)}


def _given(graph: dict[str, Task], name: str) -> set[str]:
    """The tasks that a task was given anything of, directly or through others."""
    inputs = graph[name].spec.get("inputs", {})
    named = [*inputs.get("artifacts", {}).values(), *inputs.get("parameters", {}).values()]
    makers = {
        source["producerTask"]
        for one in named
        for source in (one.get("taskOutputArtifact"), one.get("taskOutputParameter"))
        if source
    }
    return makers | {other for maker in makers for other in _given(graph, maker)}


def test_the_exam_takes_nothing_from_traffic(graph) -> None:
    assert "corrections" not in _given(graph, "suites")
    assert "corrected" not in str(graph["split"].spec["inputs"])
    (suites,) = [name for name, task in graph.items() if task.step == "suites"]
    assert _given(graph, suites) >= {"split", "resolve", "ingest"}


def test_what_traffic_teaches_is_cleaned_like_all_data_before_anything_is_trained_on_it(graph) -> None:
    def behind(name: str) -> set[str]:
        return {graph[other].step for other in _given(graph, name) if "corrections" in _given(graph, other)}

    assert behind("format") == {"validate", "curate", "deduplicate", "redact", "decontaminate"}
    assert "suites" in _given(graph, "decontaminate")
    for name, task in graph.items():
        if task.step in ("finetune", "tokenise"):
            assert "decontaminate" in _given(graph, name)


def test_only_corrections_is_told_what_users_corrected(graph) -> None:
    told = [name for name, task in graph.items() if "corrected" in task.spec.get("inputs", {}).get("parameters", {})]
    assert told == ["corrections"]


def test_a_recipe_that_does_not_learn_from_traffic_cleans_its_data_once() -> None:
    recipe = load_recipe(HELPDESK, ("corrections.learn=false",))
    spec = compile_graphs(recipe, load_environment("local"))["lifecycle"].spec()
    steps = [task.step for task in tasks(spec)]
    assert "corrections" not in steps
    assert len(steps) == len(set(steps))
