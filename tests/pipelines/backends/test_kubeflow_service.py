"""The real client against a server on loopback that takes only what Kubeflow Pipelines' own models have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import yaml

from components.core.errors import Conflict, InvalidInput, Refused, SluiceError, Unreachable
from components.core.moment import parse_moment
from components.core.run import State
from pipelines.backends.kubeflow_service import KubeflowService
from pipelines.backends.service import SCHEDULED_AT, Job, Timetable
from pipelines.environment import KubeflowEnvironment, load_environment
from tests.contract.kubeflow.nodes import NOT_YET, WORKFLOW, nodes_of, pod_of
from tests.contract.kubeflow.server import Server

STEP = {
    "taskInfo": {"name": "observe"},
    "componentRef": {"name": "comp"},
    "inputs": {"parameters": {"now": {"componentInputParameter": "now"}}},
}
SPEC = {
    "pipelineInfo": {"name": "monitoring"},
    "root": {
        "inputDefinitions": {"parameters": {"now": {"parameterType": "STRING"}}},
        "dag": {"tasks": {"observe": STEP}},
    },
}
PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec": {"nodeSelector": {}}}}}}}
TEXT = yaml.safe_dump_all([SPEC, PLATFORM])
JOB = Job("monitoring-1", "monitoring", TEXT, {"now": "2026-01-01T00:00:00+00:00"}, {"sluice-run": "monitoring-1"})
WAYS = [401, 403, 404, 409, 429, 500, 503, "drop before", "drop after", "slow"]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as running:
        yield running


def service(server: Server, **more: object) -> KubeflowService:
    shipped = load_environment("kubeflow").model_dump(mode="json")
    return KubeflowService(KubeflowEnvironment.model_validate({**shipped, "host": server.address, **more}), (5, 2))


def table(cron: str = "30 6 * * 1", **more: object) -> Timetable:
    return Timetable("nightly", cron, "UTC", JOB, **more)


def test_a_job_is_submitted_once_with_both_documents(server: Server) -> None:
    opened = service(server)
    assert opened.submit(JOB).name == opened.submit(JOB).name
    (run,) = server.items["runs"].values()
    assert run["pipeline_spec"]["platform_spec"] == PLATFORM
    assert run["service_account"] == "sluice-steps"
    assert [one.run for one in opened.jobs()] == ["monitoring-1"]


def test_a_graph_with_an_account_of_its_own_runs_as_that(server: Server) -> None:
    opened = service(server, accounts={JOB.graph: "sluice-monitor"})
    opened.submit(JOB)
    opened.keep(table())
    (run,), (recurring,) = server.items["runs"].values(), server.items["recurringruns"].values()
    assert (run["service_account"], recurring["service_account"]) == ("sluice-monitor", "sluice-monitor")


def test_states_tasks_errors_and_logs_are_read(server: Server) -> None:
    opened = service(server)
    opened.submit(JOB)
    (run,) = server.items["runs"].values()
    whole = {"state": "RUNNING", "child_tasks": [], "end_time": NOT_YET}
    around = [{**whole, "display_name": name, "pod_name": f"{WORKFLOW}-1"} for name in ("root", "root-driver")]
    around.append({**whole, "display_name": WORKFLOW, "pod_name": WORKFLOW})
    tasks = [*around, *nodes_of("observe", "RUNNING")]
    run.update(state="RUNNING", run_details={"task_details": tasks})
    found = opened.find(JOB.run)
    assert found
    assert found.state is State.RUNNING
    assert list(found.tasks) == ["observe"]
    assert (found.tasks["observe"].state, found.tasks["observe"].seconds) == (State.RUNNING, 0)
    assert opened.log(JOB.run, "observe") == ""
    server.logs[pod_of("observe")] = "one\ntwo\nhalf of th"
    assert opened.log(JOB.run, "observe") == "one\ntwo\n"
    (task,) = [one for one in tasks if one["display_name"] == "observe"]
    task.update(state="FAILED", error={"code": 13, "message": "OOMKilled"})
    assert opened.find(JOB.run).tasks["observe"].error == "OOMKilled"
    opened.cancel(JOB.run)
    opened.cancel(JOB.run)  # it is ending, and that was wanted
    assert server.asked.count("runs.terminate") == 1
    run["state"] = "FAILED"
    assert opened.find(JOB.run).state is State.CANCELLED
    with pytest.raises(Conflict):
        opened.cancel(JOB.run)
    with pytest.raises(InvalidInput, match="has no such run; `sluice runs --env kubeflow` lists them"):
        opened.cancel("monitoring-2")


def test_which_tasks_came_from_the_cache_and_how_often_others_were_tried_is_told(server: Server) -> None:
    opened = service(server)
    opened.submit(JOB)
    (run,) = server.items["runs"].values()
    omitted = {"display_name": "card", "pod_name": f"{WORKFLOW}-system-container-executor-1"}  # a word that is no word
    nodes = [
        *nodes_of("ingest", "SUCCEEDED", cached=True),
        *nodes_of("curate", "SUCCEEDED", cached=True, retries=True),
        *nodes_of("train", "SUCCEEDED", attempts=2, retries=True),
        *nodes_of("gate", "SUCCEEDED", retries=True),
        *nodes_of("tell", "FAILED"),
        omitted,
    ]
    run.update(state="RUNNING", run_details={"task_details": nodes})
    server.logs |= {pod_of("train", 0): "worse\n", pod_of("train", 1): "better\n", pod_of("gate", 0): "good\n"}
    found = opened.find(JOB.run)
    assert {name: (one.state, one.cached, one.attempts) for name, one in found.tasks.items()} == {
        "ingest": (State.DONE, True, 1),
        "curate": (State.DONE, True, 1),
        "train": (State.DONE, False, 2),
        "gate": (State.DONE, False, 1),
        "tell": (State.FAILED, False, 1),
        "card": (State.SKIPPED, False, 1),
    }
    logs = [opened.log(JOB.run, name) for name in ("ingest", "train", "gate", "tell", "none")]
    assert logs == ["", "worse\nbetter\n", "good\n", "", ""]


@pytest.mark.parametrize("version", ["2.4.1", "unknown", ""])
def test_an_old_server_is_refused(server: Server, version: str) -> None:
    server.version = version
    with pytest.raises(Refused, match=r"2\.5\.0"):
        service(server).submit(JOB)
    assert not server.items["runs"]


def test_a_schedule_wants_a_server_that_fills_in_its_time(server: Server) -> None:
    server.version = "2.16.1"
    with pytest.raises(Refused, match=r"2\.17\.0"):
        service(server).keep(table())
    with pytest.raises(InvalidInput, match="placeholder"):
        parse_moment(SCHEDULED_AT)


def test_a_server_for_many_is_told_the_namespace_and_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_TOKEN", "t-1")
    with Server(multi_user=True).running() as server:
        service(server, namespace="team", token="env://KFP_TOKEN").submit(JOB)
        assert {one["Authorization"] for one in server.headers} == {"Bearer t-1"}
        assert [one["namespace"] for one in server.items["experiments"].values()] == ["team"]


def test_a_schedule_is_changed_in_place(server: Server) -> None:
    opened = service(server)
    opened.keep(table())
    opened.keep(table())
    assert server.asked.count("recurringruns.create") == 1
    opened.keep(table("0 7 * * *"))
    (one,) = server.items["recurringruns"].values()
    assert one["trigger"]["cron_schedule"]["cron"] == "0 0 7 * * *"
    assert one["status"] == "ENABLED"
    assert one["no_catchup"]
    assert one["max_concurrency"] == "1"
    assert server.most_enabled == 1
    root = one["pipeline_spec"]["pipeline_spec"]["root"]
    assert root["dag"]["tasks"]["observe"]["inputs"]["parameters"]["now"] == {
        "runtimeValue": {"constant": SCHEDULED_AT}
    }
    opened.pause("nightly")
    assert opened.keep(table("0 8 * * *")).paused
    assert [one.paused for one in opened.schedules()] == [True]
    with pytest.raises(Refused, match="catch"):
        opened.resume("nightly", catch_up=True)
    opened.resume("nightly", catch_up=False)
    assert [one.paused for one in opened.schedules()] == [False]
    opened.remove("nightly")
    assert not server.items["recurringruns"]


@pytest.mark.parametrize("broken", ["create", "disable", "enable", "delete"])
@pytest.mark.parametrize("way", ["drop before", "drop after"])
def test_a_change_that_broke_off_is_completed(server: Server, broken: str, way: str) -> None:
    opened = service(server)
    opened.keep(table())
    server.fail(f"recurringruns.{broken}", way)
    try:
        opened.keep(table("0 7 * * *"))
    except Unreachable:
        assert server.items["recurringruns"]
    assert not opened.keep(table("0 7 * * *")).paused
    (one,) = server.items["recurringruns"].values()
    assert one["status"] == "ENABLED"
    assert one["trigger"]["cron_schedule"]["cron"] == "0 0 7 * * *"
    assert server.most_enabled == 1


def test_a_zone_that_the_server_does_not_know_is_refused(server: Server) -> None:
    with pytest.raises(InvalidInput, match="UTC"):
        service(server).keep(Timetable("nightly", "0 7 * * *", "Europe/Berlin", JOB))


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("operation", ["runs.create", "runs.list", "experiments.create", "healthz"])
def test_what_goes_wrong_is_a_sentence_and_nothing_happens_twice(
    server: Server, operation: str, how: int | str
) -> None:
    server.fail(operation, how, headers={"Retry-After": "7"} if how == 429 else {}, seconds=2.5)
    opened, met = service(server), list[SluiceError]()
    try:
        opened.submit(JOB)
    except SluiceError as error:
        met.append(error)
    for error in met:
        kind = {401: Refused, 403: Refused, 404: InvalidInput, 409: Conflict}.get(how, Unreachable)
        assert type(error) is kind
        assert server.address in str(error)
        assert "; " in str(error)
        assert how != 429 or "7 s" in str(error)
    arrived = how in ("drop after", "slow") and operation.endswith("create")
    assert met or arrived, "a fault that nobody is told of"
    opened.submit(JOB)
    assert len(server.items["runs"]) == 1
    assert len(server.items["experiments"]) == 1


OPERATIONS: dict[str, tuple[str, Callable[[KubeflowService], object]]] = {
    "find": ("runs.get", lambda opened: opened.find(JOB.run)),
    "list runs": ("runs.list", lambda opened: [*opened.jobs()]),
    "cancel": ("runs.terminate", lambda opened: opened.cancel(JOB.run)),
    "log": ("log", lambda opened: opened.log(JOB.run, "observe")),
    "make a schedule": ("recurringruns.create", lambda opened: opened.keep(replace(table(), name="new"))),
    "list schedules": ("recurringruns.list", lambda opened: [*opened.schedules()]),
    "pause": ("recurringruns.disable", lambda opened: opened.pause("nightly")),
    "resume": ("recurringruns.enable", lambda opened: opened.resume("nightly", catch_up=False)),
    "remove": ("recurringruns.delete", lambda opened: opened.remove("nightly")),
}


@pytest.fixture
def busy(server: Server) -> Server:
    """A run under way whose task prints, and a schedule."""
    opened = service(server)
    opened.submit(JOB)
    opened.keep(table())
    (run,) = server.items["runs"].values()
    run.update(state="RUNNING", run_details={"task_details": nodes_of("observe", "RUNNING")})
    server.logs[pod_of("observe")] = "one\n"
    return server


CHANGES = ("cancel", "make a schedule", "pause", "resume", "remove")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("asked", OPERATIONS)
def test_each_operation_tells_a_fault_in_a_sentence_and_works_when_it_has_passed(
    busy: Server, asked: str, how: int | str
) -> None:
    operation, work = OPERATIONS[asked]
    opened = service(busy)
    if asked == "resume":
        opened.pause("nightly")
    busy.fail(operation, how, headers={"Retry-After": "7"} if how == 429 else {}, seconds=2.5)
    kind = {401: Refused, 403: Refused, 404: InvalidInput, 409: Conflict}.get(how, Unreachable)
    if (asked, how) == ("log", 404):
        assert opened.log(JOB.run, "observe") == ""  # the pod is gone, and that is no fault
    elif asked in CHANGES and how in ("drop after", "slow"):
        work(opened)  # it had arrived, and that is seen
        assert busy.asked.count(operation) == (2 if asked == "make a schedule" else 1)
    else:
        with pytest.raises(kind) as caught:
            work(opened)
        said = str(caught.value)
        assert type(caught.value) is kind
        assert busy.address in said
        assert "; " in said
        assert "\n" not in said
        assert how != 429 or "7 s" in said
        work(opened)
    assert len(busy.items["runs"]) == 1
    names = {"make a schedule": ["new", "nightly"], "remove": []}.get(asked, ["nightly"])
    assert sorted(one.name for one in opened.schedules()) == names
    assert [one.paused for one in opened.schedules() if one.name == "nightly"] == ([asked == "pause"] if names else [])
    assert [one["state"] for one in busy.items["runs"].values()] == ["CANCELING" if asked == "cancel" else "RUNNING"]
