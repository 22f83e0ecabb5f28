"""Schedules that a service keeps, as a person makes, lists, pauses, resumes and removes them, on both services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.environment import load_environment
from pipelines.keys import new_key
from tests.contract.google.cloud_logging import CloudLogging
from tests.contract.google.server import Server as Google
from tests.contract.google.vertex import Vertex
from tests.contract.kubeflow.server import Server as Kubeflow
from tests.pipelines.small import RECIPE

MONDAYS = ("schedule", "recipe.yaml", "--every", "0 3 * * 1", "--env", "there")


@dataclass
class There:
    """A service that keeps schedules, and how it starts what is due."""

    backend: str
    fake: Any

    def fire(self, moment: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self.fake.fire(moment)]


@pytest.fixture(params=["vertex", "kubeflow"])
def there(request: pytest.FixtureRequest, environment: object, tmp_path: Path) -> Iterator[There]:
    Path("recipe.yaml").write_text(RECIPE)
    vertex, kubeflow = Vertex(), Kubeflow()
    with Google(vertex, CloudLogging()).running() as google, kubeflow.running():
        shipped = load_environment(request.param).model_dump(mode="json", exclude_defaults=True)
        address = {"api_endpoint": google.address} if request.param == "vertex" else {"host": kubeflow.address}
        place = {"name": "there", "store": str(tmp_path / "store"), "runs": "./cloud-runs", **address}
        keys = {"trust": "there/trust.json", "keys": {"monitor": "file2:there/monitor.pem"}}
        Path("environments/there.yaml").write_text(json.dumps({**shipped, **place, **keys}))
        new_key(load_environment("there"), "monitor")
        yield There(request.param, vertex if request.param == "vertex" else kubeflow)


def listed(sluice: Any) -> list[dict]:
    code, said, _ = sluice("schedules", "--env", "there", "--json")
    assert code == 0
    return [json.loads(line) for line in said.splitlines()]


def test_nothing_is_scheduled_where_nobodys_decision_would_count(sluice: Any, there: There) -> None:
    assert sluice("keys", "retire", "monitor", "--env", "there")[0] == 0
    code, _, complaints = sluice(*MONDAYS)
    assert code == 2
    assert "name no active key of monitor, so nothing that is decided would count" in complaints
    assert listed(sluice) == []


def test_a_schedule_is_kept_changed_paused_resumed_and_removed(sluice: Any, there: There) -> None:
    code, said, _ = sluice("schedules", "--env", "there")
    assert (code, "no schedules in there" in said) == (0, True)
    code, said, _ = sluice(*MONDAYS)
    assert code == 0
    assert said.startswith("small-monitoring")
    sluice("schedule", "recipe.yaml", "--every", "30 4 * * *", "--env", "there")
    (one,) = listed(sluice)
    assert (one["name"], one["cron"], one["zone"], one["paused"]) == ("small-monitoring", "30 4 * * *", "UTC", False)
    assert sluice("schedules", "pause", "small-monitoring", "--env", "there")[0] == 0
    assert [one["paused"] for one in listed(sluice)] == [True]
    assert there.fire("2026-01-05T04:30:00Z") == []
    assert sluice("schedules", "resume", "small-monitoring", "--env", "there")[0] == 0
    assert [one["paused"] for one in listed(sluice)] == [False]
    assert sluice("schedules", "remove", "small-monitoring", "--env", "there")[0] == 0
    assert listed(sluice) == []


def test_the_environment_may_stand_before_the_verb_and_behind_it_wins(sluice: Any, there: There) -> None:
    sluice(*MONDAYS)
    assert sluice("schedules", "--env", "there", "pause", "small-monitoring")[0] == 0
    assert [one["paused"] for one in listed(sluice)] == [True]
    assert sluice("schedules", "--env", "local", "resume", "small-monitoring", "--env", "there")[0] == 0
    assert [one["paused"] for one in listed(sluice)] == [False]
    code, _, complaints = sluice("schedules", "--env", "there", "remove", "small-monitoring", "--env", "local")
    assert (code, "--env local: on this machine" in complaints) == (2, True)
    assert len(listed(sluice)) == 1


def test_what_a_schedule_started_is_seen_with_its_moment_also_after_a_change(sluice: Any, there: There) -> None:
    sluice(*MONDAYS)
    (first,) = there.fire("2026-01-05T03:00:00Z")
    sluice("schedule", "recipe.yaml", "--every", "0 3 * * 1", "--env", "there", "--set", "observe.join_days=20")
    (second,) = there.fire("2026-01-12T03:00:00Z")
    code, said, complaints = sluice("runs", "--env", "there", "--json")
    assert code == 0, complaints
    found = {run["run"]: run for run in json.loads(said)}
    assert set(found) == {first, second}
    assert [found[name]["now"][:10] for name in (first, second)] == ["2026-01-05", "2026-01-12"]
    assert found[first]["spec"] != found[second]["spec"]
    assert {run["graph"] for run in found.values()} == {"monitoring"}
    assert sluice("status", first, "--env", "there")[0] == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--every", "7d"), "five fields of cron"),
        (("--every", "61 * * * *"), "is no minute"),
        (("--every", "0 3 30 2 *"), "never comes"),
        (("--every", "0 3 * * *", "--zone", "Europe/Atlantis"), "Atlantis"),
        (("--every", "0 3 * * *", "--set", "drift.nothing=1"), "unknown key"),
    ],
)
def test_a_bad_time_or_zone_is_told_and_nothing_is_kept(
    sluice: Any, there: There, words: tuple[str, ...], complaint: str
) -> None:
    code, _, complaints = sluice("schedule", "recipe.yaml", "--env", "there", *words)
    assert code == 2
    assert complaint in complaints
    assert "Traceback" not in complaints
    assert listed(sluice) == []


def test_a_schedule_that_is_not_there_is_told(sluice: Any, there: There) -> None:
    for verb in ("pause", "resume", "remove"):
        code, _, complaints = sluice("schedules", verb, "nothing", "--env", "there")
        assert (code, "`sluice schedules --env there`" in complaints) == (2, True), verb


def test_here_the_process_is_the_schedule(sluice: Any, environment: object) -> None:
    code, _, complaints = sluice("schedules")
    assert (code, "Ctrl-C" in complaints) == (2, True)
