"""Programs that the workflows' commands call, and what is said when one of them fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

from components.core.errors import Failed

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "ci"
"""What a job leaves for the next one, and for people."""


def call(*command: str | Path, stdin: str = "") -> str:
    """What a program prints; what it says besides is passed on. Raises Failed where it fails or is not there."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    except FileNotFoundError as error:
        raise Failed(
            f"there is no {words[0]} on the PATH; the workflows install it, see docs/guides/delivery.md"
        ) from error
    if done.returncode:
        raise Failed(f"{' '.join(words[:4])} …: ended with {done.returncode}; what it said stands above")
    return done.stdout


def succeeds(*command: str) -> bool:
    """Whether a program ends well; for a question whose answer may be no."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
