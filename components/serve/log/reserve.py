"""Room on the disk for what was admitted, whoever else writes there: a file that gives way to rows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from components.core.errors import Failed
from components.serve.log.segment import failed

STEP = 4 * 1024**2
"""More than is asked for is kept at hand (bytes), so that few requests wait for the disk to note a length."""


class Reserve:
    """Bytes that nobody else can take. Each is taken before a request is worked on, and given back as rows or unused.

    The file holds nothing: it is as long as what is taken, or a little longer, and shorter only for a row that found
    the disk full. Whatever an earlier process kept is free once this is made.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be made."""
        self._path, self.taken, self._size = path, 0, 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def take(self, count: int, least: int) -> None:
        """Takes bytes. Raises Failed, and has taken nothing then, where fewer than ``least`` would be free beside."""
        wanted = self.taken + count
        if wanted > self._size:
            free = shutil.disk_usage(self._path.parent).free
            most = self._size + free - least
            if wanted > most:
                raise Failed(
                    f"request log: {free} bytes are free on the disk of {self._path.parent}; {least} must stay, and"
                    f" {wanted - self._size} are needed; free some space on it"
                )
            self._grow(min(wanted + STEP, most))
        self.taken = wanted

    def give(self, count: int) -> None:
        """Gives bytes back."""
        self.taken -= count
        if self._size > self.taken + 3 * STEP:
            self._shrink(self.taken + STEP)

    def make_way(self, count: int) -> None:
        """Frees so many of the bytes that were taken: a row for which they were taken found the disk full."""
        self._shrink(max(0, min(self._size, self.taken) - count))

    def close(self) -> None:
        """Frees all."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)

    def _grow(self, size: int) -> None:
        try:
            os.posix_fallocate(self._file, self._size, size - self._size)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise failed(self._path, error) from error
        self._size = size

    def _shrink(self, size: int) -> None:
        os.ftruncate(self._file, size)
        self._size = size
