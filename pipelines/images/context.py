"""What a build is given: an archive of files that git knows, in order, with one owner and one time."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components.core.errors import Failed, InvalidInput
from pipelines import catalogue
from pipelines.images.bases import bases
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


def write_context(image: Image, out: IO[bytes], *, wheels: Path | None = None, root: Path = ROOT) -> str:
    """Writes the archive. Raises InvalidInput where a file is missing, or code is there that git does not know.

    Returns a digest of all that decides what is in the image: its base and what was written, but for wheels, of which
    a lock has the hashes.
    """
    whole = hashlib.sha256(json.dumps(bases(root / "containers" / "bases.json")[image.base]).encode())
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folder = tarfile.TarInfo("wheels")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for path in sorted(wheels.glob("torch-*.whl")) if wheels and image.torch else ():
            info = tarfile.TarInfo(f"wheels/{path.name}")
            with path.open("rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                archive.addfile(info, file)
        for name, source in sorted(_files(image, root)):
            with _plain(source, root).open("rb") as file:
                mode = 0o755 if os.fstat(file.fileno()).st_mode & 0o100 else 0o644
                _add(archive, whole, name, file.read(), mode)
        _add(archive, whole, "uv.txt", _uv(root / "locks" / "main.txt").encode(), 0o644)
    return whole.hexdigest()[:16]


def context_digest(image: Image, root: Path = ROOT) -> str:
    """What ``write_context`` returns for what is here."""
    with tempfile.TemporaryFile() as out:
        return write_context(image, out, root=root)


def revision(image: Image, root: Path = ROOT) -> Revision:
    """Commit and time of what goes into an image; ``-dirty`` where something of it is not committed."""
    paths = (f"containers/{image.name}", *(f"containers/{name}" for name in SHARED), *image.code_paths)
    try:
        commit, epoch = _git(root, "log", "-1", "--format=%H %ct", "--", *paths).split()
    except ValueError as error:
        raise InvalidInput(f"{image.name}: nothing of it is committed; commit it, then build") from error
    dirty = "-dirty" if _git(root, "status", "--porcelain", "--", *paths).strip() else ""
    return Revision(commit + dirty, int(os.environ.get("SOURCE_DATE_EPOCH", epoch)))


def _add(archive: tarfile.TarFile, whole: hashlib._Hash, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    archive.addfile(info, io.BytesIO(content))
    whole.update(f"{name} {mode:o} {hashlib.sha256(content).hexdigest()}\n".encode())


def _files(image: Image, root: Path) -> Iterator[tuple[str, Path]]:
    folder = root / "containers" / image.name
    shared = [root / "containers" / name for name in SHARED]
    for path in (folder / "Dockerfile", folder / "requirements.txt", *shared):
        if not path.is_file():
            raise InvalidInput(f"{path}: is missing, and the image {image.name} is made of it; `git restore` it")
        yield path.name, path
    if image.torch:
        for path in root.glob("locks/torch-*.txt"):
            yield path.name, path
    yield from _code(image, root)


def _code(image: Image, root: Path) -> Iterator[tuple[str, Path]]:
    if not image.code_paths:
        return
    tracked = _git(root, "ls-files", "-z", "--", *image.code_paths).rstrip("\0").split("\0")
    others = _git(root, "ls-files", "-z", "--others", "--", *image.code_paths)  # also what git is told to ignore
    if unknown := [name for name in others.split("\0") if name.endswith(".py")]:
        raise InvalidInput(f"{', '.join(unknown)}: not in git, and no image holds such a file; `git add` or remove it")
    for name in tracked:
        if (root / name).is_file() and not name.endswith(".md"):
            yield name, root / name


def _plain(path: Path, root: Path) -> Path:
    """The path. Raises InvalidInput where a link is on the way: what it leads to is not in git."""
    name = path.relative_to(root)
    if path.resolve() != root.resolve() / name:
        raise InvalidInput(
            f"{name}: is behind a link, and what that leads to would be in the image; put the file there"
        )
    return path


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
        # Whose checkout it is does not matter: its code is what runs here.
        safe = ("-c", f"safe.directory={root.resolve()}")
        done = subprocess.run(("git", *safe, "-C", str(root), *arguments), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Failed("there is no git on the PATH, by which an image's files are known; install it") from error
    if done.returncode:
        raise InvalidInput(f"{root}: images are built from a git checkout: {done.stderr.strip()}; clone the repository")
    return done.stdout
