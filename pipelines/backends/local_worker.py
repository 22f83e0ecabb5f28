"""The process that works on one run on this machine: ``python -m pipelines.backends.local_worker runs/RUN``.

It has a session of its own, so that ending its group ends every step. All that it knows it writes into ``run.json``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from components.core.errors import ExitCode, InvalidInput, SluiceError
from components.core.run import Run, State
from components.core.secrets import secret_variable
from components.core.store import Store
from pipelines.backends.ask import pinned
from pipelines.backends.record import step_runs
from pipelines.backends.recorder import Recorder, utc_now
from pipelines.environment import LocalEnvironment, environment_from
from pipelines.page.load import write_page
from pipelines.recipe import RecipeBase, recipe_from
from pipelines.resources import bytes_of, seconds_of
from pipelines.runs import Launch, RunFolder


class Cancelled(BaseException):
    """Somebody asked the run to end."""


def work(folder: RunFolder) -> int:
    """Works on a run until its end and returns its exit code, which ``run.json`` holds too."""
    launch = folder.launch()
    recipe, environment = recipe_from(launch.recipe), environment_from(launch.environment)
    if not isinstance(environment, LocalEnvironment):
        raise InvalidInput(f"environment {environment.name}: not a local one; submit to it instead")
    recorder = Recorder(folder, Store(environment.store), _new_run(launch, recipe, environment))
    recorder.change(state=State.RUNNING, started=utc_now())
    try:
        _prepare_process(environment)
        succeeded = _run(recorder, launch, recipe, environment)
        _end(recorder, recorder.verdict if succeeded else State.FAILED)
    except Cancelled:
        _end(recorder, State.CANCELLED, "cancelled; run it again and what is done is reused")
    except SluiceError as error:
        _end(recorder, State.FAILED, str(error), int(error.exit_code))
    except Exception as error:
        _end(recorder, State.FAILED, f"{type(error).__name__}: {error}; see worker.log", int(ExitCode.FAILED))
        raise
    finally:
        write_page(folder.path, recorder.store)
    return recorder.run.exit_code


def _run(recorder: Recorder, launch: Launch, recipe: RecipeBase, environment: LocalEnvironment) -> bool:
    from pipelines.backends.containers import Containers
    from pipelines.backends.kfp_local import Limits, Watch, run_graph
    from pipelines.compile import load_spec, parameters_of

    text = _graph(recorder, launch, recipe, environment)
    spec = load_spec(text)
    given = {**launch.arguments, "now": launch.now}
    arguments = {
        name: given[name] for name, about in parameters_of(spec).items() if name in given or not about.get("isOptional")
    }
    recorder.change(steps=step_runs(spec))

    def limits(title: str) -> Limits:
        wanted = recipe.resources_of_task(title)
        return Limits(
            bytes_of(wanted.memory) if wanted.memory else None,
            seconds_of(wanted.timeout) if wanted.timeout else None,
        )

    def may_hit(task: Any, outputs: dict[str, Any]) -> bool:
        chosen = launch.use_cache and task.name != launch.start_from
        return chosen and recorder.may_hit(outputs)

    watch = Watch(recorder.started, recorder.finished, recorder.folder.log, limits, may_hit)
    containers = Containers(launch.run, Path.cwd()) if environment.images else None
    return run_graph(
        text, arguments, root=Path(environment.state).absolute() / "kfp", watch=watch, containers=containers
    )


def _graph(recorder: Recorder, launch: Launch, recipe: RecipeBase, environment: LocalEnvironment) -> str:
    """The graph to run: pinned in the store where a request names it, compiled and pinned otherwise."""
    from pipelines.code_digest import code_digests

    text, digest = pinned(launch.graph, launch.spec, recipe, environment, recorder.store)
    recorder.change(spec=digest, code=code_digests())
    recorder.folder.graph.write_text(text)
    return text


def _new_run(launch: Launch, recipe: RecipeBase, environment: LocalEnvironment) -> Run:
    return Run(
        run=launch.run,
        graph=launch.graph,
        backend="local",
        recipe=recipe.name,
        recipe_digest=recipe.digest,
        environment=environment.name,
        environment_digest=environment.digest,
        spec=launch.spec,
        now=launch.now,
        attempt=launch.attempt,
        asked_by=launch.asked_by,
    )


def _prepare_process(environment: LocalEnvironment) -> None:
    """Secrets for the steps; and threads that do not spin while they wait, which on shared cores costs ten times."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    for name, reference in environment.secrets.items():
        value = os.environ.get(reference.removeprefix("env://"))
        if value:
            os.environ[secret_variable(name)] = value


def _end(recorder: Recorder, state: State, error: str = "", code: int = 0) -> None:
    """Records how the run ended; what had not begun is skipped."""
    final = {State.RUNNING: State.CANCELLED if state is State.CANCELLED else State.FAILED, State.PENDING: State.SKIPPED}
    steps = tuple(step.model_copy(update={"state": final.get(step.state, step.state)}) for step in recorder.run.steps)
    broken = next((step for step in steps if step.state is State.FAILED), None)
    if state is State.FAILED and broken:
        error, code = error or broken.error, code or broken.exit_code
    if not state.worked:
        recorder.change(outcome="")  # what a step decided before did not come to pass
    if state in (State.HELD, State.REFUSED):
        code = int(ExitCode.REFUSED)
    elif state is not State.DONE:
        code = code or int(ExitCode.FAILED)
    recorder.change(
        state=state, ended=utc_now(), error=error, exit_code=code, steps=steps, requests=tuple(recorder.requests)
    )


def _cancel(_signal: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise Cancelled


def main() -> int:
    """Works on the run whose folder is the first argument."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _cancel)
    folder = RunFolder(Path(sys.argv[1]).resolve())
    folder.claim(os.getpid())
    try:
        return work(folder)
    finally:
        _end_children()


def _end_children() -> None:
    """Ends what a cancelled step left; the group is ours alone."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    _, alive = psutil.wait_procs(children, timeout=3)
    for child in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


if __name__ == "__main__":
    sys.exit(main())
