"""Between Sluice's words and a Kubeflow Pipelines server's: graphs, schedules, states and errors; asks nothing."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import yaml

from components.core.connections import why_broken
from components.core.errors import Conflict, InvalidInput, Refused, SluiceError, Unreachable
from components.core.masking import quoted
from components.core.run import State
from pipelines.backends.service import SCHEDULED_AT, Job, TaskState
from pipelines.compile import parameters_of

STATES = {
    "PENDING": State.PENDING, "RUNNING": State.RUNNING, "PAUSED": State.RUNNING, "CANCELING": State.RUNNING,
    "SUCCEEDED": State.DONE, "SKIPPED": State.SKIPPED, "FAILED": State.FAILED, "CANCELED": State.CANCELLED,
}  # fmt: skip


def six(cron: str) -> str:
    """Five fields of cron as the server wants them: with seconds. Raises InvalidInput."""
    fields = cron.split()
    if len(fields) != 5:
        raise InvalidInput(
            f"cron {cron!r}: has {len(fields)} fields; give minute, hour, day, month and day of the week"
        )
    return " ".join(["0", *fields])


def sentence(where: str, error: Any) -> SluiceError:
    """A server's refusal as an error of ours, with its own words; or its silence, without the client's."""
    from urllib3.exceptions import HTTPError

    if isinstance(error, HTTPError):
        return Unreachable(f"{where} does not answer: {why_broken(error)}; see that it is up and reachable from here")
    try:
        said = json.loads(error.body or "")
        words = str(said.get("message") or said.get("error") or said)
    except (ValueError, AttributeError):
        words = str(error.body or error.reason or "")
    words = f"{where} answered {error.status}: {quoted(words, 400)}"
    if error.status == 429 or error.status >= 500:
        wait = (error.headers or {}).get("Retry-After")
        return Unreachable(f"{words}; it passes by itself, try again{f' in {wait} s' if wait else ' later'}")
    if error.status == 401:
        return Refused(f"{words}; see the environment's `token`, it may have ended")
    if error.status == 403:
        return Refused(f"{words}; ask whoever runs the server for a role in the environment's namespace")
    if error.status == 409:
        return Conflict(f"{words}; look again, somebody else did the same")
    return InvalidInput(f"{words}; see the environment's `host` and `namespace`")


def documents(job: Job) -> dict[str, Any]:
    """A compiled graph as the server takes it: the pipeline, and what Kubernetes is to add where there is that."""
    spec, *platform = yaml.load_all(job.text, Loader=yaml.CSafeLoader)
    job.limit_caching(spec)
    return {"pipeline_spec": spec, "platform_spec": platform[0]} if platform else dict(spec)


def scheduled(documents: dict[str, Any]) -> dict[str, Any]:
    """A graph whose argument ``now`` is the time that its run was scheduled for.

    The server fills it in only where it is the whole constant of a task's input; as an argument it would stay as it is.
    """
    documents = copy.deepcopy(documents)
    root = documents.get("pipeline_spec", documents)["root"]
    parameters_of(documents.get("pipeline_spec", documents)).pop("now", None)
    for task in root["dag"]["tasks"].values():
        for about in task.get("inputs", {}).get("parameters", {}).values():
            if about.get("componentInputParameter") == "now":
                about.clear()
                about["runtimeValue"] = {"constant": SCHEDULED_AT}
    return documents


def age_of(one: Any) -> datetime:
    return one.created_at or datetime.min.replace(tzinfo=UTC)


def about_of(recurring: Any) -> dict[str, Any]:
    try:
        about = json.loads(recurring.description or "{}")
    except ValueError:
        return {}
    return about if isinstance(about, dict) and "schedule" in about else {}


def is_paused(known: list[Any]) -> bool:
    """Whether a schedule is paused; while it is being replaced, only the newest knows, whatever is switched on."""
    return bool(about_of(known[-1]).get("paused")) if len(known) > 1 else known[-1].status != "ENABLED"


def state_of(run: Any) -> State:
    """A run's state. The workflow of one that was terminated fails: the history says that it was asked to end."""
    asked = any(one.state == "CANCELING" for one in run.state_history or [])
    state = STATES.get(run.state or "", State.PENDING)
    return State.CANCELLED if state is State.FAILED and asked else state


def is_ending(run: Any) -> bool:
    """Whether it was asked to end and has not yet."""
    return bool(run.state == "CANCELING")


def error_of(one: Any) -> str:
    history = [each.error.message for each in one.state_history or [] if each.error and each.error.message]
    return str(one.error.message) if one.error and one.error.message else (history or [""])[-1]


def moment_of(moment: datetime | None) -> str:
    """UTC, ISO 8601; the server says 1970 for what has not been yet."""
    return moment.astimezone(UTC).isoformat() if moment and moment.timestamp() > 0 else ""


def task_of(one: Any) -> TaskState:
    """A node of a workflow. One that Argo omits, as another before it failed, has no state in the server's words."""
    started, ended = moment_of(one.start_time), moment_of(one.end_time)
    seconds = (one.end_time - one.start_time).total_seconds() if started and ended else 0.0
    state = STATES.get(one.state or "", State.SKIPPED)
    return TaskState(one.display_name, state, started, max(seconds, 0.0), error=error_of(one))


def is_refusal(text: str) -> bool:
    """Whether a log is the server's word that there is none: it says that with status 200."""
    try:
        said = json.loads(text)
    except ValueError:
        return False
    return isinstance(said, dict) and set(said) == {"error_message", "error_details"}
