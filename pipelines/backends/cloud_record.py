"""A run's record from a service's states and from what the steps left in the store: the same as a local run's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.core.errors import ExitCode
from components.core.report import Report
from components.core.run import Run, State, StepRun
from components.core.store import Store
from pipelines.backends.lineage import reports_behind
from pipelines.backends.record import (
    ASKS,
    VERDICTS,
    decided,
    leave_of,
    reported,
    step_runs,
    with_cost,
)
from pipelines.backends.service import JobState, TaskState
from pipelines.backends.step_keys import step_keys
from pipelines.environment import environment_from
from pipelines.recipe import recipe_from
from pipelines.runs import Launch

Leave = dict[str, Any] | None
"""A task's last line, as ``leave_of`` reads it."""


def record(launch: Launch, spec: dict[str, Any], job: JobState, store: Store, log: Callable[[str], str]) -> Run:
    """The run as it is now. ``log`` gives what an ended task printed: its report, and why it failed, stand there."""
    recipe, environment = recipe_from(launch.recipe), environment_from(launch.environment)
    run = Run(
        run=launch.run, graph=launch.graph, backend=environment.backend, recipe=recipe.name,
        recipe_digest=recipe.digest, environment=environment.name, environment_digest=environment.digest,
        spec=launch.spec, code=launch.code, now=launch.now, attempt=launch.attempt, asked_by=launch.asked_by,
        state=job.state, started=job.started, ended=job.ended, error=job.error,
    )  # fmt: skip
    steps, verdict = list[StepRun](), State.DONE
    planned = step_runs(spec)
    # A log is a call of the service: it is not asked for where the report was handed on, nor where nothing has run.
    ran = (name for name, one in job.tasks.items() if one.state in (State.DONE, State.FAILED) and not one.cached)
    leaves = {name: leave_of(log(name)) for name in ran if not job.tasks[name].report}
    reports = _reports(spec, [step.name for step in planned], job.tasks, leaves, store)
    keys = step_keys(spec, {**launch.arguments, "now": launch.now}, reports)
    for step in planned:
        task = job.tasks.get(step.name)
        if task is None:
            ended = job.state.final
            steps.append(step.model_copy(update={"state": State.SKIPPED}) if ended else step)
            continue
        report = reports.get(step.name)
        told = _step(step, task, leaves.get(step.name), report).model_copy(update={"key": keys.get(step.name, {})})
        steps.append(told)
        if report is None:
            continue
        if not told.cached:
            run = run.model_copy(update={"cost": with_cost(run.cost, report, told.seconds)})
        if told.state is State.DONE and step.name in ASKS:
            run = run.model_copy(update={"requests": (*run.requests, report.word)})
        if told.state is State.DONE and report.said:
            verdict, run = VERDICTS.get(report.word, State.DONE), decided(run, step.name, report, store)
    return _ended(run.model_copy(update={"steps": tuple(steps)}), verdict)


def _reports(
    spec: dict[str, Any], order: list[str], tasks: Mapping[str, TaskState], leaves: Mapping[str, Leave], store: Store
) -> dict[str, Report]:
    """The tasks' reports: as the service hands them on, as a task said when it left, or by who read its outputs."""
    known = {name: task.report or (leaves.get(name) or {}).get("report", "") for name, task in tasks.items()}
    found = reports_behind(spec, known, order, store)
    return {name: report for name, report in found.items() if name in tasks}


def _step(step: StepRun, task: TaskState, leave: Leave, report: Report | None) -> StepRun:
    """What is known of one step."""
    error, code = "", 0
    if task.state is State.FAILED:
        said = leave if leave and leave["exit_code"] else None
        error = said["message"] if said else f"{step.title}: {task.error or 'ended without a word'}"
        code = said["exit_code"] if said else int(ExitCode.FAILED)
    update = {
        "state": task.state, "cached": task.cached, "attempts": task.attempts,
        "started": task.started, "seconds": round(task.seconds, 3), "error": error, "exit_code": code,
        **reported(report.key if report else "", report),
    }  # fmt: skip
    return step.model_copy(update=update)


def _ended(run: Run, verdict: State) -> Run:
    """A run that did its work is what its last deciding step said; one that failed says what failed first."""
    if not run.state.final:
        return run
    if run.state is State.DONE:
        refused = verdict in (State.HELD, State.REFUSED)
        code = int(ExitCode.REFUSED if refused else ExitCode.DONE)
        return run.model_copy(update={"state": verdict, "exit_code": code, "error": ""})
    broken = next((step for step in run.steps if step.state is State.FAILED), None)
    error, code = run.error, int(ExitCode.FAILED)
    if run.state is State.CANCELLED:
        error = "cancelled; run it again and what is done is reused"
    elif broken:
        error, code = broken.error, broken.exit_code
    return run.model_copy(update={"outcome": "", "error": error, "exit_code": code})
