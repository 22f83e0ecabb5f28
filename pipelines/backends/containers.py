"""Steps in containers of this machine: as its own user, without a network, on a read-only root.

KFP 2.17's own runner can take a failed container for a success: it lets Docker remove what has ended, and reads "not
found" as exit code 0 (kubeflow/pipelines #13332). Here a container is removed by us, once its end is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO, TYPE_CHECKING, Any

from components.core.errors import Failed, InvalidInput
from pipelines.images.lock import BUILD

if TYPE_CHECKING:
    from pipelines.backends.kfp_local import Limits

LABEL = "dev.sluice.run"
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
            "labels": {LABEL: self.run},
            "environment": {name: value for name, value in os.environ.items() if name.startswith(HANDED_ON)},
        }

    @contextmanager
    def open(self) -> Iterator[None]:
        """Sees that there is a daemon, and leaves nothing of the run in it. Raises Failed where there is none."""
        with _daemon() as client:
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
    container = client.containers.create(_here(client, image), command, **arguments)
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
