"""Machines behind the fake services: what is submitted is run, each task in a process here, and the fake told of it.

It does not imitate: images (the code is this checkout's), what a machine has and costs, queues, networks and accounts,
a service's own cache (KFP's local one stands for it), the wait before a retry, and what a cancelled task may still
write.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import yaml

from tests.contract.google.cloud_logging import CloudLogging
from tests.contract.google.vertex import FINAL, SCHEDULED, Vertex
from tests.contract.kubeflow.nodes import nodes_of, pod_of
from tests.contract.kubeflow.server import Server

Event = dict[str, Any]
LOOK_SECONDS = 0.1


class Play(Protocol):
    """How one service shows the jobs that it has and what its machines do."""

    def waiting(self) -> dict[str, dict[str, Any]]:
        """Jobs that nobody has begun, by id: ``text``, ``arguments`` and ``use_cache`` by task."""

    def begin(self, job: str) -> None:
        """The first machine is there."""

    def task(self, job: str, event: Event, log: str) -> None:
        """A task began, or ended having printed ``log``."""

    def asked_to_end(self, job: str) -> bool:
        """Whether somebody cancelled it."""

    def end(self, job: str, state: str) -> None:
        """SUCCEEDED, FAILED or CANCELLED."""


class Cluster:
    """Runs the jobs of one service, in ``folder``."""

    def __init__(self, folder: Path, play: Play) -> None:
        self.folder, self.play = folder, play
        self._over = threading.Event()
        self._jobs: list[threading.Thread] = []

    @contextmanager
    def running(self) -> Iterator[Cluster]:
        """Works on all that is submitted while the block runs."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for one in (thread, *self._jobs):
                one.join(60)

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for job, about in self.play.waiting().items():
                self.play.begin(job)
                self._jobs.append(threading.Thread(target=self._work, args=(job, about)))
                self._jobs[-1].start()

    def _work(self, job: str, about: dict[str, Any]) -> None:
        folder = self.folder / job
        folder.mkdir(parents=True)
        (folder / "job.json").write_text(json.dumps(about))
        command = [sys.executable, "-m", "tests.contract.cluster_worker", str(folder)]
        with (folder / "worker.log").open("wb") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
        ender = threading.Thread(target=self._end_when_asked, args=(job, process))
        ender.start()
        assert process.stdout
        for line in process.stdout:
            if line.startswith("{"):
                event = json.loads(line)
                log = folder / f"{event['task']}.log"
                self.play.task(job, event, log.read_text() if log.exists() else "")
        code = process.wait()
        ender.join()
        cancelled = self.play.asked_to_end(job)
        self.play.end(job, "CANCELLED" if cancelled else "FAILED" if code else "SUCCEEDED")

    def _end_when_asked(self, job: str, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            if self._over.is_set() or self.play.asked_to_end(job):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                return
            time.sleep(LOOK_SECONDS)


def _tasks(spec: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    levels = [spec["root"], *spec["components"].values()]
    return [item for level in levels for item in level.get("dag", {}).get("tasks", {}).items()]


def _cached(spec: dict[str, Any]) -> dict[str, bool]:
    """Whether each task may be answered from the cache."""
    return {name: bool(task.get("cachingOptions", {}).get("enableCache")) for name, task in _tasks(spec)}


def _with_retries(spec: dict[str, Any]) -> set[str]:
    """The tasks that are tried again where they fail."""
    return {name for name, task in _tasks(spec) if "retryPolicy" in task}


class VertexPlay:
    """Vertex AI's jobs, with the metadata of their artifacts, and what they print into Cloud Logging."""

    def __init__(self, vertex: Vertex, logging: CloudLogging) -> None:
        self.vertex, self.logging = vertex, logging

    def waiting(self) -> dict[str, dict[str, Any]]:
        found = {}
        for name, job in list(self.vertex.jobs.items()):
            if job["state"] == "PIPELINE_STATE_PENDING":
                spec = job["pipelineSpec"]
                arguments = job["runtimeConfig"]["parameterValues"]
                assert SCHEDULED not in arguments.values()
                text = yaml.safe_dump(spec, sort_keys=False)
                found[name.rpartition("/")[2]] = {"text": text, "arguments": arguments, "use_cache": _cached(spec)}
        return found

    def begin(self, job: str) -> None:
        self.vertex.move(job, "RUNNING")

    def task(self, job: str, event: Event, log: str) -> None:
        machine = f"{job}_{event['task']}".replace("-", "_")
        ended = event["event"] == "finished"
        state = "RUNNING"
        if ended:
            state = "SKIPPED" if event["cached"] else "SUCCEEDED" if event["succeeded"] else "FAILED"
        about: dict[str, Any] = {"taskName": event["task"], "state": state, "startTime": self._started(job, event)}
        if ended:
            about["endTime"] = _moment()
            about["outputs"] = {name: {"artifacts": [one]} for name, one in event["artifacts"].items()}
        if not event["cached"]:
            about["executorDetail"] = {"containerDetail": {"mainJob": f"projects/1/x/customJobs/{machine}"}}
            for line in log.splitlines() if ended else ():
                self.logging.write(machine, line)
        if self.vertex.job(job)["state"] not in FINAL:
            kept = self.vertex.job(job)["state"].removeprefix("PIPELINE_STATE_")
            self.vertex.move(job, kept, about)

    def asked_to_end(self, job: str) -> bool:
        return self.vertex.job(job)["state"] in ("PIPELINE_STATE_CANCELLING", "PIPELINE_STATE_CANCELLED")

    def end(self, job: str, state: str) -> None:
        self.vertex.move(job, state, endTime=_moment())

    def _started(self, job: str, event: Event) -> str:
        details = self.vertex.job(job).get("jobDetail", {}).get("taskDetails", [])
        known = next((one for one in details if one["taskName"] == event["task"]), {})
        return str(known.get("startTime") or _moment())


class KubeflowPlay:
    """Kubeflow's runs, whose API says nothing of artifacts, and their pods' logs; those of all attempts in the last."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def waiting(self) -> dict[str, dict[str, Any]]:
        found = {}
        for run in list(self.server.items["runs"].values()):
            if run["state"] == "PENDING":
                spec = run["pipeline_spec"].get("pipeline_spec", run["pipeline_spec"])
                arguments = run["runtime_config"]["parameters"]
                text = yaml.safe_dump(spec, sort_keys=False)
                found[run["run_id"]] = {"text": text, "arguments": arguments, "use_cache": _cached(spec)}
        return found

    def begin(self, job: str) -> None:
        self.server.items["runs"][job].update(state="RUNNING", run_details={"task_details": []})

    def task(self, job: str, event: Event, log: str) -> None:
        run = self.server.items["runs"][job]
        name, ended, details = event["task"], event["event"] == "finished", run["run_details"]["task_details"]
        spec = run["pipeline_spec"].get("pipeline_spec", run["pipeline_spec"])
        retries, attempts = name in _with_retries(spec), max(1, event["attempts"])
        state = "RUNNING" if not ended else "SUCCEEDED" if event["succeeded"] else "FAILED"
        nodes = nodes_of(name, state, job, cached=event["cached"], attempts=attempts, retries=retries)
        before = {one["pod_name"]: one for one in details}
        for one in nodes:
            one["start_time"] = before.get(one["pod_name"], one).get("start_time", _moment())
            if ended:
                one["end_time"] = one["start_time"] if event["cached"] else _moment()
        run["run_details"]["task_details"] = [*({**before, **{one["pod_name"]: one for one in nodes}}).values()]
        if log:
            self.server.logs[pod_of(name, attempts - 1 if retries else None, job)] = log

    def asked_to_end(self, job: str) -> bool:
        return bool(self.server.items["runs"][job].get("state_history"))

    def end(self, job: str, state: str) -> None:
        # the workflow of a run that was terminated fails
        shown = "FAILED" if state == "CANCELLED" else state
        self.server.items["runs"][job].update(state=shown, finished_at=_moment())


def _moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
