from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from components.core.endpoint import open_endpoints
from components.core.errors import Failed, InvalidInput, Refused
from components.core.store import Store
from components.release.registries.registry import open_registry
from components.release.registries.vertex_registry import FAKE
from pipelines.cli import sluice
from tests.contract.google.model_registry import ModelRegistry
from tests.contract.google.server import Server
from tests.release.registries.models import model_of, state_of

ADDRESS = "sqlite:///mlflow.db"
VERTEX = "vertex://sluice-example/europe-west4"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A project with an environment of its own: a function that writes it."""
    monkeypatch.chdir(tmp_path)

    def environment(registry: str = ADDRESS) -> None:
        places = {"store": "store", "endpoints": "sqlite:///endpoints.db", "registry": registry}
        (tmp_path / "here.yaml").write_text(
            yaml.safe_dump({"version": 1, "name": "here", "backend": "local", **places})
        )

    environment()
    return environment


@pytest.fixture
def serving(here, tmp_path):
    """Two registered models; the first serves on desk, and the registry does not know yet."""
    store = Store("store")
    models = [model_of(store, tmp_path / "models", weights) for weights in "ab"]
    for model in models:
        open_registry(ADDRESS).register("desk", "desk", model, "/m")
    state = state_of("desk", champion=models[0]).model_copy(update={"decision": "d" * 64})
    open_endpoints("sqlite:///endpoints.db").compare_and_set(state)
    return models


def said(*words: str, code: int = 0) -> str:
    """What a command prints."""
    result = CliRunner().invoke(sluice, ["registry", *words, "--env", "here.yaml"], standalone_mode=False)
    if result.exception:
        raise result.exception
    assert (result.return_value or 0) == code, result.output
    return result.output


def test_the_list_says_where_an_alias_is_not_what_should_serve_and_the_repair_puts_it_right(serving) -> None:
    before = said("list")
    assert f"desk/1                   {serving[0].digest[:12]}…" in before
    assert "desk: differs: desk: champion is not set, should be version 1" in before
    assert "put it right with `sluice registry repair desk --env here.yaml`" in before

    assert said("repair", "desk").splitlines() == [
        "desk: desk: champion is not set, should be version 1",
        "desk: repaired",
    ]
    assert said("repair").splitlines() == ["desk: nothing differs"]
    after = said("list")
    assert "champion" in after.splitlines()[0]
    assert after.splitlines()[2] == "desk: the aliases are what should serve (generation 1)"


def test_scripts_get_the_same_as_json(serving) -> None:
    listed = json.loads(said("list", "--json"))
    assert [version["digest"] for version in listed["versions"]] == [model.digest for model in serving]
    assert listed["endpoints"]["desk"]["as_it_should_be"] is False
    repaired = json.loads(said("repair", "--json"))
    assert repaired == {"desk": {"differed": ["desk: champion is not set, should be version 1"], "failed": []}}
    assert json.loads(said("list", "--json"))["endpoints"]["desk"]["as_it_should_be"] is True


def test_one_version_is_shown_by_its_alias(serving) -> None:
    said("repair")
    assert said("list", "desk@champion").splitlines()[0].startswith("desk/1 ")
    with pytest.raises(InvalidInput, match="desk has no alias 'champ'; did you mean champion"):
        said("list", "desk@champ")


def test_an_endpoint_that_only_the_registry_knows_is_left_alone(serving) -> None:
    registry = open_registry(ADDRESS)
    registry.register("elsewhere", "elsewhere", serving[1], "/m")
    registry.set_alias("elsewhere", "champion", 1)
    said("repair")
    assert registry.versions("elsewhere")[0].aliases == ("champion",)
    assert "elsewhere: nothing was ever released there" in said("list")
    with pytest.raises(InvalidInput, match="nothing was ever released there; there are: desk"):
        said("repair", "elsewhere")


def test_what_cannot_be_put_right_is_said_and_ends_with_4(serving, here) -> None:
    here("sqlite:///another.db")
    Store("store").remove(serving[0].key)
    assert f"desk: not put right: store store: there is no {serving[0].key}" in said("repair", code=4)


def test_a_registry_that_is_down_is_a_failure(serving, here) -> None:
    here("http://127.0.0.1:9")
    for command in ("list", "repair"):
        with pytest.raises(Failed, match=r"registry http://127.0.0.1:9: does not answer"):
            said(command)


def test_an_environment_without_a_registry_is_told_what_to_write(here) -> None:
    here("")
    with pytest.raises(InvalidInput, match="names no registry; write `registry:"):
        said("list")


def test_where_nothing_was_released_nothing_is_to_be_done(here) -> None:
    assert "no versions yet" in said("list")
    assert "there is nothing to repair" in said("repair")


def test_on_vertex_the_list_and_the_repair_are_the_same(here, tmp_path, monkeypatch) -> None:
    here(VERTEX)
    with Server(ModelRegistry()).running() as server:
        monkeypatch.setenv(FAKE, server.address)
        store = Store("store")
        known, unknown = (model_of(store, tmp_path / "models", weights) for weights in "ab")
        open_registry(VERTEX).register("desk", "desk", known, "/m")
        state = state_of("desk", champion=unknown, previous=known)
        open_endpoints("sqlite:///endpoints.db").compare_and_set(state)
        assert "desk: differs: desk: champion is not set, and" in said("list")
        assert said("repair").endswith("desk: repaired\n")
        assert f"desk/2                   {unknown.digest[:12]}…" in said("list", "desk@champion")
        assert said("repair") == "desk: nothing differs\n"
        server.fail("models.list", 403)
        with pytest.raises(
            Refused, match=r"Vertex AI Model Registry, project sluice-example, .* have the role granted"
        ):
            said("list")
