"""Starts, follows and ends runs on a pipeline service. What a run is lies in the store: whoever reads that can go on.

| key in the store | holds |
|---|---|
| `runs/RUN/launch.json` | what the run was asked to do; made only if absent, so it is the claim |
| `runs/RUN/again-N` | that somebody took over from a submitter who was not heard of again |
| `runs/INPUTS/moment-N` | the moment of the N-th run of the same inputs for which nobody named one |
| `graphs/DIGEST.yaml` | the graph |

What a schedule started (``cloud_schedule``) gets its launch when somebody looks.

A folder here mirrors it (``RunFolder``): all that looks at runs looks there, whatever they ran on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from components.core.errors import Conflict, Failed, InvalidInput, Refused
from components.core.moment import parse_moment
from components.core.run import Run
from components.core.store import Store
from pipelines.backends.ask import Ask, check_choice, inputs_of, launch_of, pinned, read_graph
from pipelines.backends.cloud_record import record
from pipelines.backends.service import Job, JobState, Service
from pipelines.code_digest import code_digests
from pipelines.compile import load_spec, parameters_of
from pipelines.environment import CloudEnvironment
from pipelines.prices import estimated_cost
from pipelines.recipe import recipe_from
from pipelines.runs import Launch, RunFolder, Runs, replace_text
from pipelines.typed import typed

FOLDER, SCHEDULES = "runs", "schedules"
LOOK_SECONDS = (1.0, 15.0)
"""How often a run is looked at: at first, and at most, once nothing has changed for a while."""
LEASE = timedelta(minutes=10)
"""A submitter that has claimed a run and of whom the service has not heard for so long is taken for dead: longer than
all calls of a submission take together, and than clocks differ."""
RETYPED = timedelta(hours=1)
"""For so long a command that is typed again takes up the run that it had claimed and not got to submitting."""
OVERLAP = timedelta(days=1)
"""Of two looks at what a service has: longer than a job waits before it begins, and than clocks differ."""
PATIENCE = timedelta(minutes=15)
"""How long a service may be away before following gives up; the run goes on without it."""


class Unsubmitted(Failed):
    """A run was asked for, and whoever asked did not get to submitting it."""


@dataclass
class CloudRuns:
    """The runs of one environment on its service."""

    environment: CloudEnvironment
    service: Service
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store, self.runs = Store(self.environment.store), Runs(Path(self.environment.runs), self.environment.name)

    def start(self, ask: Ask) -> RunFolder:
        """Submits a run, or finds the one that was submitted for the same inputs at the same moment.

        Where no moment is named, a run of the same inputs for which none was named either and that is under way is that
        run: a command that is typed again starts nothing twice. The attempt in its id rises only after a final failure
        or a cancel. Of many who ask at once one submits. Raises Conflict for a run that began with another choice of
        what is taken from the cache.
        """
        self.runs.check()
        text, digest = pinned(ask.graph, ask.spec, ask.recipe, ask.environment, self.store)
        ask, code = replace(ask, spec=digest), code_digests()
        now, attempt = ask.now or self._moment(ask), 1
        while True:
            launch = launch_of(ask, now, attempt).model_copy(update={"code": code})
            launch = self._claim(launch)  # as whoever was first says it, the moment too
            folder, state = self._mirror(launch), self._submitted(launch, text)
            run = self._look(folder, launch, state)
            if not run.given_up:
                check_choice(launch, ask)
                return folder
            attempt += 1

    def _moment(self, ask: Ask) -> str:
        """The moment of a run for which nobody named one: now, or that of the same that is under way.

        Moments are numbered and each is created only if absent, so many who ask at once agree on one.
        """
        inputs = f"{FOLDER}/{inputs_of(ask)}"
        now = self.clock().isoformat(timespec="microseconds")
        number = max((int(key.rpartition("-")[2]) for key in self.store.list(inputs)), default=0)
        while True:
            key = f"{inputs}/moment-{number}"
            if self.store.create(key, now.encode()):
                return now
            moment = self.store.read(key).decode()
            if run := self._under_way(ask, moment):
                self._tell(f"{run} has the same inputs and is under way; to start another, say its moment: --now")
                return moment
            number += 1

    def _under_way(self, ask: Ask, moment: str) -> str:
        """The run that was asked for at a moment, if it has not ended or may yet be submitted; empty otherwise."""
        launch, attempt = launch_of(ask, moment, 1), 1
        while self.store.exists(f"{FOLDER}/{launch_of(ask, moment, attempt + 1).run}/launch.json"):
            attempt += 1
            launch = launch_of(ask, moment, attempt)
        state = self.service.find(launch.run)
        if state is None:  # nobody has got to submitting it
            return launch.run if self.clock() - parse_moment(moment) < RETYPED else ""
        return "" if state.state.final else launch.run

    def find(self, name: str) -> RunFolder:
        """A run by its id, a part of it, or ``latest``: what began last, whoever started it and on whatever machine.

        What a run asked for is not the latest; the run that asked for it is.
        """
        self._mirror_all()
        if name == "latest":
            ours = filter(self.runs.has, self.runs)
            if latest := next((folder for folder in ours if not folder.launch().asked_by), None):
                self.runs.point_latest(latest)
        folder = self.runs.find(name)
        self._refresh_requested(self.refresh(folder))
        return folder

    def _refresh_requested(self, run: Run) -> None:
        """Records how far the runs are that a run asked for, and those that they asked for."""
        if not run.requests:
            return
        for folder in filter(self.runs.has, self.runs):
            if folder.launch().asked_by in run.requests:
                with suppress(Unsubmitted):
                    self._refresh_requested(self.refresh(folder))

    def fetch(self) -> None:
        """Mirrors what others have started, and how far all is that has not ended."""
        self._mirror_all()
        for folder in filter(self.runs.has, self.runs):
            with suppress(Unsubmitted):
                self.refresh(folder)

    def _mirror_all(self) -> None:
        looked = self.runs.folder / f".looked-{self.environment.name}"
        now = self.clock()
        began = self._adopt(datetime.fromisoformat(looked.read_text()) - OVERLAP if looked.exists() else None)
        found = []
        for key in self.store.list(FOLDER):
            run, _, name = key.removeprefix(f"{FOLDER}/").partition("/")
            if name == "launch.json" and not self._is_mirrored(run):
                found.append(Launch.read(self.store.read(key), key))
        for launch in found:  # what was not there at the last look, or waits, has begun just now
            fresh = looked.exists() or launch.run in began
            at = began.get(launch.run) or (now.isoformat() if fresh else launch.now)
            self.runs.folder_of(launch.run).create(launch, began=parse_moment(at))
        self.runs.folder.mkdir(parents=True, exist_ok=True)
        replace_text(looked, now.isoformat())

    def _adopt(self, since: datetime | None) -> dict[str, str]:
        """Writes down what schedules have started: nobody of ours was there then. Returns when each job began.

        Jobs that began before ``since`` were looked at before.
        """
        began = {}
        for job in self.service.jobs():
            if since and job.started and parse_moment(job.started) < since:
                break
            began[job.run] = job.started
            template = f"{SCHEDULES}/{job.schedule}.json"
            if job.schedule and not self._is_mirrored(job.run) and self.store.exists(template):
                launch = Launch.read(self.store.read(template), template)
                ours = launch.model_copy(update={"run": job.run, "now": job.scheduled or job.started})
                try:
                    self.store.create(f"{FOLDER}/{job.run}/launch.json", ours.to_bytes())
                except Refused as error:  # who may only read looks all the same, and others record it
                    self._tell(f"{error}; {job.run} is known on this machine alone")
                    self.runs.folder_of(job.run).create(ours, began=parse_moment(job.started or ours.now))
        return began

    def _is_mirrored(self, run: str) -> bool:
        return (self.runs.folder / run / "launch.json").exists()

    def refresh(self, folder: RunFolder) -> Run:
        """Asks the service how far a run is, and records it. Raises Unsubmitted where it has no job."""
        kept = folder.read()
        if kept is not None and kept.state.final:
            return kept
        state = self.service.find(folder.run)
        if state is None:
            raise Unsubmitted(
                f"run {folder.run}: the service has no job of it; ask for it again, with `--now {folder.launch().now}`"
            )
        return self._look(folder, folder.launch(), state)

    def follow(self, folder: RunFolder) -> Iterator[Run]:
        """The run's record each time that it changes, until it is final; a service that is away is waited for."""
        last: Run | None = None
        pause, away = LOOK_SECONDS[0], None
        while True:
            try:
                run = self.refresh(folder)
            except Unsubmitted:
                raise
            except (Failed, Refused) as error:  # the service or the store is away, or a login has ended
                away = away or self.clock()
                if isinstance(error, Refused) or self.clock() - away > PATIENCE:
                    follow = typed(f"status {folder.run} --follow", self.environment.name)
                    again = f"the run goes on: `{follow}` follows it again"
                    raise Failed(f"{error}; {again}") from error
                self._tell(f"{error}; waiting for it, the run goes on")
            else:
                away = None
                if run != last:
                    last, pause = run, LOOK_SECONDS[0]
                    yield run
                if run.state.final:
                    return
            self.sleep(pause)
            pause = min(1.5 * pause, LOOK_SECONDS[1])

    def cancel(self, folder: RunFolder) -> Run:
        """Ends a run, and what its steps started. Raises Conflict when it has ended already."""
        run = self.refresh(folder)
        if run.state.final:
            raise Conflict(f"run {folder.run} is {run.state} already; there is nothing to cancel")
        self.service.cancel(folder.run)
        return [*self.follow(folder)][-1]

    def log(self, folder: RunFolder, step: str) -> str:
        """What a step printed, so far."""
        return self.service.log(folder.run, step)

    def _claim(self, launch: Launch) -> Launch:
        """Says that this run is wanted; whoever says it first has said it for all."""
        key = f"{FOLDER}/{launch.run}/launch.json"
        if not self.store.create(key, launch.to_bytes()):
            launch = Launch.read(self.store.read(key), key)
        return launch

    def _submitted(self, launch: Launch, text: str) -> JobState:
        """The run's job. A service that takes one name twice gets only one of those who ask at once to submit.

        Raises Unsubmitted for what the service says against it, which is no fault of the run and may be mended, and
        InvalidInput for a graph that wants what nobody gave.
        """
        job, lease = job_of(launch, text, self.environment), ""
        try:
            found = self.service.find(launch.run)
            if found is not None:
                return found
            lease = "" if self.service.takes_a_name_once else self._lease(launch)
            return self.service.submit(job)
        except (InvalidInput, Refused, Failed) as error:
            if lease and not isinstance(error, Failed):  # it is certain that nothing was submitted
                self.store.remove(lease)
            raise Unsubmitted(f"{error}; for this very run ask with `--now {launch.now}`") from error

    def _lease(self, launch: Launch) -> str:
        """Takes the right to submit; its key in the store. Raises Conflict while somebody else has it."""
        now = self.clock()
        for number in range(100):
            key = f"{FOLDER}/{launch.run}/again-{number}"
            if self.store.create(key, now.isoformat().encode()):
                return key
            if now - parse_moment(self.store.read(key).decode()) < LEASE:
                minutes = LEASE.seconds // 60
                raise Conflict(f"run {launch.run}: another process is submitting it; ask again in {minutes} minutes")
        doctor = typed("doctor", self.environment.name)
        raise Failed(f"run {launch.run}: was submitted 100 times and never arrived; `{doctor}` says what is wrong")

    def _mirror(self, launch: Launch) -> RunFolder:
        folder = self.runs.folder_of(launch.run)
        folder.create(launch)
        self.runs.point_latest(folder)
        return folder

    def _look(self, folder: RunFolder, launch: Launch, state: JobState) -> Run:
        """Records how far a run is: the service's states and the steps' own reports."""
        if not folder.graph.exists():
            replace_text(folder.graph, read_graph(self.store, launch.spec))
        spec = load_spec(folder.graph.read_text())
        run = record(launch, spec, state, self.store, lambda task: self._kept_log(folder, task, state))
        try:
            cost = estimated_cost(run, recipe_from(launch.recipe), self.environment)
            run = run.model_copy(update={"estimated_cost": cost})
        except InvalidInput as error:  # a run is no worse for prices that cannot be read
            self._tell(f"no cost is estimated: {error}")
        folder.write(run)
        return run

    def _kept_log(self, folder: RunFolder, task: str, state: JobState) -> str:
        """A task's log; that of one that ended is asked for once."""
        path = folder.log(task)
        if path.exists():
            return path.read_text(errors="replace")
        text = self.service.log(folder.run, task)
        if state.tasks[task].state.final and text:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, text)
        return text

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            click.echo(line, err=True)


def job_of(launch: Launch, text: str, environment: CloudEnvironment) -> Job:
    """What is submitted for a run. Raises InvalidInput for a graph that wants what nobody gave."""
    parameters = parameters_of(load_spec(text))
    given = {**launch.arguments, "now": launch.now}
    missing = [name for name, about in parameters.items() if name not in given and not about.get("isOptional")]
    if missing:
        raise InvalidInput(f"graph {launch.graph}: wants {', '.join(missing)}; ask for it by what makes these")
    labels = {
        "sluice-run": launch.run[:63],
        "sluice-graph": launch.graph,
        "sluice-recipe": str(launch.recipe["name"]),
        "sluice-environment": environment.name,
        "sluice-spec": launch.spec[:40],
    }
    arguments = {name: given[name] for name in parameters if name in given}
    labels |= environment.labels
    return Job(launch.run, launch.graph, text, arguments, labels, launch.use_cache, launch.start_from)
