from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2

from components.core.errors import InvalidInput, Refused
from pipelines import catalogue
from pipelines.code_digest import code_digest
from pipelines.commands.work import compile_
from pipelines.compile import Compiled, compile_components, compile_graphs
from pipelines.environment import load_environment, shipped
from pipelines.lint import tasks
from pipelines.recipe import load_recipe
from pipelines.recipe import shipped as recipes

HELPDESK = next(path for path in recipes() if path.stem == "helpdesk")
A_RECIPE = "version: 1\nname: {name}\nresolve: {{root: data, sources: [{{path: a.jsonl}}]}}\n"
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


@pytest.mark.parametrize("environment", shipped())
@pytest.mark.parametrize("path", recipes(), ids=lambda path: path.stem)
def test_every_recipe_compiles_for_every_backend_to_a_sound_specification(path: Path, environment: str) -> None:
    for graph in compile_graphs(load_recipe(path), load_environment(environment)).values():
        documents = list(yaml.safe_load_all(graph.text))
        assert environment == "kubeflow" or len(documents) == 1
        spec = json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
        assert spec.pipeline_info.name == graph.graph
        images = [task.executor["container"]["image"] for task in tasks(documents[0])]
        assert load_environment(environment).backend == "local" or all(DIGEST.search(image) for image in images)
        assert "pip install" not in graph.text


def test_compiling_again_in_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        command = [sys.executable, "-m", "pipelines.cli"]
        code = "from pipelines.cli import main; main()"
        command = [sys.executable, "-c", code, "compile", str(HELPDESK), "--env", "kubeflow", "--components"]
        subprocess.run([*command, "--out", str(tmp_path / name)], check=True, capture_output=True)
    written = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.yaml")}
    assert len(written) == 3 + len(catalogue.steps())
    for path in written:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``sluice compile …`` in a folder of its own, where compiling itself is taken as done."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "pipelines.compile.compile_graphs", lambda recipe, _: {"release": Compiled("release", "vertex", recipe.name)}
    )
    return lambda *words: CliRunner().invoke(compile_, [*words, "--env", "vertex"])


def test_all_recipes_are_those_of_the_project(compiled) -> None:
    for file, name in (("recipe.yaml", "mine"), ("recipe-large.yaml", "large"), ("values.yaml", "chart")):
        Path(file).write_text(A_RECIPE.format(name=name))
    assert compiled("--all").output.split() == ["build/large/release.vertex.yaml", "build/mine/release.vertex.yaml"]
    assert compiled("recipe.yaml", "--out", "here").output.split() == ["here/mine/release.vertex.yaml"]


def test_where_there_is_no_project_all_recipes_are_those_that_are_shipped(compiled) -> None:
    names = [load_recipe(path).name for path in recipes()]
    assert compiled("--all").output.split() == [f"build/{name}/release.vertex.yaml" for name in names]


def test_of_two_recipes_of_one_name_none_is_written_over_the_other(compiled) -> None:
    for file in ("recipe.yaml", "recipe-large.yaml"):
        Path(file).write_text(A_RECIPE.format(name="mine"))
    refused = compiled("--all").exception
    assert isinstance(refused, InvalidInput)
    assert "recipe.yaml: name: another recipe here is named mine too" in str(refused)
    assert not Path("build").exists()


def test_each_component_alone_loads_in_another_pipeline() -> None:
    found = dict(compile_components(load_environment("kubeflow")))
    assert set(found) == {f"{name}.yaml" for name in catalogue.steps()}
    for text in found.values():
        loaded = components.load_component_from_text(text)
        assert DIGEST.search(loaded.component_spec.implementation.container.image)


def test_resources_reach_the_specification_in_the_backends_words() -> None:
    asked = ("train.0.finetune.resources.memory=16Gi", "train.0.finetune.resources.cpu=4")
    gpu = "train.0.finetune.resources.accelerator={type: NVIDIA_H100_80GB, count: 2}"
    recipe = load_recipe(HELPDESK, (*asked, gpu, "train.0.finetune.resources.retries=2"))
    spec = compile_graphs(recipe, load_environment("vertex"))["lifecycle"].spec()
    task = next(task for task in tasks(spec) if task.name == "finetune")
    wanted = task.executor["container"]["resources"]
    assert wanted["resourceMemoryLimit"] == "16Gi"
    assert wanted["accelerator"]["resourceType"] == "NVIDIA_H100_80GB"
    assert task.spec["retryPolicy"]["maxRetryCount"] == 2
    with pytest.raises(Refused, match="finetune: accelerator: this machine hands out none"):
        compile_graphs(recipe, load_environment("local"))


def test_every_refusal_comes_at_once() -> None:
    recipe = load_recipe(HELPDESK, ("curate.resources.spot=true", "redact.resources.timeout=1h"))
    with pytest.raises(Refused) as caught:
        compile_graphs(recipe, load_environment("vertex"))
    assert [line.split(":")[0] for line in str(caught.value).split("\n")] == ["curate", "redact"]
    assert caught.value.exit_code == 3


def test_kubernetes_settings_go_to_kubeflow_only() -> None:
    recipe = load_recipe(HELPDESK, ("curate.resources.timeout=1h",))
    documents = list(yaml.safe_load_all(compile_graphs(recipe, load_environment("kubeflow"))["lifecycle"].text))
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["exec-curate"]["activeDeadlineSeconds"] == "3600"
    assert executors["exec-curate"]["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_a_secret_reaches_a_step_by_reference_only() -> None:
    hub = "base.hub={id: a/b, revision: 0123456789012345678901234567890123456789, token: 'secret://hf-token'}"
    recipe = load_recipe(HELPDESK, (hub, "base.scratch=null"))
    text = compile_graphs(recipe, load_environment("kubeflow"))["lifecycle"].text
    assert "SLUICE_SECRET_HF_TOKEN" in text
    on_vertex = load_environment("vertex").model_copy(update={"secrets": {"hf-token": "secret://hub/3"}})
    spec = yaml.safe_load(compile_graphs(recipe, on_vertex)["lifecycle"].text)
    held = {"name": "SLUICE_SECRET_HF_TOKEN", "value": "secret://projects/sluice-example/secrets/hub/versions/3"}
    executors = spec["deploymentSpec"]["executors"]
    assert executors["exec-base"]["container"]["env"] == [held]
    assert [name for name in executors if "env" in executors[name]["container"]] == ["exec-base"]
    with pytest.raises(Refused, match="does not say what it is; add it to secrets there"):
        compile_graphs(recipe, load_environment("vertex"))


def test_a_missing_image_is_a_sentence() -> None:
    environment = load_environment("vertex").model_copy(update={"images": {}})
    with pytest.raises(InvalidInput, match=r"environment vertex: images: there is no sluice/\w+; add it"):
        compile_graphs(load_recipe(HELPDESK), environment)


def test_placeholders_in_settings_do_not_reach_kfp() -> None:
    recipe = load_recipe(HELPDESK, ("base.chat_template='{{$x}}'",))
    text = compile_graphs(recipe, load_environment("local"))["lifecycle"].text
    assert "{{$x" not in text


def test_the_code_digest_sees_the_stage_core_and_the_locks_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "components"
    files = ["data/a.py", "core/b.py", "train/c.py", "../locks/main.txt", "data/README.md", "data/d.html"]
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1")
    first = code_digest("data", root)
    for name, changes in zip(files, (True, True, False, True, False, False), strict=True):
        (root / name).write_text("2")
        assert (code_digest("data", root) != first) is changes
        (root / name).write_text("1")
