"""Commands that look at runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.core.errors import InvalidInput
from components.core.run import EstimatedCost, Run, State
from pipelines.cli import sluice
from pipelines.environment import load_environment
from pipelines.runs import Launch, Runs


def kept(name: str, state: State, code: int, **fields) -> None:
    folder = Runs(Path("runs")).folder_of(name)
    folder.create(Launch(run=name, graph="lifecycle", recipe={}, environment={}, now="x"))
    facts = dict.fromkeys(("graph", "backend", "recipe", "recipe_digest", "environment", "environment_digest"), "x")
    folder.write(Run(run=name, spec="", now="", state=state, exit_code=code, **facts, **fields))


def test_the_status_of_a_run_ends_with_the_worst_code_of_it_and_what_it_asked_for(environment, sluice) -> None:
    kept("monitoring-1", State.HELD, 3, requests=("first", "second"))
    kept("release-1", State.REFUSED, 3, asked_by="first")
    kept("release-2", State.FAILED, 4, asked_by="second")
    assert sluice("status", "monitoring-1")[0] == 4
    assert sluice("status", "release-1")[0] == 3
    assert sluice("status", "monitoring-1", "--json")[0] == 3


def test_the_status_of_a_failed_run_is_not_made_better_by_what_it_asked_for(environment, sluice) -> None:
    kept("lifecycle-1", State.FAILED, 4, requests=("first",))
    kept("release-1", State.REFUSED, 3, asked_by="first")
    assert sluice("status", "lifecycle-1")[0] == 4


def test_the_status_ends_with_what_the_run_has_cost_by_which_prices_where_they_are_known(environment, sluice) -> None:
    cost = EstimatedCost(amount=1234.5678, currency="USD", prices="2026-09-08")
    kept("lifecycle-1", State.DONE, 0, estimated_cost=cost)
    kept("lifecycle-2", State.DONE, 0)
    assert sluice("status", "lifecycle-1")[1].endswith("\nestimated cost: 1,234.57 USD at the prices of 2026-09-08\n")
    assert json.loads(sluice("status", "lifecycle-1", "--json")[1])["estimated_cost"] == cost.model_dump()
    assert "cost" not in sluice("status", "lifecycle-2")[1]


def test_the_runs_are_those_of_the_environment_and_others_are_counted(environment, sluice) -> None:
    kept("here", State.DONE, 0)
    folder = Runs(Path("runs")).folder_of("there")
    folder.create(Launch(run="there", graph="lifecycle", recipe={}, environment={"name": "vertex"}, now="x"))
    folder.write(Run.read((Path("runs") / "here" / "run.json").read_bytes(), "here"))
    Runs(Path("runs")).point_latest(folder)
    code, printed, told = sluice("runs")
    assert code == 0
    assert printed.count("done") == 1
    assert "1 more of the environment vertex: `sluice runs --env vertex`\n" in told
    assert sluice("status", "latest")[1].startswith("here"), "the link leads to another environment's"


@pytest.mark.parametrize("elsewhere", [None, "third", "broken"])
def test_no_command_is_advised_that_does_not_find_the_other_environment(environment, sluice, elsewhere) -> None:
    kept("here", State.DONE, 0)
    folder = Runs(Path("runs")).folder_of("there")
    folder.create(Launch(run="there", graph="lifecycle", recipe={}, environment={"name": "second"}, now="x"))
    folder.write(Run.read((Path("runs") / "here" / "run.json").read_bytes(), "here"))
    document = {**environment.model_dump(mode="json"), "name": elsewhere or "second"}
    Path("second.yaml" if elsewhere is None else "environments/second.yaml").write_text(
        "backend: [" if elsewhere == "broken" else json.dumps(document)
    )
    told = sluice("runs")[2]
    assert "1 more of the environment second\n" in told


def test_a_run_of_another_environment_is_not_looked_for_in_this_ones_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = load_environment("local")
    launch = Launch(run="one", graph="lifecycle", recipe={}, environment={"name": "demo"}, now="x")
    Runs(Path(environment.runs)).folder_of("one").create(launch)
    for command in (["status", "one"], ["report", "one"], ["compare", "one", "one"], ["logs", "one", "split"]):
        with pytest.raises(InvalidInput, match="run one: was made in the environment demo; add --env demo"):
            sluice.main(command, standalone_mode=False)
