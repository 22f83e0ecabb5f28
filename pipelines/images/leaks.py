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
from typing import IO

from components.core.errors import Failed, ended
from pipelines.images.build import LOCK
from pipelines.images.daemon import docker, fault
from pipelines.images.lock import ImagesLock

LARGEST = 8 * 2**20
"""Larger files (bytes) are libraries; they are not looked through."""
KINDS = {
    # Of an Ed25519 key it is one line of base64; of an encrypted one lines about that come first.
    "private key": rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\\?n?\s*(?:[\w-]+: [^\n\\]+\\?n?\s*)*"
    rb"[A-Za-z0-9+/=]{40,}",
    "key of AWS": rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b(?<!EXAMPLE)",
    "secret key of AWS": rb"(?:aws_secret_access_key|AWS_SECRET_ACCESS_KEY)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}"
    rb"(?![A-Za-z0-9/+])(?<!EXAMPLEKEY)",
    "token of GitHub": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})\b",
    "token of GitLab": rb"\bglpat-[A-Za-z0-9_-]{20}",
    "token of Hugging Face": rb"\bhf_[A-Za-z0-9]{34}\b",
    "token of Slack": rb"\bxox[abprs]-[0-9]{10,13}-[A-Za-z0-9-]{10,}",
    "API key of Google": rb"\bAIza[A-Za-z0-9_-]{35}\b",
    "token of Google": rb"\b(?:ya29\.[A-Za-z0-9_-]{30,}|GOCSPX-[A-Za-z0-9_-]{28}\b)",
    "password in an address": rb"\b(?:https?|postgresql)://[A-Za-z0-9._-]+:[A-Za-z0-9]{20,}@",
}
MARKS = {
    "private key": (b"PRIVATE KEY",),
    "key of AWS": (b"AKIA", b"ASIA"),
    "secret key of AWS": (b"aws_secret_access_key", b"AWS_SECRET_ACCESS_KEY"),
    "token of GitHub": (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
    "token of GitLab": (b"glpat-",),
    "token of Hugging Face": (b"hf_",),
    "token of Slack": (b"xox",),
    "API key of Google": (b"AIza",),
    "token of Google": (b"ya29.", b"GOCSPX-"),
    "password in an address": (b"://",),
}
"""What stands in each kind: it is found ten times as fast as a pattern, and most files have none."""
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
    kinds = {name: re.compile(pattern) for name, pattern in KINDS.items()}
    kinds |= {f"known value {number}": re.compile(re.escape(value.encode())) for number, value in enumerate(values, 1)}
    return [
        f"{place}: {kind}"
        for place, text in _places(image)
        for kind, pattern in kinds.items()
        if any(mark in text for mark in MARKS.get(kind, (b"",))) and pattern.search(text)
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
