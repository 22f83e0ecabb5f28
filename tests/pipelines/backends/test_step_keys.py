"""What decides whether a service answers a task from its cache, told from the graph that is really compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.manifest import Parent
from components.core.report import Report
from components.core.run import Run, State, StepRun
from pipelines.backends.step_keys import step_keys
from pipelines.compile import compile_graphs, load_spec
from pipelines.environment import load_environment
from pipelines.examine import why_it_ran
from pipelines.recipe import load_recipe
from pipelines.runs import Launch, Runs
from tests.pipelines.small import RECIPE


def keys(tmp_path: Path, word: str = "pins", read: str = "c", *, backend: str = "vertex", more: tuple[str, ...] = ()):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    recipe = load_recipe(path, ("resolve.root=gs://bucket/data", *more))
    code = dict.fromkeys(("data", "train", "evaluate", "release", "monitor"), "same")
    graph = compile_graphs(recipe, load_environment(backend), code)["lifecycle"]
    parent = Parent(role="documents", digest="d", content_digest=read)
    reports = {
        "resolve": Report(step="resolve", attempt="a", started="now", word=word),
        "curate": Report(step="curate", attempt="b", started="now", inputs=(parent,)),
    }
    return step_keys(load_spec(graph.text), {"now": "now"}, reports)


@pytest.mark.parametrize("backend", ["vertex", "kubeflow"])
def test_a_task_has_the_key_of_all_that_its_answer_depends_on(tmp_path: Path, backend: str) -> None:
    first = keys(tmp_path, backend=backend)
    assert "resolve" not in first, "it is never answered from a cache"
    assert {"component", "settings", "store", "code"} <= first["curate"].keys()
    assert first["curate"]["documents"] == "c"
    assert "pins" in first["ingest"].values()
    assert keys(tmp_path, backend=backend) == first


def test_what_changed_is_named(tmp_path: Path) -> None:
    runs, first = Runs(tmp_path / "runs"), keys(tmp_path)
    facts = {"graph": "lifecycle", "backend": "vertex", "recipe": "small", "recipe_digest": "d", "environment": "e"}

    def recorded(name: str, started: str, known: dict[str, dict[str, str]]) -> None:
        folder = runs.folder_of(name)
        folder.create(Launch(run=name, graph="lifecycle", recipe={}, environment={}, now="x"))
        steps = tuple(StepRun(name=step, title=step, state=State.DONE, key=key) for step, key in known.items())
        folder.write(
            Run(
                run=name,
                spec="",
                now="",
                environment_digest="d",
                state=State.DONE,
                started=started,
                steps=steps,
                **facts,
            )
        )

    recorded("before", "2026-01-01", first)
    recorded("other-words", "2026-01-02", keys(tmp_path, more=("tokenise.max_tokens=200",)))
    recorded("other-data", "2026-01-03", keys(tmp_path, "other pins", "e", more=("tokenise.max_tokens=200",)))

    def why(run: str, step: str) -> list[str]:
        return why_it_ran(runs, runs.folder_of(run), step)

    assert why("before", "tokenise") == ["tokenise: no run before this one did it"]
    (line,) = why("other-words", "tokenise")
    assert line.startswith("tokenise: setting max_tokens was ")
    assert line.endswith("in before, is 200")
    assert why("other-data", "curate") == ["curate: input documents changed since other-words (c… → e…)"]
    assert "changed since other-words (pins… → other pins…)" in why("other-data", "ingest")[0]
