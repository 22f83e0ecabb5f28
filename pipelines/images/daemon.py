"""Docker's command line, and sentences for what can go wrong with it.

The command line and not its library: only that speaks to BuildKit, which mounts secrets and caches.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import IO, Any

from components.core.errors import Failed, InvalidInput, SluiceError
from pipelines.images.lock import PLATFORM

START = "start Docker, or `containers/dockerd.sh start`"


def docker(*arguments: str, stdin: IO[bytes] | None = None) -> str:
    """What a Docker command prints. Raises Failed with a sentence where it does not succeed."""
    try:
        done = subprocess.run(
            ("docker", *arguments),
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )
    except FileNotFoundError as error:
        raise Failed(f"there is no docker on the PATH; {START}") from error
    if done.returncode:
        raise fault(" ".join(arguments[:2]), done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="replace")


def fault(what: str, said: str) -> SluiceError:
    """What a Docker command that failed has said, as a sentence with a remedy where there is a known one."""
    low = said.lower()
    if "cannot connect to the docker daemon" in low or "error during connect" in low:
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        return Failed(f"no Docker daemon answers at {where}; {START}")
    if "permission denied" in low and "docker.sock" in low:
        return Failed("this user may not speak to the Docker daemon; add it to the group docker")
    if "no space left on device" in low:
        return Failed(
            f"{what}: the disk of the Docker daemon is full; `docker builder prune` and `docker image prune` make room"
        )
    if "unexpected eof" in low:
        return Failed(f"{what}: the Docker daemon broke off, as it does when its disk or memory is full; see its log")
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    # BuildKit ends with which command failed; why, the command said before, each line with a number and a time.
    lines += [found[1] for found in re.finditer(r"^#\d+ [\d.]+ +(error: .+)$", said, re.MULTILINE)][:1]
    return Failed(f"{what}: {lines[-1] if lines else 'failed and said nothing'}")


def check_daemon() -> None:
    """Raises Failed where no daemon answers, InvalidInput where it is of another platform than the locks."""
    platform = docker("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}").strip()
    if platform != PLATFORM:
        raise InvalidInput(
            f"the Docker daemon builds for {platform}, the locks are made for {PLATFORM}; name one of that platform"
            " in DOCKER_HOST"
        )


def inspect(image: str) -> dict[str, Any] | None:
    """What the daemon knows of an image; None where it has none of that name."""
    try:
        found = json.loads(docker("image", "inspect", image))
    except Failed as error:
        if "no such image" in str(error).lower():
            return None
        raise
    return dict(found[0])


def network() -> tuple[str, ...]:
    """How a build reaches the package registry: a daemon without a bridge has the host's network only."""
    names = docker("network", "ls", "--format", "{{.Name}}").split()
    return () if "bridge" in names else ("--network", "host")
