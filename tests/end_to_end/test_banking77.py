"""The lifecycle on real text: Banking77 (Casanueva et al. 2020, arXiv:2003.04807; CC BY 4.0), which is not shipped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from components.core.store import Store
from pipelines.recipe import shipped
from tests.end_to_end.conftest import Project

FOLDER = Path(os.environ.get("SLUICE_BANKING77", "")).absolute()
RECIPE = next(path for path in shipped() if path.stem == "banking77")


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not (FOLDER / "test.csv").exists(), reason="SLUICE_BANKING77 names no folder with Banking77")
def test_a_model_from_scratch_names_four_of_five_intents_and_copies_of_the_exam_are_gone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    done = project.sluice("run", str(RECIPE), "--set", f"resolve.root={FOLDER}", "--json")
    lifecycle, release = json.loads(done.stdout)
    store = Store(str(tmp_path / ".sluice/store"))
    reports = {step["name"]: json.loads(store.read(step["report"])) for step in lifecycle["steps"] + release["steps"]}
    figures = {name: figure["value"] for name, figure in reports["benchmark"]["figures"].items()}
    print(json.dumps({name: value for name, value in figures.items() if "/" not in name}))
    assert reports["benchmark"]["rows"]["created"] == 3080
    assert reports["decontaminate"]["rows"]["rejected"]["exam_exact"] > 0
    assert figures["banking77-test"] >= 0.8
    assert figures["banking77-test_without_near_duplicates"] >= 0.8
