"""What a place that Terraform plans costs a month in which nobody does anything, estimated; and what a run costs there.

An estimate and no bill: every part is named, and so is what is not reckoned.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from components.core.errors import InvalidInput
from components.core.run import Run, State
from pipelines import located_yaml
from pipelines.resources import bytes_of
from pipelines.terraform import OUTPUT
from pipelines.terraform.plan import Plan, Resource

PRICES = Path(__file__).with_name("idle.yaml")
GIB, HOUR = 2**30, 3600


class SqlPrices(located_yaml.Part):
    """Cloud SQL, in one zone."""

    cpu: float = Field(ge=0)
    memory: float = Field(ge=0)
    shared: dict[str, float]
    disk: float = Field(ge=0)
    backup: float = Field(ge=0)


class RunPrices(located_yaml.Part):
    """Cloud Run, for a second of an instance that is kept."""

    cpu: float = Field(ge=0)
    memory: float = Field(ge=0)
    waiting_cpu: float = Field(ge=0)
    waiting_memory: float = Field(ge=0)


class KeyPrices(located_yaml.Part):
    """Cloud KMS, a version of a key for a month."""

    software: float = Field(ge=0)
    hsm_symmetric: float = Field(ge=0)
    hsm_elliptic: float = Field(ge=0)


class Assumed(located_yaml.Part):
    """What a plan does not say."""

    bucket_gib: dict[str, float]
    other_bucket_gib: float = Field(ge=0)
    images_gib: float = Field(ge=0)
    nat_machines: int = Field(ge=0)


class IdlePrices(located_yaml.Table):
    """A file of prices of what is there."""

    date: date
    source: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    place: str
    hours: int = Field(gt=0)
    sql: SqlPrices
    run: RunPrices
    key: KeyPrices
    secret: float = Field(ge=0)
    address: float = Field(ge=0)
    nat_machine: float = Field(ge=0)
    bucket: float = Field(ge=0)
    images: float = Field(ge=0)
    assumed: Assumed
    free: frozenset[str]
    not_counted: dict[str, str]
    always_not_counted: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A part of what a place costs: what it is, with what is assumed of it, and how much a month."""

    what: str
    amount: float


def idle_prices(path: Path = PRICES) -> IdlePrices:
    """The prices of a file. Raises InvalidInput."""
    return located_yaml.validate(IdlePrices, located_yaml.load(path))


def parts_of(plan: Plan, prices: IdlePrices) -> list[Part]:
    """What each resource of a plan that costs something costs a month, the dearest first."""
    found = [part for one in plan.resources if one.type in _PRICED for part in _PRICED[one.type](one, prices)]
    return sorted(found, key=lambda part: -part.amount)


def not_counted(plan: Plan, prices: IdlePrices) -> list[str]:
    """What a plan holds that has no price here, with the reason; none is left out in silence."""
    kinds = Counter(one.type for one in plan.resources)
    for kind in list(kinds):
        if kind in _PRICED or kind in prices.free or "_iam_" in kind:
            del kinds[kind]
    unknown = f"nobody has said in {PRICES.name} what it costs"
    return [f"{count} × {kind}: {prices.not_counted.get(kind, unknown)}" for kind, count in sorted(kinds.items())]


def place_of(plan: Plan) -> tuple[str, str]:
    """The name and the region of the environment that a plan makes. Raises InvalidInput where it makes none."""
    told = plan.environment
    if not told.get("name") or not told.get("region"):
        raise InvalidInput(
            f"terraform plan: has no output {OUTPUT} with name and region; plan one of infra/terraform/envs"
        )
    return str(told["name"]), str(told["region"])


def run_costs(region: str, seconds: float) -> Iterator[tuple[str, int, float | None, str]]:
    """What a run of each graph of each shipped recipe costs in a region, if each step takes so many seconds.

    Recipe and graph, how many steps, the amount (None where a price is missing), and the date of the prices.
    """
    from pipelines.backends.record import step_runs
    from pipelines.compile import compile_graphs
    from pipelines.environment import VertexEnvironment, load_environment
    from pipelines.prices import estimated_cost
    from pipelines.recipe import load_recipe, shipped

    example = load_environment(str(Path(__file__).parents[1] / "environments" / "vertex.yaml"))
    assert isinstance(example, VertexEnvironment)
    there = example.model_copy(update={"region": region})
    for path in shipped():
        recipe = load_recipe(path)
        for name, graph in compile_graphs(recipe, example).items():
            steps = tuple(step.model_copy(update={"seconds": seconds}) for step in step_runs(graph.spec()))
            facts = dict.fromkeys(("backend", "recipe_digest", "environment", "environment_digest", "spec", "now"), "")
            run = Run(run=name, graph=name, recipe=recipe.name, state=State.DONE, steps=steps, **facts)
            cost = estimated_cost(run, recipe, there)
            yield f"{recipe.name} {name}", len(steps), cost.amount if cost else None, cost.prices if cost else ""


def _sql(one: Resource, prices: IdlePrices) -> Iterator[Part]:
    settings = one.values["settings"][0]
    tier, disk = str(settings["tier"]), float(settings.get("disk_size") or 10)
    zones = 2 if settings.get("availability_type") == "REGIONAL" else 1
    where = "in two zones" if zones == 2 else "in one zone"
    name = f"Cloud SQL {one.values.get('name')}"
    if matched := re.fullmatch(r"db-custom-(\d+)-(\d+)", tier):
        hour = int(matched[1]) * prices.sql.cpu + int(matched[2]) / 1024 * prices.sql.memory
    elif tier in prices.sql.shared:
        hour = prices.sql.shared[tier]
    else:
        raise InvalidInput(f"{one.address}: no price is known of {tier}; say it in {PRICES.name} under sql.shared")
    yield Part(f"{name}: {tier} {where}", zones * hour * prices.hours)
    yield Part(f"{name}: a disk of {disk:g} GiB {where}", zones * disk * prices.sql.disk)
    if any(backup.get("enabled") for backup in settings.get("backup_configuration") or ()):
        yield Part(f"{name}: backups, together as large as the disk", disk * prices.sql.backup)


def _service(one: Resource, prices: IdlePrices) -> Iterator[Part]:
    template = one.values["template"][0]
    kept = max((int(scaling.get("min_instance_count") or 0) for scaling in template.get("scaling") or ()), default=0)
    if not kept:
        return
    second = 0.0
    for container in template["containers"]:
        asked: dict[str, Any] = (container.get("resources") or [{}])[0]
        limits = asked.get("limits") or {}
        works = asked.get("cpu_idle") is False
        cpu, memory = _cpus(str(limits.get("cpu", "1"))), bytes_of(str(limits.get("memory", "512Mi"))) / GIB
        second += cpu * (prices.run.cpu if works else prices.run.waiting_cpu)
        second += memory * (prices.run.memory if works else prices.run.waiting_memory)
    yield Part(f"Cloud Run {one.values.get('name')}: {kept} kept", kept * second * prices.hours * HOUR)


def _cpus(text: str) -> float:
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def _key(one: Resource, prices: IdlePrices) -> Iterator[Part]:
    template = (one.values.get("version_template") or [{}])[0]
    hsm = template.get("protection_level") == "HSM"
    elliptic = str(template.get("algorithm") or "").startswith("EC_")
    amount = prices.key.software if not hsm else prices.key.hsm_elliptic if elliptic else prices.key.hsm_symmetric
    yield Part(f"Cloud KMS {one.values.get('name')}: a version{' in hardware' if hsm else ''}", amount)


def _nat(one: Resource, prices: IdlePrices) -> Iterator[Part]:
    machines = prices.assumed.nat_machines
    hour = prices.address + machines * prices.nat_machine
    yield Part(f"Cloud NAT {one.values.get('name')}: an address, {machines} machine", hour * prices.hours)


def _secret(one: Resource, prices: IdlePrices) -> Iterator[Part]:
    yield Part(f"Secret {one.values.get('secret_id')}: a version", prices.secret)


def _bucket(one: Resource, prices: IdlePrices) -> Iterator[Part]:
    word = str(one.values.get("name")).rsplit("-", 1)[-1]
    gib = prices.assumed.bucket_gib.get(word, prices.assumed.other_bucket_gib)
    yield Part(f"Bucket {word}: if {gib:g} GiB lie in it", gib * prices.bucket)


def _images(one: Resource, prices: IdlePrices) -> Iterator[Part]:
    gib = prices.assumed.images_gib
    yield Part(f"Images {one.values.get('repository_id')}: if they have {gib:g} GiB", gib * prices.images)


_PRICED = {
    "google_sql_database_instance": _sql,
    "google_cloud_run_v2_service": _service,
    "google_kms_crypto_key": _key,
    "google_compute_router_nat": _nat,
    "google_secret_manager_secret": _secret,
    "google_storage_bucket": _bucket,
    "google_artifact_registry_repository": _images,
}
