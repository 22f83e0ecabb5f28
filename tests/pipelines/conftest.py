"""A project with people, models and an endpoint, for what people do by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.core.attempt import Attempt, Draft
from components.core.manifest import Kind, Manifest, ModelFacts
from components.core.settings import StepSettings
from components.core.store import Store
from pipelines.cli import main
from pipelines.endpoint_changes import break_glass
from pipelines.environment import LocalEnvironment, load_environment
from pipelines.keys import new_key


def add(environment: LocalEnvironment, weights: str) -> Manifest:
    folder = Path("models") / weights
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_text(weights)
    (folder / "config.json").write_text("{}")
    attempt = Attempt(Store(environment.store), "export")
    facts = ModelFacts(base="scratch", tokenizer_digest="t", template_digest="c")
    draft = Draft(Kind.MODEL, attempt.upload("exported", folder), model=facts)
    return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalEnvironment:
    """A project with a key of anna's; no registry, which is a story of its own."""
    monkeypatch.chdir(tmp_path)
    shipped = load_environment("local").model_dump(mode="json")
    Path("environments").mkdir()
    Path("environments/local.yaml").write_text(json.dumps({**shipped, "registry": "", "tracking": ""}))
    new_key(load_environment("local"), "anna")
    return load_environment("local")


@pytest.fixture
def add_model(environment: LocalEnvironment) -> Callable[..., Manifest]:
    """Puts a model into the store: ``add_model("weights")``."""

    return lambda weights: add(environment, weights)


@pytest.fixture
def serving(environment: LocalEnvironment, add_model) -> Manifest:
    """What serves on the endpoint helpdesk."""
    model = add_model("champion")
    break_glass(environment, "helpdesk", model.key, name="anna", reason="the first one", unused=True)
    return model


@pytest.fixture
def sluice(environment, typed):
    """Types a command in the project; returns exit code, output and complaints."""
    return typed


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Types a command; returns exit code, output and complaints."""

    def typed(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sluice", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return typed
