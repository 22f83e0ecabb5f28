"""``make images``: builds the images and writes which they are into ``build/images.lock.json``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from components.core.errors import ExitCode, Failed, InvalidInput, ended
from pipelines.code_digest import code_digest
from pipelines.images.bases import Base, base
from pipelines.images.bom import write_bom
from pipelines.images.context import ROOT, revision, write_context
from pipelines.images.daemon import check_daemon, docker, fault, inspect, network
from pipelines.images.lock import ImagesLock, LockedImage
from pipelines.images.spec import IMAGES, Image, images

LOCK = ROOT / "build" / "images.lock.json"
LOGS = ROOT / "build" / "images"
CODE, CONTEXT = "dev.sluice.code", "dev.sluice.context"
"""The labels that say which code is in an image, and of what all of it was built."""
BUILT = "built"
"""The tag under which the daemon keeps what was built; nothing but the daemon's own clearing looks at it."""


@dataclass(frozen=True)
class Choices:
    """What a build takes from the machine that it runs on."""

    torch: str = "cpu"
    stand_in: str = ""
    wheels: Path | None = None
    certificates: Path | None = None
    source: str = ""
    fresh: bool = False
    """Whether nothing is taken from the builder's cache."""

    @classmethod
    def of_this_machine(cls, stand_in: str = "") -> Choices:
        """What the variables say that pip and uv read too."""
        wheels = _from_environment("UV_FIND_LINKS", "PIP_FIND_LINKS")
        return cls("cpu", stand_in, wheels, _from_environment("PIP_CERT", "SSL_CERT_FILE"))


def build(image: Image, choices: Choices) -> LockedImage:
    """Builds an image; what the lock says of it. Raises Failed with the end of the log where it cannot be built."""
    on = base(image.base, choices.stand_in)
    if not (ROOT / "containers" / image.name / "Dockerfile").is_file():
        raise InvalidInput(f"containers/{image.name}: has no Dockerfile; `git restore` it")
    identity = _built(image, choices, on)
    found = inspect(identity)
    if found is None:
        raise Failed(f"{image.name}: was built as {identity} and is not there any more; build again")
    labels = found["Config"].get("Labels") or {}
    return LockedImage(
        reference=f"{image.logical}@{identity}",
        platform=f"{found['Os']}/{found['Architecture']}",
        base=on.digest,
        stand_in=on.stand_in,
        code=labels.get(CODE, ""),
        context=labels.get(CONTEXT, ""),
        size_bytes=found["Size"],
    )


def _built(image: Image, choices: Choices, on: Base) -> str:
    """Runs the builder; the image's id."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{image.name}.log"
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as context:
        digests = _write(image, choices, context)
        context.seek(0)
        identity = Path(folder) / "id"
        command = ("docker", "build", "--progress", "plain", "--iidfile", str(identity))
        with log.open("wb") as out:
            done = subprocess.run(
                (*command, *_options(image, choices, on, digests), "-"),
                stdin=context,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
                env={**os.environ, "DOCKER_BUILDKIT": "1"},
            )
        if done.returncode:
            said = log.read_text(errors="replace")
            raise type(found := fault(image.name, said))(f"{found}; the whole log is {log}")
        return identity.read_text().strip()


def _write(image: Image, choices: Choices, context: IO[bytes]) -> dict[str, str]:
    """Writes what the builder is given; the labels of what that is."""
    if not image.stage:
        return {CONTEXT: write_context(image, context, wheels=choices.wheels)}
    code = code_digest(image.stage)
    whole = write_context(image, context, wheels=choices.wheels)
    if code_digest(image.stage) != code:
        raise Failed(f"{image.name}: its code was changed while it was read; build again")
    return {CODE: code, CONTEXT: whole}


def _options(image: Image, choices: Choices, on: Base, digests: Mapping[str, str]) -> list[str]:
    made = revision(image)
    labels = {
        "org.opencontainers.image.revision": made.commit,
        "org.opencontainers.image.created": datetime.fromtimestamp(made.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "org.opencontainers.image.version": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
        "org.opencontainers.image.base.name": on.says,
        "org.opencontainers.image.base.digest": on.digest,
        **digests,
    }
    if choices.source:
        labels["org.opencontainers.image.source"] = choices.source
    arguments = {"BASE": on.name, "SOURCE_DATE_EPOCH": str(made.epoch)}
    if image.torch:
        arguments["TORCH"] = labels["dev.sluice.torch"] = choices.torch
    options = ["--tag", f"{image.logical}:{BUILT}", *network()]
    for name, value in arguments.items():
        options += ["--build-arg", f"{name}={value}"]
    for name, value in labels.items():
        options += ["--label", f"{name}={value}"]
    if choices.certificates:
        options += ["--secret", f"id=certificates,src={choices.certificates}"]
    return options + (["--no-cache"] if choices.fresh else [])


def start_up(image: Image, locked: LockedImage) -> float:
    """Seconds from ``docker run`` to the end of a light command in the image, the best of three."""
    took = []
    hardened = ("--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777", "--cap-drop", "ALL")
    for _ in range(3):
        begun = time.perf_counter()
        docker("run", *hardened, locked.at_hand, *image.start)
        took.append(time.perf_counter() - begun)
    return min(took)


def build_all(wanted: list[Image], choices: Choices, lock: Path = LOCK) -> int:
    """Builds images, prints a table and writes the lock; what cannot be built is told. Returns the exit code."""
    check_daemon()
    whole = len(wanted) == len(IMAGES)
    known = {} if whole or not lock.is_file() else dict(ImagesLock.load(lock).images)
    worst, why = ExitCode.DONE, list[str]()
    print(f"{'image':12}{'MB':>7}{'budget':>8}{'start s':>9}  {'base':10} id", flush=True)
    for image in wanted:
        try:
            known[image.logical] = locked = build(image, choices)
            if image.base == "python":
                write_bom(image, locked, choices.torch, LOGS)
            print(_row(image, locked, choices), flush=True)
        except InvalidInput as error:
            # Asked for among all, it is told; asked for by name, it is what was wanted.
            known.pop(image.logical, None)
            why.append(f"{image.name}: {error}")
            print(f"{image.name:12}{'not built':>15}", flush=True)
            if not (whole and image.base != "python"):
                worst = ExitCode.INVALID_INPUT
        ImagesLock.of(known).save(lock)  # after each: what a later one breaks off is no loss
    print("\n".join(["", *why, f"{len(known)} images in {lock}"]))
    return int(worst)


def _row(image: Image, locked: LockedImage, choices: Choices) -> str:
    size, budget = locked.size_bytes / 1e6, image.budget_mb if choices.torch == "cpu" or not image.torch else 0
    over = f"  over its budget by {size - budget:.0f} MB" if budget and size > budget else ""
    base_of = "stand-in" if locked.stand_in else "published"
    identity = locked.reference.rpartition(":")[2][:12]
    start = start_up(image, locked)
    return f"{image.name:12}{size:7.0f}{budget or '':>8}{start:9.2f}  {base_of:10} {identity}{over}"


def _choices(asked: argparse.Namespace) -> Choices:
    for name, path in (("--wheels", asked.wheels), ("--certificates", asked.certificates)):
        if path is not None and not path.exists():
            raise InvalidInput(f"{name} {path}: there is nothing; name what there is, or leave it out")
    return Choices(asked.torch, asked.stand_in, asked.wheels, asked.certificates, asked.source, asked.no_cache)


def _from_environment(*names: str) -> Path | None:
    return next((Path(os.environ[name]) for name in names if os.environ.get(name)), None)


def main(arguments: list[str] | None = None) -> int:
    """Builds what is named. Returns the exit code."""
    here = Choices.of_this_machine()
    parser = argparse.ArgumentParser(prog="pipelines.images.build", description=__doc__)
    parser.add_argument("images", nargs="*", help=f"Of {', '.join(IMAGES)}; all for none.")
    parser.add_argument("--torch", choices=("cpu", "cuda"), default="cpu", help="What torch is built for.")
    parser.add_argument("--stand-in", default="", help="1, or the name of what stands in for the published Python.")
    parser.add_argument(
        "--wheels",
        type=Path,
        default=here.wheels,
        help="Folder with torch's wheel, where PyTorch's own index cannot be reached.",
    )
    parser.add_argument(
        "--certificates",
        type=Path,
        default=here.certificates,
        help="Certificates by which the registry is known; only the build sees them.",
    )
    parser.add_argument("--source", default="", help="Address of the repository, for the label.")
    parser.add_argument("--no-cache", action="store_true", help="Build all of it anew.")
    asked = parser.parse_args(arguments)
    return ended(lambda: build_all(images(tuple(asked.images)), _choices(asked)))


if __name__ == "__main__":
    sys.exit(main())
