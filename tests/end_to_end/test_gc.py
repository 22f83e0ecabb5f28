"""After a clean-up everything that was said still holds, and what is missing is made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from components.core.attempt import Attempt
from components.core.store import Store
from tests.end_to_end.conftest import Project


@pytest.fixture
def copy(finished: Project, tmp_path: Path) -> Project:
    """A project of one's own in which a lifecycle and a release have run."""
    shutil.copytree(finished.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def _clean(project: Project) -> dict:
    return json.loads(project.sluice("gc", "--older-than", "0s", "--delete", "--json").stdout)


def test_endpoint_runs_and_reports_are_as_they_were_after_a_clean_up(copy: Project) -> None:
    store = Store(str(copy.folder / ".sluice" / "store"))
    before = store.list("")
    with Attempt(store, "curate").rows(kind="documents") as rows:
        rows.append({"id": "left", "text": "", "source": "", "licence": "", "created": None, "meta": "{}"})
    told = _clean(copy)
    assert told["kinds"]["unfinished"]["objects"] == 1
    # The monitoring graph was pinned, and nothing has asked for it.
    assert told["kinds"].keys() <= {"unfinished", "graphs"}
    assert {key for key in before if not key.startswith("graphs/")} <= set(store.list(""))
    copy.sluice("verify", "tiny")
    for run in (copy.folder / "runs").iterdir():
        if not run.is_symlink():
            copy.sluice("verify", run.name)
            copy.sluice("report", run.name, "--json", code=None)
    assert copy.sluice("report", "latest", "--rejects", "ingest").stdout


@pytest.mark.long
def test_a_cached_step_whose_output_was_removed_runs_again(copy: Project) -> None:
    shutil.rmtree(copy.folder / "runs")
    for name in ("decisions", "requests", "windows", "approvals"):
        shutil.rmtree(copy.folder / ".sluice" / "store" / name, ignore_errors=True)
    for database in copy.folder.glob(".sluice/*.db*"):
        database.unlink()
    assert _clean(copy)["kinds"]["documents"]["objects"] > 5
    copy.sluice("run", "recipe.yaml")
    steps = copy.steps()
    assert not any(step["cached"] for step in steps.values())
    copy.sluice("verify", "tiny")
