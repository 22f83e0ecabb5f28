from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from components.core.run import State
from pipelines.backends.vertex_service import VertexService
from tests.contract.google.metadata import STORE, Metadata
from tests.contract.google.server import Server
from tests.contract.google.vertex import Vertex
from tests.pipelines.backends.test_vertex_service import JOB, service_at

EXPERIMENT = {
    "name": f"{STORE}/contexts/helpdesk",
    "displayName": "helpdesk",
    "schemaTitle": "system.Experiment",
    "schemaVersion": "0.0.1",
    "metadata": {"experiment_deleted": False},
}


@dataclass
class Cloud:
    server: Server
    metadata: Metadata
    waited: list[float]

    def service(self, experiment: str = "helpdesk") -> VertexService:
        return service_at(self.server.address, self.waited, experiment=experiment)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    metadata = Metadata(Vertex())
    with Server(metadata).running() as server:
        yield Cloud(server, metadata, [])


def contexts_asked(cloud: Cloud) -> int:
    return sum(".contexts." in request.operation.id for request in cloud.server.requests)


def test_runs_are_listed_in_the_experiment_once_vertex_has_made_their_contexts(cloud) -> None:
    service = cloud.service()
    for run in ("r-1", "r-2"):
        service.submit(replace(JOB, run=run))
        service.find(run)
    assert contexts_asked(cloud) == 0, "there is nothing to list yet"
    contexts = [cloud.metadata.begin(run) for run in ("r-1", "r-2")]
    for run in ("r-1", "r-2", "r-1"):
        service.find(run)
    assert cloud.metadata.contexts["helpdesk"] == EXPERIMENT
    assert cloud.metadata.children == {"helpdesk": contexts}
    asked = contexts_asked(cloud)
    service.find("r-1")
    assert contexts_asked(cloud) == asked, "once is enough"


def test_whoever_looks_next_changes_nothing(cloud) -> None:
    cloud.service().submit(JOB)
    context = cloud.metadata.begin("r-1")
    for _ in range(2):
        cloud.service().find("r-1")
    assert cloud.metadata.children == {"helpdesk": [context]}


def test_without_an_experiment_nothing_is_asked(cloud) -> None:
    service = cloud.service("")
    service.submit(JOB)
    cloud.metadata.begin("r-1")
    service.find("r-1")
    assert contexts_asked(cloud) == 0


def test_another_thing_of_that_name_is_left_alone_and_told(cloud, capsys) -> None:
    cloud.metadata.contexts["helpdesk"] = {**EXPERIMENT, "schemaTitle": "system.PipelineRun"}
    service = cloud.service()
    service.submit(JOB)
    cloud.metadata.begin("r-1")
    assert service.find("r-1").state is State.PENDING
    assert "there is a system.PipelineRun of that name; set `experiment`" in capsys.readouterr().err
    assert not cloud.metadata.children


def test_one_that_somebody_made_at_once_is_taken(cloud, capsys) -> None:
    service = cloud.service()
    service.submit(JOB)
    context = cloud.metadata.begin("r-1")
    cloud.metadata.contexts["helpdesk"] = dict(EXPERIMENT)
    cloud.server.fail("contexts.get", 404)
    service.find("r-1")
    assert cloud.metadata.children == {"helpdesk": [context]}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", [401, 403, 409, 429, 500, 503, "drop before"])
@pytest.mark.parametrize("operation", ["contexts.get", "contexts.create", "addContextChildren"])
def test_a_fault_that_lasts_is_told_once_and_the_run_is_as_it_is(cloud, capsys, operation, how) -> None:
    service = cloud.service()
    service.submit(JOB)
    cloud.metadata.begin("r-1")
    cloud.server.fail(operation, how, times=99, headers={"Retry-After": "7"} if how == 429 else {})
    for _ in range(2):
        assert service.find("r-1").state is State.PENDING
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Vertex AI, project sluice-example, europe-west4: ")
    assert line.endswith("; the run is not touched by that")
    assert not cloud.metadata.children


@pytest.mark.parametrize("how", [429, 500, 503, "drop before", "drop after", "slow"])
@pytest.mark.parametrize("operation", ["contexts.get", "contexts.create", "addContextChildren"])
def test_a_fault_that_passes_is_not_seen(cloud, capsys, operation, how) -> None:
    service = cloud.service()
    service.submit(JOB)
    context = cloud.metadata.begin("r-1")
    if operation == "contexts.get":  # of one that is not there the fake says so at once
        cloud.metadata.contexts["helpdesk"] = dict(EXPERIMENT)
    cloud.server.fail(operation, how, seconds=1.5)
    service.find("r-1")
    assert cloud.metadata.children == {"helpdesk": [context]}
    assert capsys.readouterr().err == ""
    assert len(cloud.waited) == 1
