"""The release as a person meets it: both sides of each branch, people's word, freezing, faults midway."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Project

NEVER = "gate.claims=[{suite: exam, floor: 1.0, see: 0.5}]"


@pytest.fixture(scope="session")
def waiting(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which a first model serves and the release of a second one waits for a person."""
    project = _copy(finished, tmp_path_factory.mktemp("waiting") / "project")
    project.sluice("keys", "new", "anna")
    run = release(project, "train.0.finetune.max_steps=5", "decide.approvals=1", code=3)
    assert run["state"] == "held"
    assert "anna" in run["outcome"]
    assert serving(project)["generation"] == 1
    return project


@pytest.fixture
def held(waiting: Project, tmp_path: Path) -> Project:
    """Such a project of one's own."""
    return _copy(waiting, tmp_path / "project")


def _copy(project: Project, folder: Path) -> Project:
    shutil.copytree(project.folder, folder, symlinks=True)
    return Project(folder)


def release(project: Project, *sets: str, code: int = 0) -> dict:
    """Runs the recipe with other settings and returns the record of its release."""
    words = [word for given in sets for word in ("--set", given)]
    done = project.sluice("run", "recipe.yaml", "--json", *words, code=code)
    return json.loads(done.stdout)[-1]


def serving(project: Project) -> dict:
    return json.loads(project.sluice("endpoints", "tiny", "--json").stdout)


def states(run: dict) -> dict[str, str]:
    return {step["name"]: step["state"] for step in run["steps"]}


def test_a_first_model_is_released_by_the_floor(finished: Project) -> None:
    run = next(json.loads(finished.sluice("status", name, "--json").stdout) for name in _releases(finished))
    assert run["state"] == "done"
    assert set(states(run).values()) == {"done"}
    assert len(run["decisions"]) == 1
    assert "generation 1" in run["outcome"]
    audit = finished.sluice("audit", "tiny").stdout
    assert "release" in audit


def _held(project: Project) -> str:
    return next(run for run in _releases(project) if json.loads(_status(project, run))["state"] == "held")


def _status(project: Project, run: str) -> str:
    return project.sluice("status", run, "--json", code=None).stdout


def _releases(project: Project) -> list[str]:
    return [line.split()[0] for line in project.sluice("runs").stdout.splitlines() if line.startswith("release")]


def test_a_refused_candidate_is_a_success_with_exit_3_and_changes_nothing(waiting: Project) -> None:
    run = release(waiting, NEVER, "train.0.finetune.max_steps=5", code=3)
    assert run["state"] == "refused"
    assert (states(run)["decide"], states(run)["card"], states(run)["transition"]) == ("done", "skipped", "skipped")
    assert serving(waiting)["generation"] == 1
    page = (waiting.folder / "runs" / "latest" / "report.html").read_text()
    assert "Refused" in page
    assert run["outcome"].split(".")[0] in page


def test_a_card_with_a_missing_part_refuses_the_release(waiting: Project) -> None:
    run = release(waiting, "train.0.finetune.max_steps=5", "card.contact=''", code=3)
    assert run["state"] == "refused"
    assert "card.contact" in run["outcome"]
    assert (states(run)["card"], states(run)["transition"]) == ("done", "skipped")
    assert serving(waiting)["generation"] == 1


def test_a_held_run_goes_on_when_it_is_approved(held: Project) -> None:
    done = held.sluice("approve", _held(held), "--as", "anna", "--reason", "I read the lost questions.")
    assert "✓ transition" in done.stdout
    assert serving(held)["generation"] == 2
    again = held.sluice("approve", _held(held), "--as", "anna", "--reason", "Once more.")
    assert "serves from generation 2" in again.stdout
    refused = held.sluice("refuse", _held(held), "--as", "anna", "--reason", "I have changed my mind.", code=3)
    assert "has said pass about this case already" in refused.stderr
    assert serving(held)["generation"] == 2
    assert "anna: I read the lost questions." in held.sluice("audit", "tiny").stdout


def test_a_held_run_that_is_refused_stays_where_it_is(held: Project) -> None:
    done = held.sluice("refuse", _held(held), "--as", "anna", "--reason", "Network got worse.", code=3)
    assert "Refused by anna: Network got worse." in done.stdout
    assert serving(held)["generation"] == 1


def test_who_has_no_key_cannot_approve(held: Project) -> None:
    done = held.sluice("approve", _held(held), "--as", "ana", "--reason", "Good.", code=2)
    assert "did you mean anna" in done.stderr


def test_a_frozen_endpoint_takes_no_release_until_the_thaw(held: Project) -> None:
    held.sluice("freeze", "tiny", "--as", "anna", "--reason", "It is Friday.")
    done = held.sluice("approve", _held(held), "--as", "anna", "--reason", "Good.", code=3)
    assert "is frozen" in done.stderr
    assert serving(held)["champion"] == serving(held)["champion"]
    held.sluice("thaw", "tiny", "--as", "anna", "--reason", "It is Monday.")
    assert (serving(held)["generation"], serving(held)["frozen"]) == (3, "")
    held.sluice("approve", _held(held), "--as", "anna", "--reason", "Good.")
    assert serving(held)["generation"] == 4


def test_a_registry_that_was_lost_is_repaired_from_what_should_serve(held: Project) -> None:
    assert "champion" in held.sluice("registry", "list").stdout
    database = held.folder / ".sluice" / "mlflow.db"
    database.rename(database.with_suffix(".away"))
    assert "champion" in held.sluice("registry", "repair").stdout
    assert "champion" in held.sluice("registry", "list").stdout


def test_a_champion_that_was_deleted_from_the_store_is_told_of_and_nothing_changes(held: Project) -> None:
    champion = serving(held)["champion"]["key"]
    shutil.rmtree((held.folder / ".sluice" / "store" / champion).parent)
    done = held.sluice("approve", _held(held), "--as", "anna", "--reason", "Good.", code=2)
    assert "its champion" in done.stderr
    assert "cannot be compared with" in done.stderr
    assert serving(held)["generation"] == 1


def test_what_serves_is_verified_back_to_the_sources(finished: Project) -> None:
    done = finished.sluice("verify", "tiny")
    assert "✗" not in done.stdout
    assert "verified" in done.stdout.splitlines()[-1]


def test_a_graph_that_somebody_put_into_the_store_is_not_run(held: Project) -> None:
    """Whoever can write a request and a graph cannot have the graph run under the account that signs."""
    store = held.folder / ".sluice" / "store"
    request = next(path for path in (store / "requests").iterdir())
    code = (
        "import json, sys; from pathlib import Path\n"
        "from components.core.run_request import RunRequest\n"
        "from components.core.store import Store\n"
        "from pipelines.backends.ask import Ask\n"
        "from pipelines.dispatcher import dispatch\n"
        "from pipelines.environment import load_environment\n"
        "from pipelines.recipe import load_recipe\n"
        f"old = RunRequest.read(Path({str(request)!r}).read_bytes(), 'x')\n"
        "recipe = load_recipe(Path('recipe.yaml'))\n"
        "new = old.model_copy(update={'spec': 'f' * 64, 'recipe': recipe.digest, 'asker': 'lifecycle'})\n"
        "new.put(Store('.sluice/store'))\n"
        "dispatch(new.name, recipe, load_environment('local'))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=held.folder, capture_output=True, text=True, check=False)
    assert "pins another graph" in done.stderr
