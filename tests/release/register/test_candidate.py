from __future__ import annotations

import pytest

from components.core.attempt import Attempt
from components.core.errors import Failed, InvalidInput
from components.core.manifest import Kind
from components.release.register.candidate import register
from components.release.register.settings import Register
from components.release.registries.registry import open_registry
from tests.release.registries.models import model_of


@pytest.fixture
def model(store, tmp_path):
    return model_of(store, tmp_path, "weights")


def _register(store, model, registry: str, settings: Register = Register()):  # noqa: B008
    return register(Attempt(store, "register"), model, settings, "desk", registry)


def test_a_candidate_is_registered_under_its_endpoints_name_once(store, model, tmp_path) -> None:
    address = f"sqlite:///{tmp_path}/mlflow.db"
    outcomes = [_register(store, model, address) for _ in range(2)]
    assert [outcome.word for outcome in outcomes] == ["desk/1", "desk/1"]
    assert outcomes[0].report.figures["version"].value == 1
    assert [parent.digest for parent in outcomes[0].report.inputs] == [model.digest]
    (version,) = open_registry(address).versions()
    assert (version.digest, version.source) == (model.digest, f"{store.uri}/{model.key.removesuffix('/manifest.json')}")

    renamed = _register(store, model, address, Register(name="tickets"))
    assert renamed.word == "tickets/1"
    assert [version.endpoint for version in open_registry(address).versions("desk")] == ["desk", "desk"]


def test_without_a_registry_the_word_is_empty_and_the_step_is_done(store, model) -> None:
    outcome = _register(store, model, "")
    assert outcome.word == ""
    assert store.exists(f"{outcome.report.step}/{outcome.report.attempt}/report.json")


def test_a_registry_that_is_down_fails_the_step_and_says_so(store, model) -> None:
    with pytest.raises(Failed, match=r"registry http://127.0.0.1:9: does not answer; start it"):
        _register(store, model, "http://127.0.0.1:9")


def test_what_is_no_model_is_not_registered(store, commit_rows, tmp_path) -> None:
    texts = commit_rows(Kind.DOCUMENTS, [])
    with pytest.raises(InvalidInput, match="holds documents, no model; register the output of the step export"):
        _register(store, texts, f"sqlite:///{tmp_path}/mlflow.db")
    assert not (tmp_path / "mlflow.db").exists()
