"""A Kubeflow environment as the doctor sees it, with each thing that can be wrong about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.doctor.check import Finding, Health, examine
from pipelines.doctor.kubeflow import checks
from pipelines.environment import KubeflowEnvironment, load_environment
from tests.contract.kubeflow.server import Server
from tests.pipelines.doctor.conftest import TOKEN, Kubernetes


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as server:
        yield server


def look(server: Server, **changes: Any) -> dict[str, Finding]:
    given = load_environment("kubeflow").model_dump() | {"host": server.address} | changes
    return {one.about: one for one in examine(checks(KubeflowEnvironment.model_validate(given)))}


def unwell(found: dict[str, Finding]) -> dict[str, Health]:
    return {name: one.health for name, one in found.items() if one.health is not Health.OK}


def test_all_is_well(server: Server, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_TOKEN", TOKEN)
    found = look(server, token="env://KFP_TOKEN")
    assert unwell(found) == {}
    assert found["credentials"].said == "the token that env://KFP_TOKEN names"
    assert found["account"].said == "sluice-steps is in namespace kubeflow"
    assert TOKEN not in "".join(one.line for one in found.values())


def test_where_no_token_is_named_none_is_missed(server: Server, kubernetes: Kubernetes) -> None:
    assert unwell(look(server)) == {"credentials": Health.NOT_CHECKED}


def test_a_token_that_is_named_and_not_there(server: Server, kubernetes: Kubernetes) -> None:
    found = look(server, token="env://KFP_TOKEN_OF_NOBODY")
    assert (
        found["credentials"].said
        == "environment kubeflow: token: the variable KFP_TOKEN_OF_NOBODY is not set; export it"
    )
    assert found["credentials"].health is Health.MISSING
    assert found["account"].health is Health.OK


def test_a_server_that_is_too_old(server: Server, kubernetes: Kubernetes) -> None:
    server.version = "2.4.1"
    found = look(server)
    assert found["server"].health is Health.MISSING
    assert "'2.4.1', and KFP 2.5.0 is the first to run these graphs; upgrade it" in found["server"].said


def test_a_server_that_is_too_old_for_schedules_alone(server: Server, kubernetes: Kubernetes) -> None:
    server.version = "2.5.0"
    found = look(server)
    assert unwell(found) == {"credentials": Health.NOT_CHECKED, "server for schedules": Health.NOT_CHECKED}
    assert "schedules will be refused, all else works: " in found["server for schedules"].said
    assert "2.17.0 is the first" in found["server for schedules"].said


@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_see_runs_is_told_so_and_the_rest_is_looked_at(
    server: Server, kubernetes: Kubernetes, status: int
) -> None:
    server.fail("experiments.list", status, times=9)
    found = look(server)
    assert unwell(found) == {"credentials": Health.NOT_CHECKED, "runs": Health.MISSING}
    assert f"answered {status}" in found["runs"].said


def test_a_server_that_is_away(kubernetes: Kubernetes) -> None:
    with Server().running() as gone:
        pass
    found = look(gone)
    missing = {"clock", "server", "server for schedules", "runs"}
    assert unwell(found) == {"credentials": Health.NOT_CHECKED} | dict.fromkeys(missing, Health.MISSING)
    for name in missing:
        assert "see that it is up and reachable from here" in found[name].said
        assert "Traceback" not in found[name].said


@pytest.mark.parametrize(
    ("status", "health", "words"),
    [
        (401, Health.MISSING, "the login for the cluster is missing or ended; renew it"),
        (403, Health.NOT_CHECKED, "the cluster answered 403"),
        (503, Health.NOT_CHECKED, "the cluster answered 503"),
    ],
)
def test_a_cluster_that_does_not_say(
    server: Server, kubernetes: Kubernetes, status: int, health: Health, words: str
) -> None:
    kubernetes.fail("serviceaccounts", status)
    found = look(server)["account"]
    assert (found.health, words in found.said) == (health, True)


def test_an_account_that_is_not_there(server: Server, kubernetes: Kubernetes) -> None:
    found = look(server, namespace="team")["account"]
    assert found.health is Health.MISSING
    assert "there is no sluice-steps in namespace team; `kubectl create serviceaccount sluice-steps" in found.said


def test_without_a_login_for_the_cluster(server: Server) -> None:
    found = look(server)["account"]
    assert found.health is Health.NOT_CHECKED
    assert "`kubectl get serviceaccount sluice-steps --namespace kubeflow`" in found.said


def test_a_cluster_that_is_away(server: Server, kubernetes: Kubernetes, tmp_path: Path) -> None:
    with Kubernetes().running() as gone:
        pass
    text = (tmp_path / "kubeconfig").read_text().replace(kubernetes.address, gone.address)
    (tmp_path / "kubeconfig").write_text(text)
    found = look(server)["account"]
    assert found.health is Health.NOT_CHECKED
    assert "the cluster does not answer from here" in found.said


def test_a_login_that_is_none(server: Server, kubernetes: Kubernetes, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nclusters: none\n")
    assert look(server)["account"].health is Health.NOT_CHECKED
