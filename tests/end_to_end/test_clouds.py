"""The same project on Vertex AI and on Kubeflow, each played by a fake with machines: as a person submits and follows.

What lies in the store afterwards is what lies there after the same runs on this machine.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from components.core.moment import parse_moment
from components.core.request_log import RequestLog, Table
from components.core.store import Store
from pipelines.demo.tickets import write_tickets
from pipelines.environment import load_environment
from tests.contract.cluster import Cluster, KubeflowPlay, VertexPlay
from tests.contract.google.cloud_logging import CloudLogging
from tests.contract.google.server import Server as Google
from tests.contract.google.storage import Storage
from tests.contract.google.vertex import Vertex
from tests.contract.kubeflow.server import Server as Kubeflow
from tests.end_to_end.conftest import RECIPE, Project
from tests.end_to_end.outcome import NAME_OTHERS, outputs
from tests.monitor.traffic import World, traffic, write_partition, written

THERE = "there.yaml"
NOW = "2026-02-01T00:00:00+00:00"
RECIPE_THERE = RECIPE.replace("root: data", "root: gs://desk/data")


@dataclass
class Cloud:
    """A project whose environment ``there`` is a service, and what plays it."""

    project: Project
    fake: Vertex | Kubeflow
    cluster: Cluster
    server: Google | Kubeflow
    """What answers for it."""

    @property
    def submits(self) -> str:
        """The operation that starts a run."""
        return "runs.create" if isinstance(self.fake, Kubeflow) else "pipelineJobs.create"


def environment_of(backend: str, folder: Path, address: str) -> dict:
    """The shipped example with an address on loopback; keys and trust roots are this machine's."""
    shipped = load_environment(backend).model_dump(mode="json", exclude_defaults=True)
    place = {
        "name": "there",
        "store": "gs://desk/store",
        "endpoints": "gs://desk/endpoints",
        "requests": "gs://desk/requests",
        "registry": f"sqlite:///{folder}/registry.db",
        "tracking": "",
        "trust": str(folder / ".sluice/trust.json"),
        "keys": {name: f"file2:{folder}/.sluice/keys/{name}.pem" for name in ("release", "monitor")},
    }
    place |= {"host": address} if backend == "kubeflow" else {"api_endpoint": address}
    return {**shipped, **place}


@pytest.fixture(params=["vertex", "kubeflow"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    write_tickets(tmp_path / "data", seed=3, genuine=300, questions=60)
    storage, vertex, logging = Storage("desk"), Vertex(), CloudLogging()
    (tmp_path / "recipe.yaml").write_text(RECIPE_THERE)
    with ExitStack() as stack:
        google = stack.enter_context(Google(storage, vertex, logging).running())
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", google.address)
        for path in (tmp_path / "data").iterdir():
            Store("gs://desk/data").upload(path, path.name)
        kubeflow = stack.enter_context(Kubeflow().running())
        play = VertexPlay(vertex, logging) if request.param == "vertex" else KubeflowPlay(kubeflow)
        server = google if request.param == "vertex" else kubeflow
        there = environment_of(request.param, tmp_path, server.address)
        (tmp_path / THERE).write_text(yaml.safe_dump(there))
        project = Project(tmp_path)
        cluster = stack.enter_context(Cluster(tmp_path / "machines", play).running())
        yield Cloud(project, vertex if request.param == "vertex" else kubeflow, cluster, server)


def talk(requests: str, model: str, since: datetime) -> str:
    """An hour of users who ask what the model serves, from its release on; says when it ends."""
    until = datetime.now(UTC)
    asked, said = traffic(200, seed=1, world=World(feedback=1.0), since=since, model=model)
    share = (until - since) / timedelta(days=7)
    for row in (*asked, *said):
        row["endpoint"] = "tiny"
        for name in {"started", "ended", "at"} & row.keys():
            row[name] = written(since + (datetime.fromisoformat(row[name]) - since) * share)
    log = RequestLog(requests)
    write_partition(log, Table.REQUESTS, asked, until, endpoint="tiny")
    write_partition(log, Table.FEEDBACK, said, until, endpoint="tiny")
    return written(datetime.now(UTC))


@pytest.mark.long
def test_all_graphs_leave_on_a_cloud_what_they_leave_here(cloud: Cloud) -> None:
    project, found = cloud.project, {}
    for env, place in (("local", f"{project.folder}/.sluice"), (THERE, "gs://desk")):
        given = ("recipe.yaml", "--env", env, "--json")
        runs = json.loads(project.sluice("run", *given, "--now", NOW).stdout)
        assert [(run["graph"], run["state"]) for run in runs] == [("lifecycle", "done"), ("release", "done")]
        state = json.loads(project.sluice("endpoints", "tiny", "--env", env, "--json").stdout)
        until = talk(f"{place}/requests", state["champion"]["digest"], parse_moment(state["changed"]))
        watched = json.loads(project.sluice("monitor", *given, "--now", until, code=3).stdout)
        assert [(run["graph"], run["state"]) for run in watched] == [("monitoring", "held")]
        assert "The data drifted" in watched[0]["outcome"]
        store = Store(f"{place}/store")
        found[env] = [outputs(run, store) for run in (*runs, *watched)]
    *here, window_here = found["local"]
    *there, window_there = found[THERE]
    for mine, theirs in zip(here, there, strict=True):
        assert mine.keys() == theirs.keys()
        differ = {name for name in mine if mine[name] != theirs[name]}
        assert differ <= NAME_OTHERS
    assert {name: one["rows"] for name, one in window_here.items()} == {
        name: one["rows"] for name, one in window_there.items()
    }


@pytest.mark.long
def test_a_run_is_seen_and_cancelled_from_another_machine_and_goes_on_where_it_was(
    cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = ("run", "recipe.yaml", "--env", THERE, "--now", NOW)
    project, elsewhere = cloud.project, Project(tmp_path_factory.mktemp("elsewhere"))
    (elsewhere.folder / THERE).write_text((project.folder / THERE).read_text())
    project.sluice("keys", "new", "release")
    first = project.start(*words)
    try:
        wait_until(lambda: states(elsewhere, "latest").get("curate") == "done")
        said = elsewhere.sluice("cancel", "latest", "--env", THERE).stdout
        assert "cancelled" in said
        assert first.wait(60) == 4
    finally:
        first.kill()
    left = states(elsewhere, "latest")
    assert {"done", "skipped"} <= set(left.values())

    second = project.start(*words)
    try:
        wait_until(lambda: states(elsewhere, "latest").get("tokenise") == "done")
    finally:
        second.kill()
    run, release = json.loads(elsewhere.sluice("status", "latest", "--follow", "--json", "--env", THERE).stdout)
    assert (run["state"], run["attempt"], release["state"]) == ("done", 2, "done")
    cached = {step["name"]: step for step in run["steps"] if step["cached"]}
    assert {"ingest", "validate", "curate"} <= set(cached)
    assert cached["curate"]["rows_in"] == 570
    assert cached["curate"]["outputs"]
    third = Project(tmp_path_factory.mktemp("third"))
    (third.folder / THERE).write_text((project.folder / THERE).read_text())
    page = Path(third.sluice("report", run["run"], "--env", THERE).stdout.strip())
    assert release["run"] in (third.folder / page).read_text(), "the page tells of the release too"
    why = third.sluice("why", run["run"], "finetune", "--env", THERE).stdout
    assert "has not run" not in why
    assert third.sluice("status", run["run"], "--env", THERE).stdout.count(release["run"]) == 1
    page = elsewhere.sluice("report", "latest", "--env", THERE).stdout.strip()
    assert "Deduplicate" in (elsewhere.folder / page).read_text()
    assert "resolve" in elsewhere.sluice("logs", "latest", "resolve", "--env", THERE).stdout


@pytest.mark.long
def test_a_scheduled_run_works_at_its_moment_and_is_seen(cloud: Cloud) -> None:
    moment, project = "2026-01-05T03:00:00Z", cloud.project
    project.sluice("keys", "new", "monitor")
    project.sluice("schedule", "recipe.yaml", "--every", "0 3 * * 1", "--env", THERE)
    name = cloud.fake.fire(moment)[0].rpartition("/")[2]
    (run,) = json.loads(project.sluice("status", name, "--follow", "--json", "--env", THERE, code=3).stdout)
    assert (run["graph"], run["state"]) == ("monitoring", "held")
    assert "Nothing should have served on tiny at 2026-01-05 03:00 UTC" in run["outcome"]
    assert parse_moment(run["now"]) == parse_moment(moment)
    report = json.loads(Store("gs://desk/store").read(run["steps"][0]["report"]))
    assert report["step"] == "observe"


@pytest.mark.long
def test_who_may_not_submit_leaves_it_to_the_dispatcher_and_watches(cloud: Cloud) -> None:
    """One person follows, another approves; the service takes runs of neither, and of the dispatcher when it looks."""
    project, folder = cloud.project, cloud.project.folder
    there = yaml.safe_load((folder / THERE).read_text())
    there["keys"]["anna"] = f"file2:{folder}/.sluice/keys/anna.pem"
    (folder / THERE).write_text(yaml.safe_dump(there | {"dispatcher": True}))
    (folder / "recipe.yaml").write_text(RECIPE_THERE + "decide: {approvals: 1}\n")
    for name in ("release", "anna"):
        project.sluice("keys", "new", name)
    project.sluice("run", "recipe.yaml", "--no-follow", "--env", THERE)

    cloud.server.fail(cloud.submits, 403, times=1000)
    following = project.start("status", "latest", "--follow", "--json", "--env", THERE)
    try:
        assert following.stderr is not None
        assert any("the dispatcher starts what it asks for" in line for line in following.stderr)
        cloud.server.heal(cloud.submits)
        project.sluice("dispatch", "recipe.yaml", "--once", "--env", THERE)
        said, _ = following.communicate(timeout=150)
    finally:
        following.kill()
    assert [(run["graph"], run["state"]) for run in json.loads(said)] == [("lifecycle", "done"), ("release", "held")]
    assert following.returncode == 3

    cloud.server.fail(cloud.submits, 403, times=1000)
    words = ("approve", "latest", "--as", "anna", "--reason", "I read the lost questions.", "--env", THERE)
    (release,) = re.findall(r"the dispatcher starts (release-tiny-\w+)\n", project.sluice(*words).stdout)
    cloud.server.heal(cloud.submits)
    project.sluice("dispatch", "recipe.yaml", "--once", "--env", THERE)
    (run,) = json.loads(project.sluice("status", release, "--follow", "--json", "--env", THERE).stdout)
    assert (run["run"], run["state"]) == (release, "done")
    assert json.loads(project.sluice("endpoints", "tiny", "--env", THERE, "--json").stdout)["generation"] == 1
    assert f"the dispatcher has started {release}" in project.sluice(*words).stdout


def states(project: Project, run: str) -> dict[str, str]:
    """The states of a run's steps, asked for from a machine that may not know of it yet."""
    done = project.sluice("status", run, "--json", "--env", THERE, code=None)
    return {step["name"]: step["state"] for step in json.loads(done.stdout)["steps"]} if done.stdout else {}


def wait_until(happened: Callable[[], bool]) -> None:
    """Waits for what must come, on a slow machine too."""
    last = time.monotonic() + 150
    while not happened():
        assert time.monotonic() < last
        time.sleep(0.2)
