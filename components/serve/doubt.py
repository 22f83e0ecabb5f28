"""What is held against a champion: that it died again and again, or does not come up.

It lies in the endpoint's folder, because a supervisor may die of what its champion dies of, and its successor must not
lead the traffic into that again. Whoever decides anew, with a new generation, begins without it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from components.core.contract import Contract
from components.core.errors import Failed, InvalidInput
from components.core.whole_file import whole_file


class Doubt(Contract):
    """``doubt.json``: what is held against the champion of one generation."""

    generation: int = Field(default=0, ge=0)
    crashes: int = Field(default=0, ge=0, description="How often in a row it died soon after it had been ready.")
    fault: str = Field(default="", description="Why it is not ready; empty where it is, or was not tried yet.")

    @classmethod
    def kept(cls, folder: Path) -> Doubt:
        """What a predecessor left. Raises InvalidInput where it cannot be read."""
        path = _path(folder)
        try:
            return cls.read(path.read_bytes(), str(path)) if path.exists() else cls()
        except (OSError, InvalidInput) as error:
            raise InvalidInput(f"{path}: cannot be read; nothing is held against the champion: {error}") from error

    def keep(self, folder: Path) -> None:
        """Leaves it to a successor. Raises Failed where the disk does not take it."""
        path = _path(folder)
        try:
            if self.crashes or self.fault:
                with whole_file(path) as part:
                    part.write_bytes(self.to_bytes())
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise Failed(
                f"{path}: cannot be written: {error.strerror}; free some space, or see that this user may write there"
            ) from error


def _path(folder: Path) -> Path:
    return folder / "doubt.json"
