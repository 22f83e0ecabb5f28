"""Secrets in an image: in a file of any layer, also one that a later layer removed, in the history, in the settings.

Known kinds by their form, and values that are given. ``python -m pipelines.images.leaks`` looks through what was built.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Collection, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from components.core.errors import Failed, ended
from pipelines.images.build import LOCK
from pipelines.images.daemon import docker, fault
from pipelines.images.lock import ImagesLock

LARGEST = 8 * 2**20
"""Larger files (bytes) are libraries; they are not looked through."""


class Kind(NamedTuple):
    """A kind of secret: what stands in each, which is cheap to look for and in few files, and its form."""

    marks: tuple[bytes, ...]
    pattern: bytes


KINDS = {
    # Of an Ed25519 key it is one line of base64; of an encrypted one lines about that come first.
    "private key": Kind(
        (b"PRIVATE KEY",),
        rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\\?n?\s*(?:[\w-]+: [^\n\\]+\\?n?\s*)*"
        rb"[A-Za-z0-9+/=]{40,}",
    ),
    "key of AWS": Kind((b"AKIA", b"ASIA"), rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b(?<!EXAMPLE)"),
    "secret key of AWS": Kind(
        (b"aws_secret_access_key", b"AWS_SECRET_ACCESS_KEY"),
        rb"(?:aws_secret_access_key|AWS_SECRET_ACCESS_KEY)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}"
        rb"(?![A-Za-z0-9/+])(?<!EXAMPLEKEY)",
    ),
    "token of GitHub": Kind(
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})\b",
    ),
    "token of GitLab": Kind((b"glpat-",), rb"\bglpat-[A-Za-z0-9_-]{20}"),
    "token of Hugging Face": Kind((b"hf_",), rb"\bhf_[A-Za-z0-9]{34}\b"),
    "token of Slack": Kind((b"xox",), rb"\bxox[abprs]-[0-9]{10,13}-[A-Za-z0-9-]{10,}"),
    "API key of Google": Kind((b"AIza",), rb"\bAIza[A-Za-z0-9_-]{35}\b"),
    "token of Google": Kind((b"ya29.", b"GOCSPX-"), rb"\b(?:ya29\.[A-Za-z0-9_-]{30,}|GOCSPX-[A-Za-z0-9_-]{28}\b)"),
    "password in an address": Kind((b"://",), rb"\b(?:https?|postgresql)://[A-Za-z0-9._-]+:[A-Za-z0-9]{20,}@"),
}
_LAYER = re.compile(r"(?:/layer\.tar|^blobs/sha256/[0-9a-f]{64})$")
"""Docker before 25 calls a layer ID/layer.tar, later ones blobs/sha256/DIGEST, as they do settings."""
PUBLIC = {
    r"usr/lib/[^/]+/libgnutls\.so[0-9.]*$": "the keys with which GnuTLS tests itself",
    r"site-packages/google/genai/tests/": "a token that its tests made up",
    r"site-packages/transformers/(?:__pycache__/)?testing_utils\.": "the published token of its own tests",
}
"""Files of others in which something of such a form is no secret, and why."""


def leaks(image: str, values: Collection[str] = ()) -> list[str]:
    """Where in an image a secret stands, a line each; never the secret. ``values`` are secrets that are known."""
    given = {f"known value {number}": value.encode() for number, value in enumerate(values, 1)}
    kinds = KINDS | {name: Kind((value,), re.escape(value)) for name, value in given.items()}
    return [
        f"{place}: {name}"
        for place, text in _places(image)
        for name, kind in kinds.items()
        if any(mark in text for mark in kind.marks) and re.search(kind.pattern, text)
    ]


def _places(image: str) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).splitlines()):
        yield f"history, step {number} from the end", line.encode()
    yield "settings", json.dumps(json.loads(docker("image", "inspect", image))[0]["Config"]).encode()
    with subprocess.Popen(("docker", "save", image), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        if process.stdout is None or process.stderr is None:
            raise Failed(f"{image}: cannot be saved; look at the daemon's log")
        unread = {"a layer"}
        with suppress(tarfile.ReadError):  # nothing was written, or not all: what is unread says so
            unread = yield from _layers(process.stdout)
        said = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise fault(f"save {image}", said)
    if unread:
        raise Failed(
            f"{image}: {min(unread)} cannot be read in what `docker save` wrote, so it was not looked through; build"
            " the image again, or ask another Docker"
        )


def _layers(content: IO[bytes]) -> Generator[tuple[str, bytes], None, set[str]]:
    """All files of the layers that a saved image has; which of its layers could not be read."""
    named, read = {"a layer"}, set[str]()
    with tarfile.open(fileobj=content, mode="r|") as archive:
        for part in archive:
            if part.issym():  # the same layer once more
                read.add(part.name)
            elif part.name == "manifest.json" and (file := archive.extractfile(part)):
                named = {name for image in json.load(file) for name in image["Layers"]} or named
            elif _LAYER.search(part.name) and (file := archive.extractfile(part)):
                # What a blob is, only the manifest says, which comes last.
                with suppress(tarfile.TarError, EOFError, zlib.error):
                    yield from _files(part.name.removeprefix("blobs/sha256/")[:12], file)
                    read.add(part.name)
    return named - read


def _files(layer: str, content: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=content, mode="r|*") as archive:
        for member in archive:
            if any(re.search(path, member.name) for path in PUBLIC):
                continue
            if member.isreg() and member.size <= LARGEST and (file := archive.extractfile(member)):
                yield f"layer {layer}, /{member.name.removeprefix('./')}", file.read()


def main(path: Path = LOCK) -> int:
    """Looks through all that was built. Returns the exit code: 4 where a secret was found."""

    def look() -> int:
        found = [
            f"{name}: {leak}" for name, image in ImagesLock.load(path).images.items() for leak in leaks(image.at_hand)
        ]
        print("\n".join(found) or "no secret in any layer, history or settings")
        return 4 if found else 0

    return ended(look)


if __name__ == "__main__":
    sys.exit(main())
