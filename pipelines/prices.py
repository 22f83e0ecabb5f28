"""What a run has cost, estimated: its steps' machines and times at the prices of a dated file.

An estimate and no bill: it knows nothing of discounts, taxes, disks, networks, storage, and of the minutes in which a
machine starts. A step that was answered from the cache costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import Field, field_validator

from components.core.run import EstimatedCost, Run, State
from pipelines import located_yaml
from pipelines.environment import CloudEnvironment, VertexEnvironment
from pipelines.recipe import RecipeBase
from pipelines.resources import Resources, bytes_of

LISTED = Path(__file__).with_name("prices.yaml")
"""Google's list prices for Vertex AI."""
EVERYWHERE = "everywhere"
GIB, HOUR = 2**30, 3600


class AcceleratorPrice(located_yaml.Part):
    """An accelerator, for an hour."""

    hour: float = Field(ge=0)
    with_machine: bool = False
    """Whether the machine that it sits in is in the price."""


class Rates(located_yaml.Part):
    """Prices in one place, for an hour: of a processor, of a GiB of memory, and of accelerators by their names."""

    cpu: float = Field(ge=0)
    memory: float = Field(ge=0)
    accelerators: dict[str, AcceleratorPrice] = {}


class Machine(located_yaml.Part):
    """What a step gets that asks for nothing."""

    cpu: float = Field(gt=0)
    memory: str

    @field_validator("memory")
    @classmethod
    def _is_memory(cls, text: str) -> str:
        bytes_of(text)
        return text


class Prices(located_yaml.Table):
    """A file of prices."""

    date: date
    source: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    run: float = Field(default=0, ge=0)
    machine: Machine
    places: dict[str, Rates] = Field(min_length=1)


def prices_of(environment: CloudEnvironment) -> Prices | None:
    """The prices that an environment's runs are estimated at; None where nobody named any. Raises InvalidInput."""
    path = Path(environment.prices) if environment.prices else LISTED
    if path == LISTED and not isinstance(environment, VertexEnvironment):
        return None
    return located_yaml.validate(Prices, located_yaml.load(path))


def estimated_cost(run: Run, recipe: RecipeBase, environment: CloudEnvironment) -> EstimatedCost | None:
    """What a run has cost so far; None where a price is missing, or it was not begun. Raises InvalidInput."""
    prices = prices_of(environment)
    if prices is None or run.state is State.PENDING:
        return None
    region = environment.region if isinstance(environment, VertexEnvironment) else EVERYWHERE
    rates = prices.places.get(region) or prices.places.get(EVERYWHERE)
    if rates is None:
        return None
    amount = prices.run
    for step in run.steps:
        if step.cached or not step.seconds:
            continue
        hour = _an_hour(recipe.resources_of_task(step.title), rates, prices.machine)
        if hour is None:
            return None
        amount += hour * step.seconds / HOUR
    return EstimatedCost(amount=round(amount, 4), currency=prices.currency, prices=prices.date.isoformat())


def cost_of_all(runs: Sequence[Run]) -> EstimatedCost | None:
    """What a run and those that it asked for have cost together, where that is known of all, by prices of one date.

    A run that was not begun has cost nothing yet.
    """
    costs = [run.estimated_cost for run in runs if run.state is not State.PENDING]
    known = [cost for cost in costs if cost]
    if len(known) < len(costs) or len({(cost.currency, cost.prices) for cost in known}) != 1:
        return None
    return known[0].model_copy(update={"amount": round(sum(cost.amount for cost in known), 4)})


def _an_hour(wanted: Resources, rates: Rates, machine: Machine) -> float | None:
    """An hour of the machine that a step asks for; None where the price of its accelerator is not known."""
    memory = bytes_of(wanted.memory or machine.memory) / GIB
    of_machine = rates.cpu * (wanted.cpu or machine.cpu) + rates.memory * memory
    if wanted.accelerator is None:
        return of_machine
    price = rates.accelerators.get(wanted.accelerator.type)
    if price is None:
        return None
    return price.hour * wanted.accelerator.count + (0 if price.with_machine else of_machine)
