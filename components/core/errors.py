"""Errors that a person is meant to read, each with the exit code that a script is meant to read.

A message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Iterable
from enum import IntEnum

from components.core.masking import masked


class ExitCode(IntEnum):
    """What ``sluice`` and every step answer to the shell."""

    DONE = 0
    INVALID_INPUT = 2
    REFUSED = 3
    FAILED = 4
    CONFLICT = 5


FROM_BEST = (ExitCode.DONE, ExitCode.REFUSED, ExitCode.CONFLICT, ExitCode.INVALID_INPUT, ExitCode.FAILED)


def worst(codes: Iterable[int]) -> int:
    """The worst of exit codes, failed before invalid input, conflict, refused and done; any other is worse still."""
    return max(codes, key=lambda code: FROM_BEST.index(code) if code in FROM_BEST else len(FROM_BEST))


class SluiceError(Exception):
    """An error with a sentence for a person; anything else that is raised is a fault of ours.

    It is printed, logged, answered and recorded, and what a service said is part of it: so it is masked here.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __str__(self) -> str:
        return masked(super().__str__())


class InvalidInput(SluiceError):
    """A recipe, an environment, a file or a model that cannot be used as it is."""

    exit_code = ExitCode.INVALID_INPUT


class Refused(SluiceError):
    """Held or refused by a rule: the system works, the answer is no."""

    exit_code = ExitCode.REFUSED


class Failed(SluiceError):
    """The input was sound, the work could not be done: no disk, no memory, a service away."""

    exit_code = ExitCode.FAILED


class Unreachable(Failed):
    """A service does not answer, or not now: the network, a limit of requests, an error of its own."""


class Conflict(SluiceError):
    """Somebody else changed the same thing first."""

    exit_code = ExitCode.CONFLICT


def did_you_mean(name: str, names: Collection[str]) -> str:
    """``; did you mean X?`` for the nearest of ``names``, nothing when none is near."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def ended(work: Callable[[], int]) -> int:
    """The exit code of a command's work; an error that is meant for a person is printed as its sentence."""
    try:
        return work()
    except SluiceError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
