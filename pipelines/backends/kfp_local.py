"""``kfp.local``, watched: states, cache hits, attempts, logs and limits, which KFP 2.17 reports nowhere.

Everything that reaches into KFP's private parts is in this file, pinned to the version below and tested.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import select
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import kfp
import psutil
from kfp import components, local
from kfp.local import cache as kfp_cache
from kfp.local import docker_task_handler, status, subprocess_task_handler, task_dispatcher
from kfp.local.orchestrator import task_executor

from components.core.errors import Failed
from pipelines.backends.containers import Containers, run_container

KFP_VERSION = "2.17."
LOOK_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Limits:
    """What ends a step: more memory than this, or more time."""

    memory_bytes: int | None = None
    seconds: float | None = None


@dataclass
class TaskRun:
    """One execution of a task, as it was seen."""

    name: str
    title: str
    attempts: int = 0
    cached: bool = False
    succeeded: bool = False
    seconds: float = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    key: dict[str, str] = field(default_factory=dict)
    ended_by: str = ""
    """Why a limit ended it; empty where none did."""


@dataclass
class Watch:
    """What the runner asks and tells while a graph runs."""

    started: Callable[[TaskRun], None]
    finished: Callable[[TaskRun], None]
    log: Callable[[str], Path]
    limits: Callable[[str], Limits]
    may_hit: Callable[[TaskRun, dict[str, Any]], bool]
    """Whether outputs found in the cache may be used."""


def run_graph(
    text: str, arguments: dict[str, Any], *, root: Path, watch: Watch, containers: Containers | None = None
) -> bool:
    """Runs a compiled graph here, in processes or in ``containers``; True when every step that ran succeeded.

    ``root`` is where KFP keeps artifacts' copies and its cache from run to run.
    """
    if not kfp.__version__.startswith(KFP_VERSION):
        raise Failed(
            f"kfp {kfp.__version__} is installed, the local backend is made for {KFP_VERSION}x; run `make setup`"
        )
    graph = components.load_component_from_text(text)
    runner = local.DockerRunner(**containers.arguments()) if containers else local.SubprocessRunner(use_venv=False)
    cache = str(root / "cache")
    (root / "artifacts").mkdir(parents=True, exist_ok=True)  # a folder that Docker makes to mount it is root's
    local.init(
        runner, pipeline_root=str(root / "artifacts"), raise_on_error=True, enable_caching=True, cache_root=cache
    )
    around = containers.open() if containers else contextlib.nullcontext()
    with around, _watched(watch, _Cache(cache, watch)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph(**arguments)
        except RuntimeError as error:
            logging.getLogger(__name__).debug("kfp.local: %s", error)
            return False
    return True


_current = threading.local()
"""The task that this thread works on: KFP hands no name down to where a process starts or the cache is asked."""


class _Cache(kfp_cache.LocalCache):
    """KFP's cache, which also says what a key was made of and whether it was hit."""

    def __init__(self, root: str, watch: Watch) -> None:
        super().__init__(root)
        self._watch = watch

    def compute_key(
        self,
        component_name: str,  # noqa: ARG002 - KFP gives it by name
        image: str,
        full_command: list[str],
        arguments: dict[str, Any],
        **rest: Any,
    ) -> str:
        """Artifacts count by what they are (``identity``), not by where they lie: the same again is a hit.

        A component's name does not count: it is the task's, and the services ask what is run, not what it is called.
        """
        _current.task.key = _key_parts(full_command, arguments)
        seen = {name: _identity(value) for name, value in arguments.items()}
        key: str = super().compute_key("", image, full_command, seen, **rest)
        return key

    def get(self, key: str) -> dict[str, Any] | None:
        outputs: dict[str, Any] | None = super().get(key)
        if outputs is None or not self._watch.may_hit(_current.task, outputs):
            return None
        _current.task.cached = True
        return outputs


def _key_parts(command: list[str], arguments: dict[str, Any]) -> dict[str, str]:
    """What a cache key is made of, by name."""
    parts = {"component": hashlib.sha256("\0".join(command).encode()).hexdigest()[:16]}
    return parts | {name: str(_identity(value)) for name, value in arguments.items()}


def _identity(value: Any) -> Any:
    """An artifact's identity where its step gave it one; any other value as it is."""
    metadata = getattr(value, "metadata", None)
    return value if metadata is None or "identity" not in metadata else str(metadata["identity"])


@contextlib.contextmanager
def _watched(watch: Watch, cache: _Cache) -> Iterator[None]:
    """Puts our eyes into KFP's local runner, and takes them out again."""
    execute = task_executor.execute_single_task
    dispatch = task_dispatcher.run_single_task_implementation

    def execute_single_task(task_name: str, task_spec: Any, *args: Any, **kwargs: Any) -> Any:
        task = TaskRun(task_name, task_spec.task_info.name or task_name)
        _current.task = task
        watch.started(task)
        begun = time.monotonic()
        task.outputs, ended = execute(task_name, task_spec, *args, **kwargs)
        task.seconds = time.monotonic() - begun
        task.succeeded = ended == status.Status.SUCCESS
        watch.finished(task)
        return task.outputs, ended

    def run_single_task(*args: Any, **kwargs: Any) -> Any:
        _current.task.attempts += 1
        return dispatch(*args, **kwargs)

    def run_local_subprocess(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        task: TaskRun = _current.task
        return _run_process(task, full_command, {**os.environ, **(env_vars or {})}, watch)

    def run_docker_container(client: Any, image: str, command: list[str], **given: Any) -> int:
        task: TaskRun = _current.task
        with _log_of(task, watch) as log:
            code, task.ended_by = run_container(client, image, command, log, watch.limits(task.title), given)
        return code

    patched = [
        (task_executor, "execute_single_task", execute_single_task),
        (task_dispatcher, "run_single_task_implementation", run_single_task),
        (subprocess_task_handler, "run_local_subprocess", run_local_subprocess),
        (docker_task_handler, "run_docker_container", run_docker_container),
        (kfp_cache, "_cache_singleton", cache),
        (kfp_cache, "_cache_singleton_root", cache.cache_root),
    ]
    with _replaced(patched):
        yield


@contextlib.contextmanager
def _replaced(patched: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Puts something else under names of modules while the block runs."""
    originals = [(module, name, getattr(module, name)) for module, name, _ in patched]
    for module, name, ours in patched:
        setattr(module, name, ours)
    try:
        yield
    finally:
        for module, name, original in originals:
            setattr(module, name, original)


def _run_process(task: TaskRun, command: list[str], environment: dict[str, str], watch: Watch) -> int:
    """Runs a step's process, its output into the step's log, within its limits."""
    limits = watch.limits(task.title)
    with _log_of(task, watch) as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
        )
        task.ended_by = _wait_within(process, limits)
        return process.wait()


@contextlib.contextmanager
def _log_of(task: TaskRun, watch: Watch) -> Iterator[IO[bytes]]:
    with watch.log(task.name).open("ab") as log:
        if task.attempts > 1:
            log.write(f"--- attempt {task.attempts}\n".encode())
            log.flush()
        yield log


def _wait_within(process: subprocess.Popen[bytes], limits: Limits) -> str:
    """Waits for a process; ends it, and says why, when it goes over a limit."""
    begun = time.monotonic()
    ended = _end_of(process)
    while not ended(LOOK_EVERY_SECONDS):
        seconds = time.monotonic() - begun
        if limits.seconds is not None and seconds > limits.seconds:
            _kill_tree(process.pid)
            return f"over its time of {limits.seconds:g} s; raise resources.timeout, or give it less to do"
        used = _memory(process.pid) if limits.memory_bytes is not None else 0
        if limits.memory_bytes is not None and used > limits.memory_bytes:
            _kill_tree(process.pid)
            return (
                f"over its memory of {limits.memory_bytes / 2**20:.0f} MiB ({used / 2**20:.0f} MiB used);"
                " raise resources.memory, or give it less to do"
            )
    return ""


def _end_of(process: subprocess.Popen[bytes]) -> Callable[[float], bool]:
    """A function that waits so many seconds for the process's end, and says whether it came.

    By its file descriptor where the system has them: ``Popen.wait`` with a time-out sleeps up to 50 ms too long.
    """
    if not hasattr(os, "pidfd_open"):
        return lambda seconds: _ended_within(process, seconds)
    descriptor = os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)

    def ended(seconds: float) -> bool:
        if not poll.poll(seconds * 1000):
            return False
        os.close(descriptor)
        return True

    return ended


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(pid: int) -> int:
    used = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            used += process.memory_info().rss
    return used


def _kill_tree(pid: int) -> None:
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
