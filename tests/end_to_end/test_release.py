"""The release as a person meets it: both sides of each branch, people's word, freezing, faults midway."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Project

NEVER = "gate.claims=[{suite: exam, floor: 1.0, see: 0.5}]"


@pytest.fixture
def released(finished: Project, tmp_path: Path) -> Project:
    """A project of one's own in which a first model serves; its lifecycle is answered from the cache."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
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


def _releases(project: Project) -> list[str]:
    return [line.split()[0] for line in project.sluice("runs").stdout.splitlines() if line.startswith("release")]


def test_a_refused_candidate_is_a_success_with_exit_3_and_changes_nothing(released: Project) -> None:
    before = serving(released)
    run = release(released, NEVER, "train.0.finetune.max_steps=5", code=3)
    assert run["state"] == "refused"
    assert (states(run)["decide"], states(run)["card"], states(run)["transition"]) == ("done", "skipped", "skipped")
    assert serving(released) == before
    page = (released.folder / "runs" / "latest" / "report.html").read_text()
    assert "refused" in page.lower()
    assert run["outcome"].split(".")[0] in page


def test_the_model_that_serves_is_not_decided_about_again(released: Project) -> None:
    run = release(released, "gate.alpha=0.04")
    assert run["state"] == "done"
    assert states(run)["transition"] == "skipped"
    assert serving(released)["generation"] == 1


def test_a_card_with_a_missing_part_refuses_the_release(released: Project) -> None:
    run = release(released, "train.0.finetune.max_steps=5", "card.contact=", code=3)
    assert run["state"] == "refused"
    assert "card.contact" in run["outcome"]
    assert (states(run)["card"], states(run)["transition"]) == ("done", "skipped")
    assert serving(released)["generation"] == 1


def test_a_held_run_goes_on_when_it_is_approved(released: Project) -> None:
    released.sluice("keys", "new", "anna")
    run = release(released, "train.0.finetune.max_steps=5", "decide.approvals=1", code=3)
    assert run["state"] == "held"
    assert "anna" in run["outcome"]
    assert serving(released)["generation"] == 1
    done = released.sluice("approve", run["run"], "--as", "anna", "--reason", "I read the lost questions.")
    assert "✓ transition" in done.stdout
    assert serving(released)["generation"] == 2
    again = released.sluice("approve", run["run"], "--as", "anna", "--reason", "Once more.", code=3)
    assert "has spoken about this case already" in again.stderr


def test_a_held_run_that_is_refused_stays_where_it_is(released: Project) -> None:
    released.sluice("keys", "new", "anna")
    run = release(released, "train.0.finetune.max_steps=5", "decide.approvals=1", code=3)
    done = released.sluice("refuse", run["run"], "--as", "anna", "--reason", "Network got worse.", code=3)
    assert "Refused by anna: Network got worse." in done.stdout
    assert serving(released)["generation"] == 1


def test_two_people_are_two(released: Project) -> None:
    for name in ("anna", "bert"):
        released.sluice("keys", "new", name)
    run = release(released, "train.0.finetune.max_steps=5", "decide.approvals=2", code=3)
    first = released.sluice("approve", run["run"], "--as", "anna", "--reason", "Good.", code=3)
    assert "1 more approval is waited for" in first.stdout
    assert serving(released)["generation"] == 1
    released.sluice("approve", run["run"], "--as", "bert", "--reason", "Good.")
    assert serving(released)["generation"] == 2


def test_a_frozen_endpoint_refuses_and_goes_on_after_the_thaw(released: Project) -> None:
    released.sluice("keys", "new", "anna")
    released.sluice("freeze", "tiny", "--as", "anna", "--reason", "It is Friday.")
    run = release(released, "train.0.finetune.max_steps=5", code=3)
    assert "frozen" in run["error"]
    released.sluice("thaw", "tiny", "--as", "anna", "--reason", "It is Monday.")
    assert release(released, "train.0.finetune.max_steps=5")["state"] == "done"
    assert serving(released)["generation"] == 4


def test_a_registry_that_was_lost_is_repaired_from_what_should_serve(released: Project) -> None:
    assert "champion" in released.sluice("registry", "list").stdout
    database = released.folder / ".sluice" / "mlflow.db"
    database.rename(database.with_suffix(".away"))
    assert "champion" in released.sluice("registry", "repair").stdout
    assert "champion" in released.sluice("registry", "list").stdout


def test_a_champion_that_was_deleted_from_the_store_is_told_of_and_nothing_changes(released: Project) -> None:
    champion = serving(released)["champion"]["key"]
    shutil.rmtree((released.folder / ".sluice" / "store" / champion).parent)
    run = release(released, "train.0.finetune.max_steps=5", code=2)
    assert "its champion" in run["error"]
    assert "cannot be compared with" in run["error"]
    assert serving(released)["generation"] == 1


def test_what_serves_is_verified_back_to_the_sources(finished: Project) -> None:
    done = finished.sluice("verify", "tiny")
    assert "✗" not in done.stdout
    assert "verified" in done.stdout.splitlines()[-1]


def test_a_graph_that_somebody_put_into_the_store_is_not_run(released: Project) -> None:
    """Whoever can write a request and a graph cannot have the graph run under the account that signs."""
    run = release(released)
    store = released.folder / ".sluice" / "store"
    request = next(path for path in (store / "requests").iterdir())
    code = (
        "import json, sys; from pathlib import Path\n"
        "from components.core.run_request import RunRequest\n"
        "from components.core.store import Store\n"
        "from pipelines.backends.local_run import Ask\n"
        "from pipelines.dispatcher import dispatch\n"
        "from pipelines.environment import load_environment\n"
        "from pipelines.recipe import load_recipe\n"
        f"old = RunRequest.read(Path({str(request)!r}).read_bytes(), 'x')\n"
        "new = old.model_copy(update={'spec': 'f' * 64})\n"
        "new.put(Store('.sluice/store'))\n"
        "dispatch(new.name, load_recipe(Path('recipe.yaml')), load_environment('local'))\n"
    )
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=released.folder, capture_output=True, text=True, check=False
    )
    assert "pins another graph" in done.stderr
    assert run["state"] == "done"
