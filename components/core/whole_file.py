"""A file that appears whole or not at all: written beside its place, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".part"
"""Ends the name of what is not whole yet."""


def beside(path: Path) -> Path:
    """A name beside a file's own that nobody else has."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{SUFFIX}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write beside ``path``; it takes its place, durably, when the block ends well, and is gone otherwise."""
    part = beside(path)
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes sure that the names in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
