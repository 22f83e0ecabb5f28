"""An environment file out of Terraform's outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import Conflict, InvalidInput
from pipelines.cli import sluice
from pipelines.environment import VertexEnvironment, load_environment
from pipelines.images.lock import ImagesLock
from pipelines.terraform import OUTPUT

PLACE: dict[str, Any] = {
    "name": "dev",
    "project": "a-project",
    "region": "europe-west4",
    "service_account": "lifecycle@a-project.iam.gserviceaccount.com",
    "accounts": {"release": "release@a-project.iam.gserviceaccount.com"},
    "pipeline_root": "gs://a-pipelines/root",
    "store": "gs://a-store/store",
    "requests": None,
    "labels": {"team": "desk"},
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(outputs: Any, *more: str) -> None:
    Path("outputs.json").write_text(outputs if isinstance(outputs, str) else json.dumps(outputs))
    sluice.main(["env", "from-terraform", "outputs.json", *more], standalone_mode=False)


def outputs(**changes: Any) -> dict[str, Any]:
    return {OUTPUT: {"sensitive": False, "type": ["object", {}], "value": {**PLACE, **changes}}}


def test_the_file_is_an_environment_and_is_written_again(capsys: pytest.CaptureFixture[str]) -> None:
    written(outputs())
    said = capsys.readouterr()
    assert said.out == "environments/dev.yaml\n"
    assert "build/images.lock.json is not there yet: `make images-push" in said.err
    ImagesLock.of({}).save(Path("build/images.lock.json"))
    written(outputs(store="gs://another/store"))
    environment = load_environment("dev")
    assert isinstance(environment, VertexEnvironment)
    assert environment.store == "gs://another/store"
    assert environment.requests == "", "null is left out"
    assert environment.account_of("release") == "release@a-project.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{", "terraform output: is no JSON"),
        ("[]", "is a list, not its outputs by name"),
        ({}, f"there is no {OUTPUT} \\(there is nothing\\); run `terraform apply`"),
        ({"store": {"value": "x"}}, f"there is no {OUTPUT} \\(there is store\\)"),
        ({OUTPUT: {"value": "x"}}, "has no value that is an object"),
        (outputs(store=None), "\n  store: is missing"),
        (outputs(region="nowhere", colour="red"), "(?s)region: String should match.*colour: Extra inputs"),
    ],
)
def test_outputs_that_make_no_environment_are_a_sentence(given: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        written(given)
    assert not Path("environments").exists()


def test_outputs_in_another_encoding_are_a_sentence() -> None:
    Path("outputs.json").write_text(json.dumps({OUTPUT: {"value": PLACE}}), encoding="utf-16")
    with pytest.raises(InvalidInput, match="terraform output: is no UTF-8"):
        sluice.main(["env", "from-terraform", "outputs.json"], standalone_mode=False)


def test_a_file_of_somebody_else_is_left_alone() -> None:
    Path("environments").mkdir()
    Path("environments/dev.yaml").write_text("# mine\n")
    with pytest.raises(
        Conflict, match=r"dev.yaml: was written by hand; move it away, or give another place with --out"
    ):
        written(outputs())
    written(outputs(), "--out", "other.yaml")
    assert Path("environments/dev.yaml").read_text() == "# mine\n"
