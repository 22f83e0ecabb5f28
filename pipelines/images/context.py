"""What a build is given: an archive of files that git knows, in order, with one owner and one time."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components.core.errors import Failed, InvalidInput
from pipelines import catalogue
from pipelines.images.spec import Image

ROOT = catalogue.ROOT.parent
SHARED = ("install.sh", "unneeded.txt")
"""What of ``containers`` every build gets."""


@dataclass(frozen=True)
class Revision:
    """The last change of what is in an image: the same for the same content, whatever else was committed since."""

    commit: str
    epoch: int
    """Seconds since 1970."""


def write_context(image: Image, out: IO[bytes], *, wheels: Path | None = None, root: Path = ROOT) -> None:
    """Writes the archive. Raises InvalidInput where a file is missing, or code is there that git does not know."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folder = tarfile.TarInfo("wheels")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for name, source in sorted(_files(image, wheels, root)):
            info = tarfile.TarInfo(name)
            with source.open("rb") as file:
                status = os.fstat(file.fileno())
                info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
                archive.addfile(info, file)
        content = _uv(root / "locks" / "main.txt").encode()
        info = tarfile.TarInfo("uv.txt")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def revision(image: Image, root: Path = ROOT) -> Revision:
    """Commit and time of what goes into an image; ``-dirty`` where something of it is not committed."""
    paths = (f"containers/{image.name}", *(f"containers/{name}" for name in SHARED), *image.code_paths)
    try:
        commit, epoch = _git(root, "log", "-1", "--format=%H %ct", "--", *paths).split()
    except ValueError as error:
        raise InvalidInput(f"{image.name}: nothing of it is committed; commit it, then build") from error
    dirty = "-dirty" if _git(root, "status", "--porcelain", "--", *paths).strip() else ""
    return Revision(commit + dirty, int(os.environ.get("SOURCE_DATE_EPOCH", epoch)))


def _files(image: Image, wheels: Path | None, root: Path) -> Iterator[tuple[str, Path]]:
    folder = root / "containers" / image.name
    shared = [root / "containers" / name for name in SHARED]
    for path in (folder / "Dockerfile", folder / "requirements.txt", *shared):
        if not path.is_file():
            raise InvalidInput(f"{path}: is missing, and the image {image.name} is made of it; `git restore` it")
        yield path.name, path
    if image.torch:
        for path in root.glob("locks/torch-*.txt"):
            yield path.name, path
        for path in wheels.glob("torch-*.whl") if wheels else ():
            yield f"wheels/{path.name}", path
    yield from _code(image, root)


def _code(image: Image, root: Path) -> Iterator[tuple[str, Path]]:
    if not image.code_paths:
        return
    tracked = _git(root, "ls-files", "-z", "--", *image.code_paths).rstrip("\0").split("\0")
    others = _git(root, "ls-files", "-z", "--others", "--", *image.code_paths)  # also what git is told to ignore
    if unknown := [name for name in others.split("\0") if name.endswith(".py")]:
        raise InvalidInput(f"{', '.join(unknown)}: not in git, and no image holds such a file; `git add` or remove it")
    for name in tracked:
        if (root / name).is_symlink():
            raise InvalidInput(f"{name}: is a link, and what it leads to would be in the image; put the file there")
        if (root / name).is_file() and not name.endswith(".md"):
            yield name, root / name


def _uv(lock: Path) -> str:
    """The lines that pin uv."""
    lines = lock.read_text().splitlines()
    try:
        first = next(index for index, line in enumerate(lines) if line.startswith("uv=="))
    except StopIteration as error:
        raise InvalidInput(f"{lock}: does not name uv, with which images are built; `make lock`") from error
    last = next((at for at in range(first + 1, len(lines)) if not lines[at].startswith(" ")), len(lines))
    return "\n".join(lines[first:last]) + "\n"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(("git", "-C", str(root), *arguments), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Failed("there is no git on the PATH, by which an image's files are known; install it") from error
    if done.returncode:
        raise InvalidInput(f"{root}: images are built from a git checkout: {done.stderr.strip()}; clone the repository")
    return done.stdout
