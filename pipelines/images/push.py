"""``make images-push``: pushes what was built and writes the registry's digests into the lock."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from components.core.errors import Failed, InvalidInput, Refused, ended
from pipelines.images.build import LOCK
from pipelines.images.daemon import docker, inspect
from pipelines.images.lock import BUILD, PUSH, ImagesLock, LockedImage

REGISTRY = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")
LOOPBACK = re.compile(r"(localhost|127\.[0-9.]+)(:[0-9]+)?(/.*)?")


def push(registry: str, path: Path = LOCK) -> list[str]:
    """Pushes all images of a lock; their references, which the lock has then.

    What is in this registry already is not pushed again. Raises InvalidInput where an image is gone from this machine,
    Refused where one stands on a stand-in and the registry is not of this machine.
    """
    if not REGISTRY.fullmatch(registry):
        raise InvalidInput(
            f"REGISTRY {registry!r}: wants a host and path, such as europe-docker.pkg.dev/project/images"
        )
    lock = ImagesLock.load(path)
    if lock.on_stand_ins and not LOOPBACK.fullmatch(registry):
        raise Refused(lock.on_stand_ins)
    images = dict(lock.images)
    for name, image in lock.images.items():
        if not image.reference.startswith(f"{registry}/{name}@"):
            images[name] = _pushed(name, image, registry, path)
            ImagesLock.of(images).save(path)
    return [image.reference for image in images.values()]


def _pushed(name: str, image: LockedImage, registry: str, path: Path) -> LockedImage:
    digest = image.reference.rpartition("@")[2]
    source = image.at_hand
    if inspect(source) is None:
        raise InvalidInput(f"{path}: {name}: {digest} is not on this machine any more; `{BUILD}` builds it")
    repository = f"{registry}/{name}"
    tag = f"{repository}:{digest.removeprefix('sha256:')[:12]}"  # a registry clears away what has no tag
    docker("tag", source, tag)
    docker("push", "--quiet", tag)
    known = (inspect(tag) or {}).get("RepoDigests", [])
    try:
        reference = next(entry for entry in known if entry.startswith(f"{repository}@"))
    except StopIteration as error:
        raise Failed(f"{tag}: was pushed, and Docker names no digest of it; push again") from error
    return image.model_copy(update={"reference": reference, "pushed": True})


def check(path: Path = LOCK) -> list[str]:
    """Asks the registry for each image of a lock. Raises InvalidInput where one is missing there."""
    found = ImagesLock.load(path).references(path, pushed=True)
    for name, reference in found.items():
        loopback = ("--insecure",) if LOOPBACK.fullmatch(reference.partition("@")[0]) else ()
        try:
            docker("manifest", "inspect", *loopback, reference)
        except Failed as error:
            if re.search("no such manifest|manifest unknown|not found", str(error), re.IGNORECASE):
                raise InvalidInput(f"{name}: {reference} is not in the registry; `{BUILD}`, then `{PUSH}`") from error
            raise
    return list(found.values())


def main(arguments: list[str] | None = None) -> int:
    """Pushes, or looks whether all is there. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="pipelines.images.push", description=__doc__)
    parser.add_argument(
        "registry", nargs="?", default="", help="Host and path, such as europe-docker.pkg.dev/p/images."
    )
    parser.add_argument("--check", action="store_true", help="Only ask the registry for what the lock names.")
    asked = parser.parse_args(arguments)

    def work() -> int:
        print("\n".join(check() if asked.check else push(asked.registry)))
        return 0

    return ended(work)


if __name__ == "__main__":
    sys.exit(main())
