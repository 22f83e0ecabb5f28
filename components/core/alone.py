"""One process at a time at something, for as long as a block lasts; the system lets go when the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_NUMBER = 20
"""Of a process (digits)."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """While the block lasts, nobody else who asks for the same is in one; whoever comes meanwhile waits.

    The lock is a file beside ``path`` that only its owner may open. Raises OSError where that cannot be made.
    """
    with held(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def held(lock: Path, taken: Callable[[str], Exception] | None = None) -> Iterator[None]:
    """Holds a file of locking, in which the number of this process stands, while the block lasts.

    Where another process holds it, it waits; with ``taken`` it raises what that makes of the other's number ("another"
    where it is not known). Raises OSError where the file cannot be made.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if taken else 0))
        except BlockingIOError as error:
            assert taken
            raise taken(os.pread(descriptor, LONGEST_NUMBER, 0).decode(errors="replace") or "another") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
