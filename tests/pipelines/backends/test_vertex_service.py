from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
import yaml

from components.core.errors import Conflict, InvalidInput, Refused, SluiceError, Unreachable
from components.core.google_errors import Caller
from components.core.run import State
from pipelines.backends.service import Job, Timetable, open_service
from pipelines.backends.vertex_service import SCHEDULED_AT, VertexService
from pipelines.environment import VertexEnvironment, load_environment
from tests.contract.google.cloud_logging import CloudLogging
from tests.contract.google.server import Server
from tests.contract.google.vertex import Vertex


def _task(component: str) -> dict:
    return {
        "componentRef": {"name": component},
        "taskInfo": {"name": component},
        "cachingOptions": {"enableCache": True},
    }


GRAPH = yaml.safe_dump({
    "schemaVersion": "2.1.0",
    "pipelineInfo": {"name": "lifecycle"},
    "root": {
        "inputDefinitions": {"parameters": {"now": {"parameterType": "STRING"}, "who": {"parameterType": "STRING"}}},
        "dag": {"tasks": {"clean": _task("comp-clean"), "condition-1": _task("comp-condition")}},
    },
    "components": {
        "comp-clean": {"executorLabel": "exec-clean"},
        "comp-condition": {"dag": {"tasks": {"train": _task("comp-train")}}},
        "comp-train": {"executorLabel": "exec-train"},
    },
    "deploymentSpec": {"executors": {"exec-clean": {"container": {}}, "exec-train": {"container": {}}}},
})  # fmt: skip
LABELS = {"sluice-run": "r-1", "sluice-environment": "vertex", "team": "a"}
JOB = Job("r-1", "lifecycle", GRAPH, {"now": "2026-01-31T09:00:00+00:00", "who": "anna"}, LABELS)
NIGHTLY = Timetable("nightly", "0 2 * * *", "Europe/Berlin", JOB)


@dataclass
class Cloud:
    server: Server
    vertex: Vertex
    logging: CloudLogging
    service: VertexService
    waited: list[float]


def service_at(address: str, waited: list[float], **more: str) -> VertexService:
    shipped = load_environment("vertex")
    assert isinstance(shipped, VertexEnvironment)
    service = VertexService(shipped.model_copy(update={"api_endpoint": address, **more}), seconds=0.5)
    service.caller = replace(service.caller, sleep=waited.append)
    return service


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    vertex, logging, waited = Vertex(), CloudLogging(), list[float]()
    with Server(vertex, logging).running() as server:
        yield Cloud(server, vertex, logging, service_at(server.address, waited), waited)


def test_a_job_is_submitted_with_all_that_the_environment_says(cloud: Cloud) -> None:
    key = "projects/p/locations/l/keyRings/k/cryptoKeys/c"
    service = service_at(cloud.server.address, cloud.waited, network="projects/1/global/networks/n", encryption_key=key)
    state = service.submit(JOB)
    assert (state.run, state.state) == ("r-1", State.PENDING)
    assert state.link.endswith("/pipelines/runs/r-1?project=sluice-example")
    (kept,) = cloud.vertex.jobs.values()
    assert kept["labels"] == LABELS
    assert kept["serviceAccount"] == service.environment.service_account
    assert (kept["network"], kept["encryptionSpec"]) == ("projects/1/global/networks/n", {"kmsKeyName": key})
    runtime = kept["runtimeConfig"]
    assert runtime["gcsOutputDirectory"] == service.environment.pipeline_root
    assert runtime["parameterValues"] == JOB.arguments
    assert runtime["failurePolicy"] in (2, "PIPELINE_FAILURE_POLICY_FAIL_FAST")
    assert kept["pipelineSpec"] == yaml.safe_load(GRAPH)


def test_a_graph_with_an_account_of_its_own_runs_as_that(cloud: Cloud) -> None:
    other = "other@sluice-example.iam.gserviceaccount.com"
    service = service_at(cloud.server.address, cloud.waited, accounts={"release": other})
    for graph in ("lifecycle", "release"):
        service.submit(replace(JOB, run=f"r-{graph}", graph=graph))
    accounts = {kept["displayName"]: kept["serviceAccount"] for kept in cloud.vertex.jobs.values()}
    assert accounts == {"r-lifecycle": service.environment.service_account, "r-release": other}


def test_without_a_cache_every_task_is_worked_on_nested_ones_too(cloud: Cloud) -> None:
    cloud.service.submit(replace(JOB, use_cache=False))
    (kept,) = cloud.vertex.jobs.values()
    assert "'enableCache': True" not in str(kept["pipelineSpec"])
    assert str(kept["pipelineSpec"]).count("'enableCache': False") == 3


def test_a_task_that_a_run_is_to_start_from_is_worked_on_anew(cloud: Cloud) -> None:
    cloud.service.submit(replace(JOB, start_from="train"))
    (kept,) = cloud.vertex.jobs.values()
    components = kept["pipelineSpec"]["components"]
    assert components["comp-condition"]["dag"]["tasks"]["train"]["cachingOptions"] == {"enableCache": False}
    assert str(kept["pipelineSpec"]).count("'enableCache': False") == 1


def test_a_run_that_vertex_cannot_name_is_refused_before_it_is_asked(cloud: Cloud) -> None:
    with pytest.raises(InvalidInput, match="rename"):
        cloud.service.submit(replace(JOB, run="under_score"))
    assert not cloud.server.requests


def test_tasks_are_told_by_their_names_in_the_graph(cloud: Cloud) -> None:
    cloud.service.submit(JOB)
    artifact = {"name": "a", "metadata": {"report": "reports/one.json"}}
    times = {"startTime": "2026-01-31T09:00:00Z", "endTime": "2026-01-31T09:01:30Z"}
    machines = {"containerDetail": {"mainJob": "projects/1/x/customJobs/22", "failedMainJobs": ["p/customJobs/21"]}}
    cloud.vertex.move(
        "r-1", "FAILED",
        {"taskName": "clean", "state": "SKIPPED", "outputs": {"kept": {"artifacts": [artifact]}}},
        {"taskName": "clean-driver", "state": "SUCCEEDED"},
        {"taskName": "condition-1", "state": "FAILED"},
        {"taskName": "train", "state": "FAILED", "executorDetail": machines, "error": {"message": "no\nmemory"},
         **times},
    )  # fmt: skip
    found = cloud.service.find("r-1")
    assert found
    assert found.state is State.FAILED
    assert set(found.tasks) == {"clean", "train"}
    clean, train = found.tasks["clean"], found.tasks["train"]
    assert (clean.state, clean.cached, clean.report) == (State.DONE, True, "reports/one.json")
    assert (train.state, train.cached, train.attempts, train.seconds) == (State.FAILED, False, 2, 90.0)
    assert (train.error, train.started) == ("no memory", "2026-01-31T09:00:00+00:00")
    assert cloud.service.find("r-2") is None
    for job, text in (("21", "first"), ("99", "another's"), ("22", '{"report": "r"}')):
        cloud.logging.write(job, text, as_json=job == "21")
    assert cloud.service.log("r-1", "train") == 'first\n{"report": "r"}\n'
    assert cloud.service.log("r-1", "clean") == ""


def test_jobs_of_this_environment_the_newest_first(cloud: Cloud) -> None:
    for run in ("r-1", "r-2"):
        cloud.service.submit(replace(JOB, run=run))
    cloud.service.submit(replace(JOB, run="r-3", labels={"sluice-environment": "other"}))
    assert [job.run for job in cloud.service.jobs()] == ["r-2", "r-1"]


def test_what_has_ended_cannot_be_cancelled(cloud: Cloud) -> None:
    cloud.service.submit(JOB)
    cloud.vertex.move("r-1", "SUCCEEDED")
    with pytest.raises(Conflict, match="done already"):
        cloud.service.cancel("r-1")
    assert not cloud.server.asked("pipelineJobs.cancel")


def test_a_schedule_is_made_changed_in_place_paused_resumed_and_ended(cloud: Cloud) -> None:
    made = cloud.service.keep(NIGHTLY)
    assert (made.name, made.cron, made.zone, made.paused) == ("nightly", "0 2 * * *", "Europe/Berlin", False)
    assert made.upcoming == "2026-02-01T02:00:00+00:00"
    (kept,) = cloud.vertex.schedules.values()
    assert kept["cron"] == "TZ=Europe/Berlin 0 2 * * *"
    assert kept["maxConcurrentRunCount"] == "1"
    assert not kept.get("allowQueueing")
    (fired,) = cloud.vertex.fire("2026-02-01T02:00:00Z")
    job = cloud.vertex.jobs[fired]
    assert job["runtimeConfig"]["parameterValues"] == {"now": "2026-02-01T02:00:00Z", "who": "anna"}
    assert job["labels"] == {"sluice-environment": "vertex", "team": "a"}
    cloud.service.pause("nightly")
    assert cloud.vertex.fire("2026-02-02T02:00:00Z") == []
    other = replace(JOB, text=GRAPH.replace("name: lifecycle", "name: monitoring"))
    changed = cloud.service.keep(Timetable("nightly", "5 3 * * *", "UTC", other))
    assert (changed.cron, changed.zone, changed.paused) == ("5 3 * * *", "UTC", True)
    (kept,) = cloud.vertex.schedules.values()
    assert kept["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"]["pipelineInfo"]["name"] == "monitoring"
    cloud.service.resume("nightly", catch_up=True)
    assert kept["catchUp"]
    assert [one.paused for one in cloud.service.schedules()] == [False]
    cloud.service.remove("nightly")
    assert not cloud.vertex.schedules
    assert not [*cloud.service.schedules()]
    with pytest.raises(InvalidInput, match="there is none"):
        cloud.service.pause("nightly")


def test_of_two_schedules_made_at_once_the_oldest_stays(cloud: Cloud) -> None:
    cloud.service.keep(NIGHTLY)
    (name, first), *_ = cloud.vertex.schedules.items()
    late = {**first, "name": f"{name}9", "createTime": "2026-03-01T00:00:00Z"}
    cloud.vertex.schedules[late["name"]] = late
    cloud.service.keep(NIGHTLY)
    assert [*cloud.vertex.schedules] == [name]


@pytest.mark.parametrize(("cron", "zone"), [("every day", "UTC"), ("0 2 * * *", "Europe/Atlantis")])
def test_a_schedule_that_vertex_does_not_take(cloud: Cloud, cron: str, zone: str) -> None:
    with pytest.raises(InvalidInput, match="keep schedule nightly: not accepted"):
        cloud.service.keep(replace(NIGHTLY, cron=cron, zone=zone))
    assert not cloud.vertex.schedules


@pytest.mark.parametrize(("cron", "zone"), [("every day", "UTC"), ("0 2 * * *", "Europe/Atlantis")])
def test_a_change_that_vertex_does_not_take_leaves_the_schedule_as_it_was(cloud: Cloud, cron: str, zone: str) -> None:
    cloud.service.keep(NIGHTLY)
    before = copy.deepcopy(cloud.vertex.schedules)
    with pytest.raises(InvalidInput, match="keep schedule nightly: not accepted"):
        cloud.service.keep(replace(NIGHTLY, cron=cron, zone=zone, job=replace(JOB, arguments={"who": "eve"})))
    assert cloud.vertex.schedules == before


def test_the_placeholder_is_kfps_own() -> None:
    from kfp import dsl

    assert SCHEDULED_AT == dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER


def test_an_environment_opens_its_service() -> None:
    assert isinstance(open_service(load_environment("vertex")), VertexService)


OPERATIONS: dict[str, tuple[str, Callable[[VertexService], object]]] = {
    "submit run r-1": ("pipelineJobs.create", lambda service: service.submit(JOB)),
    "find run r-0": ("pipelineJobs.get", lambda service: service.find("r-0")),
    "list runs": ("pipelineJobs.list", lambda service: [*service.jobs()]),
    "cancel run r-0": ("pipelineJobs.cancel", lambda service: service.cancel("r-0")),
    "read the log of train in run r-0": ("entries.list", lambda service: service.log("r-0", "train")),
    "keep schedule new": ("schedules.create", lambda service: service.keep(replace(NIGHTLY, name="new"))),
    "keep schedule nightly": ("schedules.patch", lambda service: service.keep(NIGHTLY)),
    "list schedules": ("schedules.list", lambda service: [*service.schedules()]),
    "pause schedule nightly": ("schedules.pause", lambda service: service.pause("nightly")),
    "resume schedule nightly": ("schedules.resume", lambda service: service.resume("nightly", catch_up=False)),
    "remove schedule nightly": ("schedules.delete", lambda service: service.remove("nightly")),
}
LASTING: dict[int | str, tuple[type[SluiceError], str]] = {
    401: (Refused, "gcloud auth application-default login"),
    403: (Refused, " granted in project sluice-example"),
    404: (InvalidInput, "check project and region"),
    409: (Conflict, "somebody else"),
    429: (Unreachable, "ask again in 7 s"),
    500: (Unreachable, "ask again in a minute"),
    503: (Unreachable, "ask again in a minute"),
    "drop before": (Unreachable, "the connection broke"),
}


@pytest.fixture
def busy(cloud: Cloud) -> Cloud:
    """A job under way, and a schedule that has what the next operation changes."""
    cloud.service.submit(replace(JOB, run="r-0"))
    machines = {"containerDetail": {"mainJob": "p/customJobs/22"}}
    cloud.vertex.move("r-0", "RUNNING", {"taskName": "train", "state": "RUNNING", "executorDetail": machines})
    cloud.logging.write("22", "one")
    cloud.service.keep(NIGHTLY)
    return cloud


@pytest.mark.parametrize("how", LASTING)
@pytest.mark.parametrize("asked", OPERATIONS)
def test_a_fault_that_lasts_is_one_sentence(busy: Cloud, asked: str, how: int | str) -> None:
    name, work = OPERATIONS[asked]
    kind, advice = LASTING[how]
    if "resume" in asked:
        busy.service.pause("nightly")
    if (name, how) == ("pipelineJobs.get", 404):
        return  # that is the answer: there is none; told by another test
    busy.server.fail(name, how, times=9, headers={"Retry-After": "7"} if how == 429 else {})
    if (name, how) == ("pipelineJobs.create", 409):
        kind, advice = InvalidInput, "not found"  # the one that is said to exist is not there
    with pytest.raises(kind) as caught:
        work(busy.service)
    said = str(caught.value)
    assert said.startswith(f"Vertex AI, project sluice-example, europe-west4: {asked}: ")
    assert advice in said
    assert "\n" not in said
    assert "Traceback" not in said
    assert len(busy.vertex.jobs) == 1
    assert len(busy.vertex.schedules) == 1
    if kind is Unreachable:
        assert busy.waited == ([7.0, 7.0] if how == 429 else [1.0, 2.0])
    else:
        assert not busy.waited


def test_a_log_that_may_not_be_read_is_told_with_the_role_that_is_lacked(busy: Cloud) -> None:
    busy.server.fail("entries.list", 403)
    with pytest.raises(Refused, match=r"have roles/logging\.viewer granted in project sluice-example"):
        busy.service.log("r-0", "train")
    busy.server.fail("pipelineJobs.list", 403)
    with pytest.raises(Refused, match="have the role granted in project sluice-example"):
        next(iter(busy.service.jobs()))


@pytest.mark.parametrize("how", [429, 500, 503, "drop before", "drop after", "slow"])
@pytest.mark.parametrize("asked", OPERATIONS)
def test_a_fault_that_passes_leaves_exactly_one(busy: Cloud, asked: str, how: int | str) -> None:
    name, work = OPERATIONS[asked]
    if "resume" in asked:
        busy.service.pause("nightly")
    busy.server.fail(name, how, seconds=1.5)
    work(busy.service)
    patient = (name, how) == ("entries.list", "slow")  # Cloud Logging's client has a limit of its own, a minute
    assert len(busy.waited) == (0 if patient else 1)
    jobs = {"r-0", "r-1"} if "submit" in asked else {"r-0"}
    assert {job.run for job in busy.service.jobs()} == jobs
    names = {"keep schedule new": ["new", "nightly"], "remove schedule nightly": []}.get(asked, ["nightly"])
    assert sorted(one.name for one in busy.service.schedules()) == names
    assert all(one.paused == (asked == "pause schedule nightly") for one in busy.service.schedules())
    cancelled = [one["state"] for one in busy.vertex.jobs.values() if "CANCEL" in one["state"]]
    assert len(cancelled) == (asked == "cancel run r-0")


@pytest.mark.parametrize("words", ["lacks iam.serviceAccounts.actAs", "no permission to act as service_account: x"])
def test_an_account_that_may_not_act_as_another_is_named(cloud: Cloud, words: str) -> None:
    cloud.server.fail("pipelineJobs.create", 403, message=words)
    with pytest.raises(Refused, match="may not act as lifecycle@sluice-example"):
        cloud.service.submit(JOB)


@pytest.mark.parametrize("operation", ["pipelineJobs.create", "schedules.create", "schedules.patch"])
def test_of_a_graph_with_an_account_of_its_own_that_account_is_named(cloud: Cloud, operation: str) -> None:
    other = "other@sluice-example.iam.gserviceaccount.com"
    service = service_at(cloud.server.address, cloud.waited, accounts={"release": other})
    job = replace(JOB, graph="release")
    if operation == "schedules.patch":
        service.keep(replace(NIGHTLY, job=job))
    cloud.server.fail(operation, 403, message="lacks iam.serviceAccounts.actAs")
    with pytest.raises(Refused, match=f"may not act as {other}: .*; have roles/iam.serviceAccountUser granted"):
        service.submit(job) if "Jobs" in operation else service.keep(replace(NIGHTLY, job=job))


def test_where_no_graph_is_known_no_account_is_named_but_what_to_grant_is(cloud: Cloud) -> None:
    cloud.service.keep(NIGHTLY)
    cloud.service.pause("nightly")
    cloud.server.fail("schedules.resume", 403, message="lacks iam.serviceAccounts.actAs")
    with pytest.raises(Refused, match=r"the account that the steps run as: .*; have roles/iam.serviceAccountUser"):
        cloud.service.resume("nightly", catch_up=False)


def test_a_service_that_asks_for_a_long_wait_is_not_waited_for(cloud: Cloud) -> None:
    cloud.server.fail("pipelineJobs.list", 429, headers={"Retry-After": "600"})
    with pytest.raises(Unreachable, match="ask again in 600 s"):
        [*cloud.service.jobs()]
    assert not cloud.waited


def test_a_fault_of_ours_is_not_passed_off_as_the_services() -> None:
    def broken() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        Caller("Vertex AI", "p", "r").again("do it", broken)
