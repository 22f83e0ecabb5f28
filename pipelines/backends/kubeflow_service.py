"""Runs and recurring runs on a Kubeflow Pipelines server, through its own client (``kfp_server_api``, v2beta1).

``kfp.Client`` is not used: it prints, writes a file into the home folder and asks five times, five seconds apart.
A server gives runs its own ids and takes one name twice: names are ours, claims are ``cloud_run``'s, and each creation
looks first. It keeps no labels, so they stand in the description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from components.core.canonical import canonical_json, sha256
from components.core.errors import Conflict, Failed, InvalidInput, Refused, SluiceError, Unreachable
from components.core.run import State
from pipelines.backends.kubeflow_tasks import Nodes
from pipelines.backends.kubeflow_token import has_token, token_of
from pipelines.backends.kubeflow_words import (
    about_of,
    age_of,
    documents,
    error_of,
    is_ending,
    is_paused,
    is_refusal,
    moment_of,
    scheduled,
    sentence,
    six,
    state_of,
)
from pipelines.backends.service import Job, JobState, ScheduleState, Timetable
from pipelines.environment import KubeflowEnvironment
from pipelines.typed import typed

SMALLEST = (2, 5, 0)
"""A server refuses fields of a graph that it does not know; ours have tolerations and secrets in 2.5's fields."""
SMALLEST_SCHEDULE = (2, 17, 0)
"""The first that fills in the time that a run was scheduled for (kubeflow/pipelines #13474)."""
TIMEOUT = (10, 60)
"""Seconds to connect, and to wait for an answer."""
PAGE = 100


class KubeflowService:
    """One environment's server. Opening it asks nothing; the server's version is read at the first call."""

    takes_a_name_once = False

    def __init__(self, environment: KubeflowEnvironment, timeout: tuple[float, float] = TIMEOUT) -> None:
        import kfp_server_api  # type: ignore[import-untyped]
        import urllib3

        configuration = kfp_server_api.Configuration(host=environment.host.rstrip("/"))
        # what is asked again must be known to have no effect twice: that is decided here, call by call
        none: dict[str, Any] = {"read": 0, "redirect": 0, "status": 0, "other": 0, "respect_retry_after_header": False}
        configuration.retries = urllib3.Retry(connect=2, **none)
        if has_token(environment):
            configuration.api_key["authorization"] = "read before each request: it may be renewed"
            configuration.api_key_prefix["authorization"] = "Bearer"
            configuration.refresh_api_key_hook = self._authorise
        self.environment, self._timeout, self._kfp = environment, timeout, kfp_server_api
        self._client = kfp_server_api.ApiClient(configuration)
        self._runs = kfp_server_api.RunServiceApi(self._client)
        self._schedules = kfp_server_api.RecurringRunServiceApi(self._client)
        self._experiments = kfp_server_api.ExperimentServiceApi(self._client)
        self._about: dict[str, Any] = {}

    def submit(self, job: Job) -> JobState:
        """Starts a job, or finds the one of that name. Raises Refused for a server that is too old."""
        self.require(SMALLEST, "run these graphs")
        found = self.find(job.run)
        if found is not None:
            return found
        body = self._kfp.V2beta1Run(
            display_name=job.run,
            description=json.dumps(dict(job.labels), sort_keys=True),
            experiment_id=self._experiment(job.graph),
            pipeline_spec=documents(job),
            runtime_config=self._kfp.V2beta1RuntimeConfig(parameters=dict(job.arguments)),
            service_account=self.environment.account_of(job.graph),
        )
        what = f"run {job.run}: submit"
        try:
            return self._state(self._ask(what, self._runs.run_service_create_run, body))
        except Unreachable as error:  # it may have arrived, and only its answer was lost
            return self.find(job.run) or _again(error)

    def find(self, run: str) -> JobState | None:
        """The job of a run with its tasks; None where there is none. Of several of one name, the first."""
        found = self._named(run)
        if found is None:
            return None
        return self._state(self._ask(f"run {run}: look", self._runs.run_service_get_run, found.run_id))

    def jobs(self) -> Iterator[JobState]:
        """All jobs in the environment's experiments, the newest first; those of a schedule by the server's names."""
        found = [
            run
            for experiment in self._all_experiments()
            for run in self._list("runs: list", self._runs.run_service_list_runs, "runs", experiment=experiment)
        ]
        yield from (self._state(run) for run in sorted(found, key=age_of, reverse=True))

    def cancel(self, run: str) -> None:
        """Asks that a job ends; its pods end with it. Raises Conflict where it has ended already."""
        found = self._named(run)
        if found is None:
            runs = typed("runs", self.environment.name)
            raise InvalidInput(f"run {run}: {self.environment.host} has no such run; `{runs}` lists them")
        if is_ending(found):  # the server refuses to be told again
            return
        if state_of(found).final:
            raise Conflict(f"run {run} is {state_of(found)} already; there is nothing to cancel")
        try:
            self._ask(f"run {run}: cancel", self._runs.run_service_terminate_run, found.run_id)
        except Unreachable:
            found = self._named(run)
            if found is None or not (is_ending(found) or state_of(found) is State.CANCELLED):
                raise

    def log(self, run: str, task: str) -> str:
        """What a task's pods printed, all attempts; empty where they printed nothing yet, or their logs are gone."""
        found = self._named(run)
        if found is None:
            return ""
        nodes = _nodes(self._ask(f"run {run}: look", self._runs.run_service_get_run, found.run_id))
        text = "".join(self._pod_log(found.run_id, pod, f"run {run}: log of {task}") for pod in nodes.pods(task))
        final = task in (known := nodes.tasks()) and known[task].state.final
        return text if final else text[: text.rfind("\n") + 1]

    def keep(self, timetable: Timetable) -> ScheduleState:
        """Makes a schedule, or changes it; there is always one, and never two of them start runs.

        The server cannot change one, so: the new one is made disabled, the old ones are disabled, the new one is
        enabled, the old ones are deleted. Whoever breaks off leaves what the next call completes: the newest says in
        its description what it is and whether it is to run. Raises Refused and InvalidInput for what cannot work.
        """
        self.require(SMALLEST_SCHEDULE, "tell a step the time that its run was scheduled for")
        body = self._timetable(timetable)
        known = self._kept(timetable.name)
        wanted = json.loads(body.description)
        if not known or about_of(known[-1])["digest"] != wanted["digest"]:
            paused = bool(known) and is_paused(known)
            body.description = json.dumps({**wanted, "paused": paused}, sort_keys=True)
            body.mode = "DISABLE" if known else "ENABLE"
            body.experiment_id = self._experiment(timetable.job.graph)
            known = self._made(timetable.name, body)
        return self._completed(known)

    def schedules(self) -> Iterator[ScheduleState]:
        """All schedules of the environment, by name."""
        names = {about_of(one)["schedule"] for one in self._kept()}
        for name in sorted(names):
            yield self._schedule(self._kept(name))

    def pause(self, name: str) -> None:
        """No run is started until ``resume``. Raises InvalidInput where there is no such schedule."""
        known = self._wanted(name)
        for one in known:
            if one.status != "DISABLED":
                self._switch(one, "disable")
        for old in known[:-1]:  # what a broken change left would be completed, and the pause undone by that
            self._drop(old)

    def resume(self, name: str, *, catch_up: bool) -> None:
        """Goes on. Whether what was missed is run is decided when a schedule is made: raises Refused for another.

        Without catching up the server still starts one run at once, for the last moment that was missed.
        """
        known = self._wanted(name)
        if catch_up == bool(known[-1].no_catchup):
            raise Refused(
                f"schedule {name}: it was made {'without' if catch_up else 'to be'} catching up, and the server cannot"
                f" change that; keep it again with catch_up {str(catch_up).lower()}, then resume"
            )
        for old in known[:-1]:
            self._drop(old)
        self._switch(known[-1], "enable")

    def remove(self, name: str) -> None:
        """Ends a schedule; its runs stay. Raises InvalidInput where there is no such schedule."""
        for one in self._wanted(name):
            self._drop(one)

    def _ask(self, what: str, call: Callable[..., Any], *given: Any, **more: Any) -> Any:
        """One call of the server; whatever goes wrong becomes a sentence."""
        from urllib3.exceptions import HTTPError

        where = f"{what}: {self.environment.host}"
        try:
            return call(*given, **more, _request_timeout=self._timeout)
        except (self._kfp.ApiException, HTTPError) as error:
            raise sentence(where, error) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise Failed(f"{where} gave an answer that is no KFP server's: {error}; see `host`") from error

    def _authorise(self, configuration: Any) -> None:
        """Puts the token into a request. Raises InvalidInput where there is none."""
        configuration.api_key["authorization"] = token_of(self.environment)

    def _raw(self, what: str, path: str, names: dict[str, str]) -> str:
        """The text at a path that the generated client has no method for, or drops half of."""
        answer = self._ask(
            what, self._client.call_api, path, "GET", names, [], {}, auth_settings=["Bearer"], _preload_content=False
        )
        return str(answer.data.decode(errors="replace"))

    def require(self, smallest: tuple[int, int, int], what_for: str) -> str:
        """The server's version. Raises Refused where it is older, or is not told."""
        version = str(self._server().get("tag_name", ""))
        found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
        if found is None or tuple(map(int, found.groups())) < smallest:
            least = ".".join(map(str, smallest))
            raise Refused(
                f"{self.environment.host}: the server says that it is version {version or 'nothing'!r}, and KFP {least}"
                f" is the first to {what_for}; upgrade it, or have its TAG_NAME set"
            )
        return version

    def _server(self) -> dict[str, Any]:
        if not self._about:
            text = self._raw("version", "/apis/v2beta1/healthz", {})
            try:
                self._about = dict(json.loads(text))
            except (ValueError, TypeError) as error:
                raise Failed(f"{self.environment.host} is no KFP server: {text[:80]!r}; see `host`") from error
        return self._about

    def _list(
        self, what: str, call: Callable[..., Any], field: str, *, experiment: str = "", **where: str
    ) -> Iterator[Any]:
        """All pages of a listing; ``where`` are display_name and an operation, of which one is given."""
        more: dict[str, Any] = {"page_size": PAGE, "sort_by": "created_at asc"}
        if experiment:
            more["experiment_id"] = experiment
        elif self._server().get("multi_user"):  # a server for one refuses to be asked for a namespace
            more["namespace"] = self.environment.namespace
        for operation, value in where.items():
            predicate = {"operation": operation.upper(), "key": "display_name", "string_value": value}
            more["filter"] = json.dumps({"predicates": [predicate]})
        while True:
            answer = self._ask(what, call, **more)
            yield from getattr(answer, field) or []
            if not answer.next_page_token:
                return
            more["page_token"] = answer.next_page_token

    def _named(self, run: str) -> Any:
        return next(self._list(f"run {run}: find", self._runs.run_service_list_runs, "runs", equals=run), None)

    def _experiment(self, graph: str) -> str:
        """The experiment of the environment and graph; of several who make it at once, all get the same."""
        name = f"sluice-{self.environment.name}-{graph}"
        space = self.environment.namespace if self._server().get("multi_user") else None
        body = self._kfp.V2beta1Experiment(display_name=name, namespace=space)

        def found() -> str | None:
            call = self._experiments.experiment_service_list_experiments
            return next((one.experiment_id for one in self._list(what, call, "experiments", equals=name)), None)

        what = f"experiment {name}"
        known = found()
        if known:
            return known
        try:
            return str(self._ask(what, self._experiments.experiment_service_create_experiment, body).experiment_id)
        except (Conflict, Unreachable) as error:
            return found() or _again(error)

    def _all_experiments(self) -> Iterator[str]:
        prefix, call = f"sluice-{self.environment.name}-", self._experiments.experiment_service_list_experiments
        for one in self._list("experiments: list", call, "experiments", is_substring=prefix):
            if one.display_name.rpartition("-")[0] + "-" == prefix:
                yield one.experiment_id

    def _state(self, run: Any) -> JobState:
        return JobState(
            name=run.run_id, run=run.display_name, state=state_of(run), started=moment_of(run.created_at),
            ended=moment_of(run.finished_at), error=error_of(run),
            link=f"{self.environment.host.rstrip('/')}/#/runs/details/{run.run_id}",
            schedule=run.recurring_run_id or "", scheduled=moment_of(run.scheduled_at) if run.recurring_run_id else "",
            tasks=_nodes(run).tasks(),
        )  # fmt: skip

    def _pod_log(self, run: str, pod: str, what: str) -> str:
        """What a pod printed; empty where it is gone."""
        path = "/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log"
        try:
            text = self._raw(what, path, {"run_id": run, "node_id": pod})
        except InvalidInput:
            return ""
        return "" if is_refusal(text) else text

    def _timetable(self, timetable: Timetable) -> Any:
        """A recurring run, disabled. Raises InvalidInput for a cron or zone that the server cannot keep."""
        if timetable.zone not in ("UTC", "Etc/UTC", ""):
            raise InvalidInput(
                f"schedule {timetable.name}: zone {timetable.zone}: a KFP server counts in one zone for all, UTC"
                " unless CRON_SCHEDULE_TIMEZONE is set on it; give the times in UTC"
            )
        graph = scheduled(documents(timetable.job))
        about = {"schedule": timetable.name, "environment": self.environment.name, "cron": timetable.cron,
                 "zone": timetable.zone, "labels": dict(timetable.job.labels)}  # fmt: skip
        body = self._kfp.V2beta1RecurringRun(
            display_name=self._title(timetable.name),
            pipeline_spec=graph,
            runtime_config=self._kfp.V2beta1RuntimeConfig(
                parameters={name: value for name, value in timetable.job.arguments.items() if name != "now"}
            ),
            service_account=self.environment.account_of(timetable.job.graph),
            max_concurrency="1",
            no_catchup=not timetable.catch_up,
            mode="DISABLE",
            trigger=self._kfp.V2beta1Trigger(cron_schedule=self._kfp.V2beta1CronSchedule(cron=six(timetable.cron))),
        )
        plain = canonical_json(self._client.sanitize_for_serialization(body))
        body.description = json.dumps({**about, "digest": sha256(plain)}, sort_keys=True)
        return body

    def _title(self, name: str) -> str:
        return f"sluice-{self.environment.name}-{name}"

    def _kept(self, name: str = "") -> list[Any]:
        """Our recurring runs of a name, or all; the newest last."""
        call = self._schedules.recurring_run_service_list_recurring_runs
        where = {"equals": self._title(name)} if name else {"is_substring": self._title("")}
        found = self._list(f"schedule {name or 's'}: find", call, "recurring_runs", **where)
        ours = [one for one in found if about_of(one).get("environment") == self.environment.name]
        return sorted(ours, key=age_of)

    def _wanted(self, name: str) -> list[Any]:
        known = self._kept(name)
        if not known:
            raise InvalidInput(
                f"schedule {name}: {self.environment.host} has none; see `{typed('schedules', self.environment.name)}`"
            )
        return known

    def _made(self, name: str, body: Any) -> list[Any]:
        """All of a name after one more was made, also where only the answer was lost."""
        digest = json.loads(body.description)["digest"]
        try:
            self._ask(f"schedule {name}: make", self._schedules.recurring_run_service_create_recurring_run, body)
        except Unreachable as error:
            known = self._kept(name)
            return known if known and about_of(known[-1])["digest"] == digest else _again(error)
        return self._kept(name)

    def _completed(self, known: list[Any]) -> ScheduleState:
        """Leaves only the newest, enabled unless it is to be paused."""
        paused = is_paused(known)
        for old in known[:-1]:
            if old.status != "DISABLED":
                self._switch(old, "disable")
        if not paused and known[-1].status != "ENABLED":
            self._switch(known[-1], "enable")
        for old in known[:-1]:
            self._drop(old)
        return replace(self._schedule(known[-1:]), paused=paused)

    def _schedule(self, known: list[Any]) -> ScheduleState:
        about, one = about_of(known[-1]), known[-1]
        link = f"{self.environment.host.rstrip('/')}/#/recurringrun/details/{one.recurring_run_id}"
        paused = all(each.status == "DISABLED" for each in known)
        version = str(one.recurring_run_id)
        return ScheduleState(about["schedule"], about["cron"], about["zone"], paused, link=link, version=version)

    def _switch(self, one: Any, way: str) -> None:
        call, name = getattr(self._schedules, f"recurring_run_service_{way}_recurring_run"), about_of(one)["schedule"]
        try:
            self._ask(f"schedule {name}: {way}", call, one.recurring_run_id)
        except Unreachable:  # it may have arrived, and only its answer was lost
            if not any(same.status == f"{way.upper()}D" for same in self._same(one)):
                raise

    def _drop(self, one: Any) -> None:
        call = self._schedules.recurring_run_service_delete_recurring_run
        try:
            self._ask(f"schedule {about_of(one)['schedule']}: delete", call, one.recurring_run_id)
        except Unreachable:  # as above
            if self._same(one):
                raise

    def _same(self, one: Any) -> list[Any]:
        """A recurring run as it is now; none where it is gone."""
        known = self._kept(about_of(one)["schedule"])
        return [same for same in known if same.recurring_run_id == one.recurring_run_id]


def _nodes(run: Any) -> Nodes:
    return Nodes(run.run_details.task_details if run.run_details else None)


def _again(error: SluiceError) -> Any:
    raise error
