"""Vertex AI's pipeline jobs and schedules, as far as Sluice uses them.

It does not imitate: that anything runs (a test moves states on with ``move`` and ``fire``; ``Cluster`` does run it),
Vertex's own checks of a graph, of a network or of an account, states between asking for a cancel and its end, more
than one page of a list, filters other than ours, an upper bound of schedules, what a cron means, and how long a name
stays taken after deletion.
That ``{{$.pipeline_job_schedule_time_utc}}`` is filled in where it stands in ``parameterValues`` is from the sources.
"""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tests.contract.google.server import ApiError, Request

SCHEDULED = "{{$.pipeline_job_schedule_time_utc}}"
FINAL = ("PIPELINE_STATE_SUCCEEDED", "PIPELINE_STATE_FAILED", "PIPELINE_STATE_CANCELLED")
Document = dict[str, Any]


class Vertex:
    """The fake; mount it on a ``Server``."""

    documents = ("aiplatform.v1",)

    def __init__(self) -> None:
        self.jobs: dict[str, Document] = {}
        self.schedules: dict[str, Document] = {}
        self._made = 0

    def answer(self, request: Request) -> Any:
        """What an operation gives. Raises ApiError."""
        kind, verb = request.operation.id.split(".")[-2:]
        place = re.sub(r"^/v1/|:\w+$", "", request.path)
        if kind == "pipelineJobs":
            return getattr(self, f"_{verb}_job")(place, request)
        return getattr(self, f"_{verb}_schedule")(place, request)

    def job(self, run: str) -> Document:
        """The job of that id."""
        return next(job for name, job in self.jobs.items() if name.endswith("/" + run))

    def move(self, run: str, state: str, *tasks: Document, **more: Any) -> None:
        """Brings a job to a state, ``RUNNING``, with these task details; what is known of others stays."""
        job = self.job(run)
        job.setdefault("startTime", _now())
        job.update(state=f"PIPELINE_STATE_{state}", **more)
        details = {task["taskName"]: task for task in job.get("jobDetail", {}).get("taskDetails", [])}
        for number, task in enumerate(tasks):
            details[task["taskName"]] = {"taskId": str(number + 1), **task}
        job["jobDetail"] = {"taskDetails": [*details.values()]}

    def fire(self, moment: str) -> list[str]:
        """Starts a run of each active schedule, as Vertex does at ``moment``; the names of the jobs."""
        made = []
        for schedule in self.schedules.values():
            if schedule["state"] == "ACTIVE":
                request = schedule["createPipelineJobRequest"]
                job = json.loads(json.dumps(request["pipelineJob"]).replace(SCHEDULED, moment))
                self._made += 1
                name = f"{request['parent']}/pipelineJobs/scheduled-{self._made}"
                self.jobs[name] = {**self._new(name, job), "scheduleName": schedule["name"]}
                made.append(name)
        return made

    def _new(self, name: str, body: Document) -> Document:
        self._made += 1
        born = f"2026-01-31T09:00:00.{self._made:06d}Z"
        return {**copy.deepcopy(body), "name": name, "state": "PIPELINE_STATE_PENDING", "createTime": born}

    def _create_job(self, place: str, request: Request) -> Document:
        name = f"{place}/{request.query.get('pipelineJobId', '')}"
        if not re.fullmatch(r"[a-z][-a-z0-9]{0,127}", name.rpartition("/")[2]):
            raise ApiError(400, f"the job id of {name} is not valid")
        if name in self.jobs:
            raise ApiError(409, f"{name} already exists")
        self.jobs[name] = self._new(name, request.body)
        return self.jobs[name]

    def _get_job(self, place: str, request: Request) -> Document:
        return _found(self.jobs, place)

    def _list_job(self, place: str, request: Request) -> Document:
        label, value = _filter(request.query["filter"], r'labels\.([\w-]+)="([\w-]+)"')
        chosen = [job for job in self.jobs.values() if job.get("labels", {}).get(label) == value]
        newest = sorted(chosen, key=lambda job: str(job["createTime"]), reverse="desc" in request.query["orderBy"])
        return {"pipelineJobs": [{k: v for k, v in job.items() if k != "jobDetail"} for job in newest]}

    def _cancel_job(self, place: str, request: Request) -> Document:
        job = _found(self.jobs, place)
        if job["state"] in FINAL:
            raise ApiError(400, f"{place} is in a final state")
        job["state"] = "PIPELINE_STATE_CANCELLING"
        return {}

    def _create_schedule(self, place: str, request: Request) -> Document:
        _check_cron(request.body["cron"])
        self._made += 1
        name = f"{place}/{self._made}"
        made = {**self._new(name, request.body), "state": "ACTIVE", "nextRunTime": "2026-02-01T02:00:00Z"}
        self.schedules[name] = made
        return made

    def _get_schedule(self, place: str, request: Request) -> Document:
        return _found(self.schedules, place)

    def _list_schedule(self, place: str, request: Request) -> Document:
        how, name = _filter(request.query["filter"], r'display_name([=:])"(.*)"')
        fits = (lambda one: one == name) if how == "=" else (lambda one: one.startswith(name.rstrip("*")))
        return {"schedules": [one for one in self.schedules.values() if fits(one["displayName"])]}

    def _patch_schedule(self, place: str, request: Request) -> Document:
        kept = _found(self.schedules, place)
        fields = [re.sub(r"_(\w)", lambda hit: hit[1].upper(), one) for one in request.query["updateMask"].split(",")]
        changed = {field: value for field, value in kept.items() if field not in fields}
        # proto3's JSON leaves out what has its default
        changed |= {field: copy.deepcopy(request.body[field]) for field in fields if field in request.body}
        _check_cron(changed.get("cron", ""))  # before anything is kept: what is refused changes nothing
        self.schedules[place] = changed
        return changed

    def _pause_schedule(self, place: str, request: Request) -> Document:
        return self._turn(place, "ACTIVE", "PAUSED")

    def _resume_schedule(self, place: str, request: Request) -> Document:
        self._turn(place, "PAUSED", "ACTIVE")
        self.schedules[place]["catchUp"] = bool((request.body or {}).get("catchUp"))
        return {}

    def _turn(self, place: str, before: str, after: str) -> Document:
        one = _found(self.schedules, place)
        if one["state"] != before:
            raise ApiError(400, f"{place} is {one['state']}, not {before}")
        one["state"] = after
        return {}

    def _delete_schedule(self, place: str, request: Request) -> Document:
        _found(self.schedules, place)
        del self.schedules[place]
        response = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return {"name": f"{place}/operations/1", "done": True, "response": response}


def _found(shelf: dict[str, Document], name: str) -> Document:
    if name not in shelf:
        raise ApiError(404, f"{name} not found")
    return shelf[name]


def _filter(text: str, pattern: str) -> tuple[str, str]:
    found = re.fullmatch(pattern, text)
    if not found:
        raise ApiError(400, f"the fake does not know the filter {text}")
    return found[1], found[2]


def _check_cron(cron: str) -> None:
    found = re.fullmatch(r"(?:CRON_)?TZ=(\S+) (.+)", cron)
    if not found or len(found[2].split()) != 5:
        raise ApiError(400, f"{cron!r} is no cron")
    try:
        ZoneInfo(found[1])
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ApiError(400, f"{found[1]!r} is no time zone") from error


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
