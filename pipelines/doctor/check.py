"""What is looked at, and what was found: a line each, with the way to mend it. No check keeps others from theirs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from queue import Empty, SimpleQueue

from components.core.errors import SluiceError

SECONDS = 30.0
"""How long each check may take; they are all at work at once."""


class Health(StrEnum):
    """How a thing is."""

    OK = "ok"
    MISSING = "missing"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing. Unless it is well, ``said`` ends with what to do about it."""

    about: str
    health: Health
    said: str

    @property
    def line(self) -> str:
        """All of it, for a person."""
        said = " ".join(self.said.split())
        return f"{self.health:<12} {self.about}: {said}"


def is_forbidden(error: SluiceError) -> bool:
    """Whether one of Google's services knows who asks, and that they may not."""
    cause = error.__cause__  # gcsfs tells some refusals by their words alone
    return getattr(cause, "code", None) in (403, "403") or str(cause).startswith("Forbidden: ")


class NotChecked(Exception):
    """A thing that cannot be looked at from here; the message says why, and how it can be."""


@dataclass(frozen=True)
class Check:
    """Looks at one thing: gives what is well about it, and raises SluiceError or NotChecked for what is not."""

    about: str
    look: Callable[[], str]


@dataclass
class _Look:
    check: Check
    found: SimpleQueue[Finding] = field(default_factory=SimpleQueue)

    def start(self) -> None:
        # A daemon: what never comes back does not keep the command from its end.
        threading.Thread(target=lambda: self.found.put(_finding(self.check)), daemon=True).start()


def examine(checks: Iterable[Check], seconds: float = SECONDS) -> Iterator[Finding]:
    """What is found of each, in their order, within ``seconds`` for all."""
    looks = [_Look(check) for check in checks]
    until = time.monotonic() + seconds
    for look in looks:
        look.start()
    for look in looks:
        try:
            yield look.found.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            said = f"no answer in {seconds:g} s; see that the network leads there, or give it longer: --seconds"
            yield Finding(look.check.about, Health.MISSING, said)


def _finding(check: Check) -> Finding:
    try:
        return Finding(check.about, Health.OK, check.look())
    except NotChecked as reason:
        return Finding(check.about, Health.NOT_CHECKED, str(reason))
    except SluiceError as error:
        return Finding(check.about, Health.MISSING, str(error))
    except Exception as error:  # noqa: BLE001 - each client raises its own, and the other checks go on
        said = f"{type(error).__name__}: {error}; see that it is there and can be reached from here"
        return Finding(check.about, Health.MISSING, said)


def is_sound(findings: Sequence[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(finding.health is not Health.MISSING for finding in findings)
