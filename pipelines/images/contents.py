"""What is in an image, and whether two builds hold the same: ``python -m pipelines.images.contents IMAGE``."""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from components.core.errors import Failed, ended
from pipelines.images.build import Choices, build
from pipelines.images.daemon import check_daemon, docker
from pipelines.images.spec import Image, images

Listing = dict[str, tuple[str, int, int, str]]
"""By path: kind and mode, user, group, and the content's SHA-256 or where a link leads."""


def listing(image: str) -> Listing:
    """Every file of an image."""
    with files(image) as archive:
        return {member.name: _entry(archive, member) for member in archive}


@contextmanager
def files(image: str) -> Iterator[tarfile.TarFile]:
    """An image's file system as an archive, in the order in which it comes."""
    container = docker("create", "--network", "none", image).strip()
    try:
        with subprocess.Popen(("docker", "export", container), stdout=subprocess.PIPE) as process:
            stream: IO[bytes] | None = process.stdout
            if stream is None:
                raise Failed(f"{image}: cannot be exported; look at the daemon's log")
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                yield archive
    finally:
        docker("rm", "--force", container)


def differences(one: Listing, other: Listing) -> list[str]:
    """What is not the same in two listings, a line each."""
    paths = sorted(one.keys() | other.keys())
    return [
        f"{path}: {_said(one.get(path))} / {_said(other.get(path))}"
        for path in paths
        if one.get(path) != other.get(path)
    ]


def built_twice(image: Image, choices: Choices) -> list[str]:
    """Builds an image twice, each time all of it, and says what differs."""
    fresh = replace(choices, fresh=True)
    one, other = (listing(build(image, fresh).at_hand) for _ in range(2))
    return differences(one, other)


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, int, int, str]:
    content = member.linkname
    if member.isreg() and (file := archive.extractfile(member)):
        whole = hashlib.sha256()
        while part := file.read(2**20):
            whole.update(part)
        content = whole.hexdigest()
    return f"{member.type.decode()} {member.mode:o}", member.uid, member.gid, content


def _said(entry: tuple[str, int, int, str] | None) -> str:
    return "missing" if entry is None else " ".join(str(part)[:12] for part in entry)


def main(arguments: list[str] | None = None) -> int:
    """Builds twice and compares. Returns the exit code: 4 where the builds differ."""
    parser = argparse.ArgumentParser(prog="pipelines.images.contents", description=__doc__)
    parser.add_argument("images", nargs="+")
    parser.add_argument("--stand-in", default="")
    asked = parser.parse_args(arguments)

    def compare() -> int:
        differ = False
        check_daemon()
        for image in images(tuple(asked.images)):
            found = built_twice(image, Choices.of_this_machine(stand_in=asked.stand_in))
            print("\n".join([f"{image.name}: built twice, {len(found)} files differ", *found]), flush=True)
            differ |= bool(found)
        return 4 if differ else 0

    return ended(compare)


if __name__ == "__main__":
    sys.exit(main())
