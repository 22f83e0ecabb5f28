"""What a planned place costs a month idle: every part is named, and so is what is not counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.core.errors import InvalidInput
from pipelines.cli import sluice
from pipelines.terraform.cost import idle_prices, not_counted, parts_of, run_costs
from pipelines.terraform.plan import Plan
from tests.pipelines.terraform.small_plan import Block, made, written

PRICES = idle_prices()
MONTH = 730
PLACE = {"sluice_environment": {"change": {}, "after": {"name": "dev", "region": "europe-west4"}}}


def costs(*blocks: Block) -> dict[str, float]:
    return {part.what: round(part.amount, 2) for part in parts_of(Plan(written(*blocks)), PRICES)}


def database(tier: str, **settings: Any) -> Block:
    return made("sql_database_instance", "db", settings=[{"tier": tier, **settings}])


def service(kept: int, *containers: dict[str, Any]) -> Block:
    scaling = [{"min_instance_count": kept}]
    return made("cloud_run_v2_service", "x", template=[{"scaling": scaling, "containers": list(containers)}])


def container(cpu: str, memory: str, idle: bool | None) -> dict[str, Any]:
    return {"resources": [{"limits": {"cpu": cpu, "memory": memory}, "cpu_idle": idle}]}


def test_a_database_costs_its_machine_disk_and_backups_twice_where_a_second_zone_holds_it() -> None:
    one = database(
        "db-custom-2-7680", disk_size=50, availability_type="ZONAL", backup_configuration=[{"enabled": True}]
    )
    two = database("db-custom-2-7680", disk_size=50, availability_type="REGIONAL")
    assert costs(one) == {
        "Cloud SQL db: db-custom-2-7680 in one zone": round((2 * 0.0413 + 7.5 * 0.007) * MONTH, 2),
        "Cloud SQL db: a disk of 50 GiB in one zone": 8.5,
        "Cloud SQL db: backups, together as large as the disk": 4.0,
    }
    assert costs(two) == {
        "Cloud SQL db: db-custom-2-7680 in two zones": 197.25,
        "Cloud SQL db: a disk of 50 GiB in two zones": 17.0,
    }
    assert costs(database("db-f1-micro"))["Cloud SQL db: db-f1-micro in one zone"] == 7.67  # as infracost has it


def test_a_service_costs_what_is_kept_of_it() -> None:
    works, waits = container("1", "1Gi", idle=False), container("500m", "512Mi", idle=None)
    assert costs(service(0, works)) == {}
    assert costs(service(2, works)) == {"Cloud Run x: 2 kept": round(2 * (0.000018 + 0.000002) * MONTH * 3600, 2)}
    assert costs(service(1, waits)) == {"Cloud Run x: 1 kept": round(2 * 0.5 * 0.0000025 * MONTH * 3600, 2)}
    assert costs(service(1, works, waits)) == {"Cloud Run x: 1 kept": round(52.56 + 6.57, 2)}


def test_a_key_costs_by_where_it_is_kept_and_what_it_is_for() -> None:
    def key(level: str, algorithm: str) -> float:
        template = [{"protection_level": level, "algorithm": algorithm}]
        (amount,) = costs(made("kms_crypto_key", "k", version_template=template)).values()
        return amount

    assert key("SOFTWARE", "EC_SIGN_P256_SHA256") == 0.06
    assert key("HSM", "EC_SIGN_P256_SHA256") == 2.5
    assert key("HSM", "GOOGLE_SYMMETRIC_ENCRYPTION") == 1.0


def test_what_is_assumed_is_said() -> None:
    found = costs(
        made("storage_bucket", "s", name="p-sluice-store"),
        made("storage_bucket", "o", name="p-sluice-other"),
        made("artifact_registry_repository", "r", repository_id="sluice"),
        made("secret_manager_secret", "t", secret_id="token"),
        made("compute_router_nat", "n"),
    )
    assert found == {
        "Cloud NAT n: an address, 1 machine": round((0.005 + 0.0014) * MONTH, 2),
        "Bucket store: if 100 GiB lie in it": 2.0,
        "Images sluice: if they have 20 GiB": 2.0,
        "Secret token: a version": 0.06,
        "Bucket other: if 1 GiB lie in it": 0.02,
    }


def test_what_has_no_price_is_named_and_what_costs_nothing_is_not() -> None:
    blocks = (
        made("container_cluster", "gke"),
        made("container_cluster", "gke2"),
        made("monitoring_alert_policy", "a"),
        made("service_account", "s"),
        made("storage_bucket_iam_member", "m"),
        made("kms_crypto_key", "k"),
    )
    first, second = not_counted(Plan(written(*blocks)), PRICES)
    assert first == "2 × google_container_cluster: nobody has said in idle.yaml what it costs"
    assert second.startswith("1 × google_monitoring_alert_policy: Google asks for each condition")


def test_a_machine_without_a_price_is_an_error() -> None:
    with pytest.raises(
        InvalidInput, match=r"google_sql_database_instance.db: no price is known of db-perf-optimized-N-2"
    ):
        costs(database("db-perf-optimized-N-2"))


def test_a_run_of_each_recipe_that_comes_with_sluice_has_a_price() -> None:
    found = {graph: (steps, amount) for graph, steps, amount, _ in run_costs("europe-west4", 3600)}
    assert len(found) == 6
    steps, amount = found["helpdesk monitoring"]
    assert amount == pytest.approx(0.03 + steps * (4 * 0.0276132 + 16 * 0.0037012), abs=1e-4)
    assert {amount for _, _, amount, _ in run_costs("europe-west9", 3600)} == {None}


def test_the_command_names_parts_sum_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(written(database("db-f1-micro"), made("kms_crypto_key", "k"), output_changes=PLACE))
    sluice.main(["env", "cost", str(plan), "--step-minutes", "60"], standalone_mode=False)
    said = capsys.readouterr().out
    assert said.startswith("dev, a month in which nobody does anything, in USD at list prices of 2026-05-31:\n")
    assert "       7.67  Cloud SQL db: db-f1-micro in one zone\n" in said
    assert "       9.43  together\n" in said
    assert "The prices are those of us-central1; europe-west4 has its own" in said
    assert "  helpdesk monitoring, 5 steps: 0.88 at the prices of 2026-09-08\n" in said
    plan.write_text(written(database("db-f1-micro")))
    with pytest.raises(InvalidInput, match="has no output sluice_environment with name and region"):
        sluice.main(["env", "cost", str(plan)], standalone_mode=False)
