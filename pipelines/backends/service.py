"""What a pipeline service must be able to do; ``vertex_service`` and ``kubeflow_service`` do it with their own SDKs.

A ``Service`` knows jobs, tasks and schedules, and nothing of recipes, manifests or pages: ``cloud_run`` puts those
together, the same for both. Every method raises SluiceError alone: ``InvalidInput`` for what is wrong with the
environment, ``Refused`` for what the service does not permit, ``Conflict``, ``Unreachable`` for what passes by itself,
``Failed`` for the rest; each a sentence with what was asked for, the service's own words, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from components.core.run import State
from pipelines.compile import forbid_caching
from pipelines.environment import KubeflowEnvironment, VertexEnvironment

SCHEDULED_AT = "{{$.pipeline_job_schedule_time_utc}}"
"""What a service replaces by the time that a run was scheduled for, UTC, ISO 8601 (``kfp.dsl`` has it by name)."""


@dataclass(frozen=True)
class Job:
    """What is to be run: a compiled graph and what it is given."""

    run: str
    """The run's id: the job's name where the service lets us choose, unique in either case."""
    graph: str
    """Lifecycle, release, monitoring or smoke."""
    text: str
    """The compiled graph, YAML."""
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    """``sluice-run``, ``sluice-graph``, ``sluice-recipe`` and digests, shortened: to search and charge by."""
    use_cache: bool = True
    start_from: str = ""
    """A task that is not answered from the cache, and so neither is what reads its outputs."""

    def limit_caching(self, spec: dict[str, Any]) -> None:
        """Has the specification of its graph say which tasks are worked on anew."""
        if not self.use_cache:
            forbid_caching(spec)
        elif self.start_from:
            forbid_caching(spec, self.start_from)


@dataclass(frozen=True)
class TaskState:
    """One task of a job, by the name that it has in the compiled graph."""

    name: str
    state: State
    started: str = ""
    """UTC, ISO 8601; empty before it began."""
    seconds: float = 0.0
    cached: bool = False
    attempts: int = 1
    error: str = ""
    """The service's own words."""
    report: str = ""
    """Key of the step's report in the store, where the service hands an output's metadata on; empty elsewhere."""


@dataclass(frozen=True)
class JobState:
    """How far a job is."""

    name: str
    """The service's own name or id of it."""
    run: str
    state: State
    started: str = ""
    ended: str = ""
    error: str = ""
    link: str = ""
    """Where a person sees it in the service's console."""
    tasks: Mapping[str, TaskState] = field(default_factory=dict)
    schedule: str = ""
    """The version of the schedule that started it, as in ``ScheduleState``; empty where somebody submitted it."""
    scheduled: str = ""
    """The moment that it was scheduled for, UTC, ISO 8601."""


@dataclass(frozen=True)
class Timetable:
    """A job to be run again and again. ``name`` is unique in an environment: a schedule is updated, never doubled."""

    name: str
    cron: str
    """Five fields, in ``zone``."""
    zone: str
    job: Job
    """Its argument ``now`` is left to the schedule: each backend fills in the time that a run was scheduled for."""
    catch_up: bool = False
    """Whether what was missed while paused is run afterwards; otherwise only what comes."""


@dataclass(frozen=True)
class ScheduleState:
    """A schedule on the service."""

    name: str
    cron: str
    zone: str
    paused: bool
    upcoming: str = ""
    """UTC, ISO 8601; empty where the service does not say."""
    link: str = ""
    version: str = ""
    """The service's own name of the schedule with what it runs: another one each time that this is changed."""


class Service(Protocol):
    """A pipeline service in one environment."""

    takes_a_name_once: bool
    """Whether it refuses a second job of one name: of many who submit at once one succeeds."""

    def submit(self, job: Job) -> JobState:
        """Starts a job, or finds the one of the same run id, also where a call that timed out had arrived."""

    def find(self, run: str) -> JobState | None:
        """The job of a run; None where there is none."""

    def jobs(self) -> Iterator[JobState]:
        """All jobs of ours, the newest first; without their tasks."""

    def cancel(self, run: str) -> None:
        """Asks that a job ends, and all that its steps started. Raises Conflict where it has ended already."""

    def log(self, run: str, task: str) -> str:
        """What a task printed, whole lines; empty where it printed nothing yet."""

    def keep(self, timetable: Timetable) -> ScheduleState:
        """Makes a schedule, or changes the one of that name in place."""

    def schedules(self) -> Iterator[ScheduleState]:
        """All schedules of ours."""

    def pause(self, name: str) -> None:
        """No run is started until ``resume``. Raises InvalidInput where there is no such schedule."""

    def resume(self, name: str, *, catch_up: bool) -> None:
        """Goes on; with ``catch_up`` what was missed is run too."""

    def remove(self, name: str) -> None:
        """Ends a schedule; its runs stay."""


def open_service(environment: VertexEnvironment | KubeflowEnvironment) -> Service:
    """The service of an environment."""
    if isinstance(environment, VertexEnvironment):
        from pipelines.backends.vertex_service import VertexService

        return VertexService(environment)
    from pipelines.backends.kubeflow_service import KubeflowService

    return KubeflowService(environment)
