"""The file of the trust roots, changed by one at a time and written whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import ValidationError

from components.core.alone import alone
from components.core.errors import Failed, InvalidInput
from components.core.trust import TrustedKey, TrustRoots, read_trust
from components.core.whole_file import sync_folder, whole_file
from pipelines.environment import Environment


class TrustFile:
    """The trust roots of an environment, where they are a file on this machine."""

    def __init__(self, environment: Environment) -> None:
        address = environment.trust
        if not address:
            raise InvalidInput(f"environment {environment.name}: names no trust roots; add `trust: PATH` to its file")
        if "://" in address:
            raise InvalidInput(
                f"environment {environment.name}: its trust roots lie at {address}, where several may write at once;"
                " copy them to a file, change that with an environment that names it, and put it back"
            )
        self.path = Path(address)

    @property
    def roots(self) -> TrustRoots:
        """What it says; no key, where there is no file yet."""
        return read_trust(str(self.path)) if self.path.exists() else TrustRoots()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While the block lasts, nobody else changes the file or makes keys beside it."""
        with ExitStack() as stack:
            with _explained(self.path):
                stack.enter_context(alone(self.path))
            yield

    def write(self, change: Callable[[TrustRoots], tuple[TrustedKey, ...]]) -> None:
        """Writes the keys that ``change`` makes of the present roots. Raises InvalidInput for what cannot be."""
        try:
            roots = TrustRoots(keys=change(self.roots))
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InvalidInput(f"trust roots {self.path}: {message}; nothing was changed") from error
        with _explained(self.path):
            self._replace(roots.to_bytes() + b"\n")

    def _replace(self, data: bytes) -> None:
        """A reader sees the old file or the new one, and after a power cut there is one of the two."""
        with whole_file(self.path) as part, open(part, "xb", opener=_for_its_owner) as file:
            file.write(data)
        sync_folder(self.path.parent)


def _for_its_owner(path: str, flags: int) -> int:
    """Never writable by others, whatever the umask is."""
    return os.open(path, flags, 0o644)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(
            f"trust roots {path}: cannot be written: {error.strerror}; nothing was changed: free some space, or give"
            " this user the right to write there"
        ) from error
