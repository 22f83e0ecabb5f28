"""The command that goes on by itself, as a person types it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from pipelines import follow, schedule
from pipelines.follow import Finished
from pipelines.runs import RunFolder
from tests.pipelines.small import RECIPE


@pytest.fixture(autouse=True)
def recipe(environment) -> None:
    Path("recipe.yaml").write_text(RECIPE)


def test_what_is_no_time_is_refused_before_anything_runs(sluice) -> None:
    code, _, complaints = sluice("schedule", "recipe.yaml", "--every", "often")
    assert code == 2
    assert "write an interval such as 7d" in complaints
    assert not Path(".sluice/schedules").exists()


@pytest.mark.parametrize(("graph", "number"), [("monitoring", signal.SIGINT), ("lifecycle", signal.SIGTERM)])
def test_the_graph_runs_at_the_schedules_moment_until_it_is_told_to_stop_and_that_is_a_good_end(
    sluice, graph: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def carry_out(ask) -> Finished:
        asked.append((ask.graph, ask.recipe.name, ask.now))
        if len(asked) > 1:
            signal.raise_signal(number)
        return Finished(RunFolder(Path("runs/one")), ())

    monkeypatch.setattr(follow, "carry_out", carry_out)
    before = signal.getsignal(signal.SIGTERM)
    code, said, complaints = sluice("schedule", "recipe.yaml", "--every", "1s", "--graph", graph)
    assert signal.getsignal(signal.SIGTERM) is before
    (path,) = Path(".sluice/schedules").glob("*.json")
    kept = json.loads(path.read_text())
    assert code == 0
    assert [name for name, *_ in asked] == [graph] * 2
    assert [moment for *_, moment in asked] == [kept["done"], kept["started"]]
    assert f"next: {graph} of small at" in said
    assert "start it again and it goes on from here" in complaints


def test_a_second_scheduler_is_a_conflict(sluice) -> None:
    path = Path(".sluice/schedules/local-small-monitoring.json")
    with schedule._alone(path):
        code, _, complaints = sluice("schedule", "recipe.yaml", "--every", "1s")
    assert code == 5
    assert "keeps it already" in complaints
