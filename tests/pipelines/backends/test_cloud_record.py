"""A run on a service that says which tasks came from its cache, and not what they were answered with."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from components.core.manifest import Parent
from components.core.report import Report, Rows
from components.core.run import State
from components.core.store import Store
from pipelines.backends.cloud_record import record
from pipelines.backends.service import JobState, TaskState
from pipelines.environment import load_environment
from pipelines.runs import Launch
from tests.pipelines.small import RECIPE

SOURCE = {"taskOutputArtifact": {"producerTask": "ingest", "outputArtifactKey": "documents"}}
TASKS = {
    "ingest": {"componentRef": {"name": "ingest"}},
    "curate": {
        "componentRef": {"name": "curate"},
        "dependentTasks": ["ingest"],
        "inputs": {"artifacts": {"documents": SOURCE}},
    },
}
SPEC = {
    "components": {name: {"executorLabel": name} for name in TASKS},
    "deploymentSpec": {"executors": {name: {"container": {"image": "x"}} for name in TASKS}},
    "root": {"dag": {"tasks": TASKS}},
}
CACHED = TaskState("ingest", State.DONE, "2026-01-01T00:00:00+00:00", cached=True)


def test_a_cached_task_is_shown_as_such_at_once_and_its_rows_when_a_reader_has_ended(tmp_path: Path) -> None:
    store, asked = Store(str(tmp_path)), list[str]()
    made = Report(
        step="ingest", attempt="a", started="2026-01-02T00:00:00+00:00", rows=Rows(in_=3, out={"documents": 3})
    )
    read = Parent(role="documents", key="ingest/a/documents/manifest.json", digest="d", content_digest="c")
    reader = Report(step="curate", attempt="b", started="2026-01-01T00:00:00+00:00", inputs=(read,))
    for report in (made, reader):
        store.write(report.key, report.to_bytes())

    def log(task: str) -> str:
        asked.append(task)
        return json.dumps({"message": "done", "report": reader.key, "exit_code": 0})

    launch = Launch(
        run="r", graph="lifecycle", recipe=yaml.safe_load(RECIPE), now="2026-01-01T00:00:00+00:00",
        environment=load_environment("kubeflow").model_dump(mode="json"),
    )  # fmt: skip
    for state in (State.RUNNING, State.DONE):
        job = JobState("j", "r", state, tasks={"ingest": CACHED, "curate": TaskState("curate", state)})
        ingest = record(launch, SPEC, job, store, log).steps[0]
        assert (ingest.cached, ingest.rows_out) == (True, 3 if state is State.DONE else None)
    assert asked == ["curate"]  # what came from the cache has printed nothing
