"""What a run is estimated to have cost: from its steps' machines and times, at the prices of a dated file."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.errors import InvalidInput
from components.core.run import EstimatedCost, Run, State, StepRun
from pipelines.environment import CloudEnvironment, load_environment
from pipelines.follow import Finished, tell
from pipelines.prices import LISTED, cost_of_all, estimated_cost, prices_of
from pipelines.recipe import RecipeBase, load_recipe
from pipelines.runs import RunFolder
from tests.pipelines.small import RECIPE

OWN = """
version: 1
date: 2026-03-01
source: our own machines
currency: EUR
machine: {cpu: 2, memory: 8Gi}
places:
  everywhere: {cpu: 0.1, memory: 0.01, accelerators: {nvidia.com/gpu: {hour: 2}, whole: {hour: 5, with_machine: true}}}
"""
HOUR = 3600.0


def a_run(*steps: StepRun, state: State = State.DONE) -> Run:
    facts = dict.fromkeys(("graph", "backend", "recipe", "recipe_digest", "environment", "environment_digest"), "x")
    return Run(run="lifecycle-x-1", spec="", now="", state=state, steps=steps, **facts)


def an_hour(title: str, **fields) -> StepRun:
    return StepRun(name=title.lower(), title=title, seconds=HOUR, state=State.DONE, **fields)


@pytest.fixture
def recipe_with(tmp_path: Path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return lambda *assignments: load_recipe(tmp_path / "recipe.yaml", assignments)


@pytest.fixture
def own(tmp_path: Path) -> CloudEnvironment:
    (tmp_path / "prices.yaml").write_text(OWN)
    return load_environment("kubeflow").model_copy(update={"prices": str(tmp_path / "prices.yaml")})


def amount(run: Run, recipe: RecipeBase, environment: CloudEnvironment) -> float:
    found = estimated_cost(run, recipe, environment)
    assert found
    return found.amount


def test_a_step_costs_its_machine_for_its_time_and_the_run_its_fee(recipe_with) -> None:
    vertex = load_environment("vertex")
    shape = recipe_with("curate.resources={cpu: 8, memory: 32Gi}")
    cost = estimated_cost(a_run(an_hour("Split"), an_hour("Curate")), shape, vertex)
    assert cost == EstimatedCost(amount=round(0.03 + 3 * 0.169672, 4), currency="USD", prices="2026-09-08")
    assert str(cost) == "0.54 USD at the prices of 2026-09-08"


def test_the_list_prices_are_those_that_google_lists() -> None:
    listed = prices_of(load_environment("vertex"))
    assert listed
    rates = listed.places["us-central1"]
    assert 4 * rates.cpu + 16 * rates.memory == pytest.approx(0.154126276, rel=1e-5)  # e2-standard-4, 2026-09-08
    assert rates.accelerators["NVIDIA_TESLA_A100"].hour > rates.accelerators["NVIDIA_L4"].hour
    assert listed.places.keys() == {"us-central1", "europe-west4"}


def test_what_came_from_the_cache_and_what_was_not_begun_cost_nothing(recipe_with, own: CloudEnvironment) -> None:
    free = (an_hour("Split", cached=True), StepRun(name="curate", title="Curate", state=State.SKIPPED))
    assert amount(a_run(*free, an_hour("Redact")), recipe_with(), own) == pytest.approx(0.28)
    assert amount(a_run(*free), recipe_with(), own) == 0
    assert amount(a_run(an_hour("Split"), state=State.FAILED), recipe_with(), own) == pytest.approx(0.28)
    assert estimated_cost(a_run(an_hour("Split"), state=State.PENDING), recipe_with(), own) is None


@pytest.mark.parametrize(
    ("accelerator", "hour"),
    [("{type: nvidia.com/gpu, count: 2}", 4.28), ("{type: whole, count: 2}", 10.0), ("{type: whole}", 5.0)],
)
def test_an_accelerator_costs_besides_its_machine_or_with_it(
    recipe_with, own: CloudEnvironment, accelerator: str, hour: float
) -> None:
    recipe = recipe_with(f"tokenise.resources.accelerator={accelerator}")
    assert amount(a_run(an_hour("Tokenise")), recipe, own) == pytest.approx(hour)


def test_a_stage_of_training_is_found_by_its_title(recipe_with, own: CloudEnvironment) -> None:
    recipe = recipe_with("train=[{name: further-training, finetune: {resources: {cpu: 10}}}]")
    assert amount(a_run(an_hour("Further training")), recipe, own) == pytest.approx(1.08)


def test_without_a_price_nothing_is_guessed(recipe_with, own: CloudEnvironment) -> None:
    run, vertex = a_run(an_hour("Curate")), load_environment("vertex")
    assert estimated_cost(run, recipe_with(), load_environment("kubeflow")) is None
    assert estimated_cost(run, recipe_with(), vertex.model_copy(update={"region": "asia-east1"})) is None
    assert estimated_cost(run, recipe_with("curate.resources.accelerator={type: TPU_V9}"), own) is None
    assert estimated_cost(a_run(), recipe_with("curate.resources.accelerator={type: TPU_V9}"), own)


def test_what_a_run_asked_for_counts_with_it_once_it_has_begun_and_nothing_is_said_where_one_has_no_price() -> None:
    cost = EstimatedCost(amount=1.25, currency="USD", prices="2026-09-08")
    asking, asked = (a_run().model_copy(update={"estimated_cost": cost}) for _ in range(2))
    assert cost_of_all([asking, asked]) == cost.model_copy(update={"amount": 2.5})
    assert cost_of_all([asking, a_run(state=State.PENDING)]) == cost
    assert cost_of_all([asking, a_run()]) is None
    older = cost.model_copy(update={"prices": "2026-01-01"})
    assert cost_of_all([asking, asked.model_copy(update={"estimated_cost": older})]) is None
    assert cost_of_all([]) is None


def test_what_was_followed_to_its_end_is_told_with_what_it_has_cost_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = EstimatedCost(amount=1.25, currency="USD", prices="2026-09-08")
    priced, unpriced = a_run().model_copy(update={"estimated_cost": cost}), a_run()
    vertex = load_environment("vertex").model_copy(update={"store": str(tmp_path / "store")})
    tell(Finished(RunFolder(tmp_path), (priced, priced)), vertex)
    assert "estimated cost: 2.50 USD at the prices of 2026-09-08\npage: " in capsys.readouterr().out
    tell(Finished(RunFolder(tmp_path), (priced, unpriced)), vertex)
    assert "cost" not in capsys.readouterr().out


def test_an_own_file_counts_on_vertex_too(recipe_with, own: CloudEnvironment) -> None:
    vertex = load_environment("vertex").model_copy(update={"prices": own.prices})
    assert amount(a_run(an_hour("Curate")), recipe_with(), vertex) == pytest.approx(0.28)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("", "not a mapping of keys to values"),
        (OWN.replace("cpu: 0.1", "cpu: .inf"), "cpu: inf: input should be a finite number"),
        (OWN.replace("EUR", "Euro"), "prices.yaml:5: currency: 'Euro'"),
        (OWN.replace("2026-03-01", "lately"), "prices.yaml:3: date: 'lately'"),
        (OWN.replace("8Gi", "8 Gigs"), "is no amount of memory"),
        (OWN.replace("cpu: 0.1", "cpu: -0.1"), "cpu: -0.1: input should be greater than or equal to 0"),
        (OWN.replace("cpu: 0.1", "cpus: 0.1"), "cpus: unknown key"),
        (OWN.replace("version: 1", "version: 2"), "version 2 is newer than this Sluice reads"),
    ],
)
def test_a_file_that_is_no_list_of_prices_is_told_with_its_place(
    recipe_with, own: CloudEnvironment, changed: str, said: str
) -> None:
    Path(own.prices).write_text(changed)
    with pytest.raises(InvalidInput, match=said):
        estimated_cost(a_run(), recipe_with(), own)


def test_a_file_that_is_not_there_is_told(recipe_with, own: CloudEnvironment) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere.yaml: no such file"):
        estimated_cost(a_run(), recipe_with(), own.model_copy(update={"prices": "nowhere.yaml"}))


def test_who_pays_which_prices_does_not_change_what_is_asked_for(own: CloudEnvironment) -> None:
    assert own.digest == load_environment("kubeflow").digest
    assert LISTED.exists()
