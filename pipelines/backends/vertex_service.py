"""Vertex AI Pipelines as a ``Service``: jobs and schedules through Google's own client, over REST.

Over REST also where nothing forces it: what the tests send to a fake is then byte for byte what the cloud gets. A
change is always "look, and do what is missing", so making it again after a dropped connection changes nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

from components.core.errors import Conflict, InvalidInput
from components.core.google_errors import Absent, Caller
from components.core.google_operations import await_end, operations_of
from components.core.run import State
from pipelines.backends.service import SCHEDULED_AT, Job, JobState, ScheduleState, TaskState, Timetable
from pipelines.backends.vertex_experiment import Experiment
from pipelines.environment import VertexEnvironment
from pipelines.typed import typed

SECONDS = 60.0
"""How long one call may take."""
CONSOLE = "https://console.cloud.google.com"
BY = "labels.sluice-environment"
_JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
_PREFIX = "sluice/"
_STATES = {
    "PIPELINE_STATE_QUEUED": State.PENDING,
    "PIPELINE_STATE_PENDING": State.PENDING,
    "PIPELINE_STATE_RUNNING": State.RUNNING,
    "PIPELINE_STATE_CANCELLING": State.RUNNING,
    "PIPELINE_STATE_PAUSED": State.RUNNING,
    "PIPELINE_STATE_SUCCEEDED": State.DONE,
    "PIPELINE_STATE_FAILED": State.FAILED,
    "PIPELINE_STATE_CANCELLED": State.CANCELLED,
}
_TASKS = {
    "PENDING": State.PENDING,
    "RUNNING": State.RUNNING,
    "CANCEL_PENDING": State.RUNNING,
    "CANCELLING": State.RUNNING,
    "SUCCEEDED": State.DONE,
    "CANCELLED": State.CANCELLED,
    "FAILED": State.FAILED,
    "SKIPPED": State.DONE,  # "skipped due to cache hit": its outputs are there
    "NOT_TRIGGERED": State.SKIPPED,
}


class VertexService:
    """Vertex AI Pipelines in one project and region."""

    takes_a_name_once = True

    def __init__(self, environment: VertexEnvironment, *, seconds: float = SECONDS) -> None:
        """``seconds``: how long one call may take."""
        self.environment, self.seconds = environment, seconds
        self.caller = Caller("Vertex AI", environment.project, environment.region)
        self._parent = f"projects/{environment.project}/locations/{environment.region}"

    def submit(self, job: Job) -> JobState:
        """Starts a job. Its id is the run's, which Vertex AI takes once: a repeated call finds what arrived."""
        if not _JOB_ID.fullmatch(job.run):
            raise InvalidInput(
                f"run {job.run}: Vertex AI takes lower-case letters, digits and - in a job's name, 128 at most; rename"
                " the recipe"
            )
        request = {"parent": self._parent, "pipeline_job": self._job(job), "pipeline_job_id": job.run}
        asked, caller = f"submit run {job.run}", self._caller_for(job.graph)
        try:
            made = caller.again(asked, lambda: self._jobs.create_pipeline_job(request, timeout=self.seconds))
        except Conflict:  # over REST the client does not tell AlreadyExists from other conflicts
            made = caller.again(asked, lambda: self._get(job.run))
        return self._state(made)

    def find(self, run: str) -> JobState | None:
        """The job of a run; None where there is none."""
        try:
            found = self.caller.again(f"find run {run}", lambda: self._get(run))
        except Absent:
            return None
        if self.environment.experiment:
            self._experiment.add(run, found.job_detail.pipeline_run_context.name)
        return self._state(found)

    def jobs(self) -> Iterator[JobState]:
        """All jobs of this environment, the newest first; without their tasks."""
        request = {"parent": self._parent, "filter": f'{BY}="{self.environment.name}"', "order_by": "create_time desc"}
        found = self.caller.again("list runs", lambda: [*self._jobs.list_pipeline_jobs(request, timeout=self.seconds)])
        for job in found:
            yield self._state(job)

    def cancel(self, run: str) -> None:
        """Asks that a job ends; Vertex AI ends the steps' machines with it. Raises Conflict where it has ended."""

        def work() -> None:
            state = self._get(run).state.name
            if state == "PIPELINE_STATE_CANCELLING":
                return
            if _STATES.get(state, State.RUNNING).final:
                raise Conflict(f"run {run} is {_STATES[state]} already; there is nothing to cancel")
            self._jobs.cancel_pipeline_job({"name": self._name("pipelineJobs", run)}, timeout=self.seconds)

        self.caller.again(f"cancel run {run}", work)

    def log(self, run: str, task: str) -> str:
        """What a task's machines printed, all attempts; empty where none has begun, or it came from the cache."""

        def work() -> str:
            found = [one for one in self._get(run).job_detail.task_details if one.task_name == task]
            machines = [machine.rpartition("/")[2] for one in found for machine in _machines(one)]
            if not machines:
                return ""
            wanted = " OR ".join(f'"{machine}"' for machine in machines)
            query = f'resource.type="ml_job" AND resource.labels.job_id=({wanted})'
            return "".join(_line(entry) for entry in self._entries(query))

        return self.caller.again(f"read the log of {task} in run {run}", work)

    def keep(self, timetable: Timetable) -> ScheduleState:
        """Makes a schedule, or changes the one of that name in place, its graph too; it stays paused if it was.

        Vertex AI allows many of one name, so of those that two callers made at once the oldest stays.
        """
        wanted = self._schedule(timetable)

        def work() -> ScheduleState:
            if not self._named(timetable.name):
                self._plans.create_schedule(
                    {"parent": self._parent, "schedule": {**wanted, "display_name": self._display(timetable.name)}},
                    timeout=self.seconds,
                )
                return self._shown(self._only(timetable.name))
            kept = self._only(timetable.name)
            request = {"schedule": {**wanted, "name": kept.name}, "update_mask": {"paths": sorted(wanted)}}
            return self._shown(self._plans.update_schedule(request, timeout=self.seconds))

        return self._caller_for(timetable.job.graph).again(f"keep schedule {timetable.name}", work)

    def schedules(self) -> Iterator[ScheduleState]:
        """All schedules of this environment."""
        for one in self.caller.again("list schedules", lambda: self._named("")):
            yield self._shown(one)

    def pause(self, name: str) -> None:
        """No run is started until ``resume``. Raises InvalidInput where there is no such schedule."""

        def work() -> None:
            for one in self._existing(name):
                if one.state.name == "ACTIVE":
                    self._plans.pause_schedule({"name": one.name}, timeout=self.seconds)

        self.caller.again(f"pause schedule {name}", work)

    def resume(self, name: str, *, catch_up: bool) -> None:
        """Goes on; with ``catch_up`` what was missed is run too. Raises InvalidInput where there is none."""

        def work() -> None:
            for one in self._existing(name):
                if one.state.name == "PAUSED":
                    self._plans.resume_schedule({"name": one.name, "catch_up": catch_up}, timeout=self.seconds)

        self.caller.again(f"resume schedule {name}", work)

    def remove(self, name: str) -> None:
        """Ends a schedule; its runs stay. Raises InvalidInput where there is none."""
        begun = False

        def work() -> None:
            nonlocal begun
            for one in self._named(name) if begun else self._existing(name):
                begun = True  # gone at the next look, it was this call that took it away
                self._delete(one.name)

        self.caller.again(f"remove schedule {name}", work)

    def _caller_for(self, graph: str) -> Caller:
        """What calls for a graph: a refusal then names the account that its steps run as."""
        return replace(self.caller, account=self.environment.account_of(graph))

    @cached_property
    def _jobs(self) -> Any:
        from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient

        return PipelineServiceClient(**self._options())

    @cached_property
    def _plans(self) -> Any:
        from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient

        return ScheduleServiceClient(**self._options())

    @cached_property
    def _experiment(self) -> Experiment:
        return Experiment(self.environment.experiment, self.caller, self._options, self.seconds)

    @cached_property
    def _logging(self) -> Any:
        from google.cloud.logging import Client

        endpoint = {"client_options": {"api_endpoint": self.environment.api_endpoint}} if self._here else {}
        return Client(project=self.environment.project, credentials=self._credentials, _use_grpc=False, **endpoint)

    @property
    def _here(self) -> bool:
        """Whether nothing leaves this machine unencrypted, nor any login: an address without TLS is a fake's."""
        return self.environment.api_endpoint.startswith("http://")

    @cached_property
    def _credentials(self) -> Any:
        import google.auth
        from google.auth.credentials import AnonymousCredentials

        if self._here:
            return AnonymousCredentials()
        return google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0]

    def _options(self) -> dict[str, Any]:
        return {
            "credentials": self._credentials,
            "transport": "rest",
            "client_options": {"api_endpoint": self.environment.address()},
        }

    def _name(self, kind: str, name: str) -> str:
        return f"{self._parent}/{kind}/{name}"

    def _get(self, run: str) -> Any:
        return self._jobs.get_pipeline_job({"name": self._name("pipelineJobs", run)}, timeout=self.seconds)

    def _job(self, job: Job) -> dict[str, Any]:
        from pipelines.compile import load_spec

        spec, environment = load_spec(job.text), self.environment
        job.limit_caching(spec)
        made: dict[str, Any] = {
            "display_name": job.run,
            "pipeline_spec": spec,
            "labels": dict(job.labels),
            "service_account": environment.account_of(job.graph),
            "runtime_config": {
                "gcs_output_directory": environment.pipeline_root,
                "parameter_values": dict(job.arguments),
                "failure_policy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
            },
        }
        if environment.network:
            made["network"] = environment.network
        if environment.encryption_key:
            made["encryption_spec"] = {"kms_key_name": environment.encryption_key}
        return made

    def _schedule(self, timetable: Timetable) -> dict[str, Any]:
        from pipelines.compile import parameters_of

        job = self._job(timetable.job)
        if "now" in parameters_of(job["pipeline_spec"]):
            job["runtime_config"]["parameter_values"]["now"] = SCHEDULED_AT
        # Each run of it has an id of its own, which Vertex AI makes; the label would name one that never was.
        job["labels"] = {name: text for name, text in job["labels"].items() if name != "sluice-run"}
        return {
            "cron": f"TZ={timetable.zone} {timetable.cron}",
            "max_concurrent_run_count": 1,
            "allow_queueing": False,
            "create_pipeline_job_request": {"parent": self._parent, "pipeline_job": job},
        }

    def _display(self, name: str) -> str:
        return f"{_PREFIX}{self.environment.name}/{name}"

    def _named(self, name: str) -> list[Any]:
        """Our schedules, or those of one name, the oldest first."""
        display = self._display(name)
        request = {
            "parent": self._parent,
            "filter": f'display_name{"=" if name else ":"}"{display}{"" if name else "*"}"',
        }
        found = [*self._plans.list_schedules(request, timeout=self.seconds)]
        return sorted(found, key=lambda one: (one.create_time, one.name))

    def _existing(self, name: str) -> list[Any]:
        found = self._named(name)
        if not found:
            schedules = typed("schedules", self.environment.name)
            raise InvalidInput(f"schedule {name}: there is none in {self._parent}; `{schedules}` lists them")
        return found

    def _only(self, name: str) -> Any:
        """The oldest schedule of a name; younger ones came of callers at once, or of a call that arrived late."""
        kept, *others = self._existing(name)
        for other in others:
            self._delete(other.name)
        return kept

    def _delete(self, schedule: str) -> None:
        begun = self._plans.delete_schedule({"name": schedule}, timeout=self.seconds)
        await_end(begun, operations_of(self._plans), timeout=self.seconds, sleep=self.caller.sleep)

    def _shown(self, one: Any) -> ScheduleState:
        zone, _, cron = one.cron.rpartition("TZ=")[2].partition(" ") if "TZ=" in one.cron else ("UTC", "", one.cron)
        return ScheduleState(
            name=one.display_name.removeprefix(self._display("")),
            cron=cron,
            zone=zone,
            paused=one.state.name == "PAUSED",
            upcoming=_moment(one.next_run_time),
            link=self._link("schedules", one.name),
            version=_version(one.name, one.create_pipeline_job_request.pipeline_job),
        )

    def _link(self, kind: str, name: str) -> str:
        place, project = quote(name.rpartition("/")[2]), self.environment.project
        return f"{CONSOLE}/vertex-ai/locations/{self.environment.region}/pipelines/{kind}/{place}?project={project}"

    def _state(self, job: Any) -> JobState:
        return JobState(
            name=job.name,
            run=job.name.rpartition("/")[2],
            state=_STATES.get(job.state.name, State.PENDING),
            started=_moment(job.start_time or job.create_time),
            ended=_moment(job.end_time),
            error=" ".join(job.error.message.split()),
            link=self._link("runs", job.name),
            tasks=_tasks(job),
            schedule=_version(job.schedule_name, job) if job.schedule_name else "",
            scheduled=str(dict(job.runtime_config.parameter_values).get("now", "")) if job.schedule_name else "",
        )

    def _entries(self, query: str) -> Iterator[Any]:
        return iter(
            self._logging.list_entries(
                resource_names=[f"projects/{self.environment.project}"],
                filter_=query,
                order_by="timestamp asc",
                page_size=1000,
            )
        )


def _version(schedule: str, job: Any) -> str:
    """A schedule and the graph that its jobs run: a schedule is changed in place, and what had begun goes on."""
    return f"{schedule.rpartition('/')[2]}-{dict(job.labels).get('sluice-spec', '')}"


def _tasks(job: Any) -> dict[str, TaskState]:
    """The steps among a job's tasks: not the drivers, nor what only holds others together."""
    from google.protobuf.json_format import MessageToDict

    from pipelines.lint import tasks

    details = job.job_detail.task_details
    if not details:
        return {}
    steps = {task.name for task in tasks(MessageToDict(type(job).pb(job).pipeline_spec))}
    found = sorted((one for one in details if one.task_name in steps), key=lambda one: one.task_id)
    return {one.task_name: _task(one) for one in found}


def _task(one: Any) -> TaskState:
    seconds = 0.0
    if one.start_time:
        seconds = ((one.end_time or datetime.now(UTC)) - one.start_time).total_seconds()
    artifacts = (artifact for output in one.outputs.values() for artifact in output.artifacts)
    reports = (str(artifact.metadata.get("report", "")) for artifact in artifacts if artifact.metadata)
    return TaskState(
        name=one.task_name,
        state=_TASKS.get(one.state.name, State.PENDING),
        started=_moment(one.start_time),
        seconds=max(0.0, seconds),
        cached=one.state.name == "SKIPPED",
        attempts=max(1, len(_machines(one))),
        error=" ".join(one.error.message.split()),
        report=next((key for key in reports if key), ""),
    )


def _machines(one: Any) -> list[str]:
    """The custom jobs that worked on a task, in order: one an attempt."""
    detail = one.executor_detail
    container, custom = detail.container_detail, detail.custom_job_detail
    names = [*container.failed_main_jobs, container.main_job, *custom.failed_jobs, custom.job]
    return [*dict.fromkeys(name for name in names if name)]


def _moment(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""


def _line(entry: Any) -> str:
    payload = entry.payload
    text = payload.get("message", "") if isinstance(payload, dict) else payload
    return f"{str(text or '').rstrip()}\n"
