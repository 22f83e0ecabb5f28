"""The published images that ours stand on: ``containers/bases.json``. ``make images-bases`` writes the digests."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import Conflict, InvalidInput, ended
from components.core.whole_file import whole_file
from pipelines import catalogue
from pipelines.images.daemon import docker, inspect

PATH = catalogue.ROOT.parent / "containers" / "bases.json"
STAND_IN = "sluice/stand-in:python-3.11-slim-bookworm"


@dataclass(frozen=True)
class Base:
    """What a build is given for ``BASE``."""

    name: str
    digest: str
    says: str
    """For a person: what it is."""
    stand_in: bool = False


def bases(path: Path = PATH) -> dict[str, dict[str, str | None]]:
    """The file. Raises InvalidInput where it is not one."""
    try:
        found = json.loads(path.read_bytes())
        for name, base in found.items():
            if set(base) != {"reference", "digest"} or ":" not in base["reference"].rpartition("/")[2]:
                raise InvalidInput(f"{path}: {name}: wants a reference with a tag, and a digest")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InvalidInput(f"{path}: cannot be read as a list of bases: {error}") from error
    return dict(found)


def base(name: str, stand_in: str = "", path: Path = PATH) -> Base:
    """The base of that name, or what stands in for it.

    Raises InvalidInput where there is no digest and no stand-in, or the stand-in is not on this machine.
    """
    published = bases(path)[name]
    reference = str(published["reference"])
    if stand_in and name == "python":
        image = stand_in if stand_in != "1" else STAND_IN
        found = inspect(image)
        if found is None:
            raise InvalidInput(f"{image}: the stand-in is not on this machine; `containers/stand_in.sh` makes it")
        return Base(image, found["Id"], f"stand-in for {reference}", stand_in=True)
    if not published["digest"]:
        raise InvalidInput(
            f"{path}: {name}: {reference} has no digest yet; `make images-bases` writes it where the registry can be"
            " reached"
            + ("; elsewhere STAND_IN=1 builds on what `containers/stand_in.sh` makes" if name == "python" else "")
        )
    digest = str(published["digest"])
    return Base(f"{reference.rpartition(':')[0]}@{digest}", digest, reference)


def write_digests(path: Path = PATH, *, move: bool = False) -> list[str]:
    """Asks the registry for each tag's digest; what it did, a line each.

    Raises Conflict where a tag has moved from the digest in the file, unless ``move``.
    """
    known, said = bases(path), []
    for name, entry in known.items():
        reference = str(entry["reference"])
        docker("pull", "--quiet", reference)
        found = inspect(reference) or {}
        digest = str(found["RepoDigests"][0]).rpartition("@")[2]
        if entry["digest"] not in (None, digest) and not move:
            raise Conflict(
                f"{path}: {name}: {reference} is {digest} now and {entry['digest']} in the file: the tag was moved;"
                " look what has changed, then `make images-bases MOVE=1` takes it"
            )
        said.append(f"{name}: {reference} {digest}" + ("" if entry["digest"] == digest else " (new)"))
        entry["digest"] = digest
    with whole_file(path) as part:
        lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in known.items()]
        part.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return said


def main() -> int:
    """Writes the digests. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--move", action="store_true", help="Take the digest of a tag that was moved.")
    move = parser.parse_args().move

    def write() -> int:
        print("\n".join(write_digests(move=move)))
        return 0

    return ended(write)


if __name__ == "__main__":
    sys.exit(main())
