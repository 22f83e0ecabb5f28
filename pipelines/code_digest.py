"""The digest of the code that a step runs: its stage, core and the locks.

A thin component's source does not change when its library does, and KFP servers leave environment variables out of the
cache's key; so each step takes this digest as a parameter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pipelines import catalogue


def code_digest(stage: str, root: Path = catalogue.ROOT) -> str:
    """SHA-256 over names and contents of the stage's files, core's and the locks'; 16 hexadecimal digits of it.

    Steps run again when it changes, so pages and tables beside the code are none of it: that an image holds those that
    are here is for ``pipelines.images.context.digests``.

    ``root`` is the folder ``components``; the locks lie beside it where there is a checkout.
    """
    files = [*_files(root / stage, "*.py"), *_files(root / "core", "*.py"), *_files(root.parent / "locks", "*.txt")]
    whole = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(root.parent).as_posix()} {content}\n".encode())
    return whole.hexdigest()[:16]


@cache
def code_digests() -> dict[str, str]:
    """The digest of every stage's code."""
    return {stage: code_digest(stage) for stage in sorted({step.stage for step in catalogue.steps().values()})}


def _files(folder: Path, pattern: str) -> Iterable[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file())
