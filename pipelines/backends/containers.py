"""Steps in containers of this machine: as its own user, without a network, on a read-only root.

KFP 2.17's own runner can take a failed container for a success: it lets Docker remove what has ended, and reads "not
found" as exit code 0 (kubeflow/pipelines #13332). Here a container is removed by us, once its end is known.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO, TYPE_CHECKING, Any

import psutil

from components.core.errors import Failed, InvalidInput
from components.core.living import living_process
from pipelines.images.lock import BUILD

if TYPE_CHECKING:
    from pipelines.backends.kfp_local import Limits

LABEL = "dev.sluice.run"
WORKER = "dev.sluice.worker"
"""The label that says which process sees a container to its end: its number, when it began, on which machine."""
SCRATCH = {"/tmp": "rw,exec,mode=1777"}
"""What a step may write besides the project; its HOME and caches lie there too."""
HANDED_ON = ("SLUICE_SECRET_", "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM", "SOURCE_DATE_EPOCH")
"""Beginnings of the variables that a step gets from this process."""


@dataclass(frozen=True)
class Containers:
    """Where a run's steps are run: the project's folder stands in each container where it stands here."""

    run: str
    folder: Path

    def arguments(self) -> dict[str, Any]:
        """What ``docker run`` is given for each step. Raises InvalidInput where the project belongs to root."""
        from docker.types import Mount

        owner = self.folder.stat()
        if owner.st_uid == 0:
            raise InvalidInput(
                f"{self.folder}: belongs to root, and no step in a container runs as root; run from a project of"
                " another user's, as that user"
            )
        return {
            "user": f"{owner.st_uid}:{owner.st_gid}",
            "working_dir": str(self.folder),
            "mounts": [Mount(str(self.folder), str(self.folder), type="bind")],
            "network_mode": "none",
            "read_only": True,
            "tmpfs": SCRATCH,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "labels": {LABEL: self.run, WORKER: f"{os.getpid()} {psutil.Process().create_time()} {_here_and_now()}"},
            "environment": {name: value for name, value in os.environ.items() if name.startswith(HANDED_ON)},
        }

    @contextmanager
    def open(self) -> Iterator[None]:
        """Sees that there is a daemon, and leaves nothing of the run in it, nor of one whose worker was killed.

        Raises Failed where there is none.
        """
        with _daemon() as client:
            for container in client.containers.list(all=True, filters={"label": WORKER}):
                if _is_left_behind(container.labels[WORKER]):
                    container.remove(force=True)
            try:
                yield
            finally:
                for container in client.containers.list(all=True, filters={"label": f"{LABEL}={self.run}"}):
                    container.remove(force=True)


def run_container(
    client: Any, image: str, command: list[str], log: IO[bytes], limits: Limits, arguments: dict[str, Any]
) -> tuple[int, str]:
    """Runs a step to its end and removes its container; the exit code, and why a limit ended it where one did."""
    if limits.memory_bytes:
        arguments = {**arguments, "mem_limit": limits.memory_bytes, "memswap_limit": limits.memory_bytes}
    container = _created(client, image, command, arguments)
    ended_by = list[str]()

    def too_late() -> None:
        ended_by.append(f"over its time of {limits.seconds:g} s; raise resources.timeout, or give it less to do")
        container.kill()

    timer = Timer(limits.seconds or 0, too_late)
    try:
        container.start()
        if limits.seconds:
            timer.start()
        for part in container.logs(stream=True, follow=True):
            log.write(part)
            log.flush()
        code = int(container.wait()["StatusCode"])
        timer.cancel()
        container.reload()
        if container.attrs["State"]["OOMKilled"]:
            mebibytes = (limits.memory_bytes or 0) / 2**20
            ended_by.append(f"over its memory of {mebibytes:.0f} MiB; raise resources.memory, or give it less to do")
        return code, ended_by[0] if ended_by else ""
    finally:
        timer.cancel()
        container.remove(force=True)


def _created(client: Any, image: str, command: list[str], arguments: dict[str, Any]) -> Any:
    from docker.errors import APIError

    try:
        return client.containers.create(_here(client, image), command, **arguments)
    except APIError as error:
        raise Failed(
            f"image {image}: Docker makes no container of it: {error.explanation or error}; look at the step's"
            " resources and at the daemon's log"
        ) from error


def _is_left_behind(worker: str) -> bool:
    """Whether the process of this machine has ended that was to see a container to its end."""
    pid, began, where = worker.split(" ", 2)
    return where == _here_and_now() and living_process(int(pid), float(began)) is None


def _here_and_now() -> str:
    """What tells this machine, since it was started, from others whose processes have the same numbers."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _here(client: Any, image: str) -> str:
    """What Docker calls an image of the lock: one that was pushed by its reference, one of this machine by its id.

    Raises InvalidInput where it is not on this machine: nothing is pulled in the middle of a run.
    """
    from docker.errors import ImageNotFound

    for name in (image, image.rpartition("@")[2]):
        with suppress(ImageNotFound):
            return str(client.images.get(name).id)
    raise InvalidInput(f"image {image}: is not on this machine; `{BUILD}` builds it, `docker pull {image}` fetches it")


@contextmanager
def _daemon() -> Iterator[Any]:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        raise Failed(
            f"no Docker daemon answers at {where}; start one, or name it in DOCKER_HOST; without `images` in the"
            " environment file steps run as processes"
        ) from error
    try:
        yield client
    finally:
        client.close()
