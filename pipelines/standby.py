"""How ready what a rollback returns to is, as whoever serves saw it last, and what that means for a rollback."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from components.core.endpoint import Observed
from components.core.manifest import Reference
from components.core.moment import parse_moment


class Readiness(StrEnum):
    """What has become of a model's server."""

    WARM = "warm"
    STARTING = "starting"
    FAULTY = "does not come up"
    COLD = "not running"
    UNSERVED = "nobody serves"


@dataclass(frozen=True)
class Way:
    """The way back to a model."""

    model: Reference
    readiness: Readiness
    seconds: int = 0
    """About how long until it is ready; 0 where nobody knows."""
    fault: str = ""

    @property
    def shown(self) -> str:
        """Beside what should serve."""
        means = {
            Readiness.WARM: "warm (a rollback takes under two seconds)",
            Readiness.STARTING: f"starting (a rollback takes until it is ready{self._about})",
            Readiness.FAULTY: f"does not come up (a rollback moves nothing until it does): {self.fault}",
            Readiness.COLD: f"not running (a rollback starts it first{self._about})",
            Readiness.UNSERVED: "not running, for nobody serves here",
        }
        return f"previous {_short(self.model)}: {means[self.readiness]}"

    @property
    def moves(self) -> str:
        """When traffic moves, to whoever has just rolled back to it."""
        name = _short(self.model)
        means = {
            Readiness.WARM: f"{name} was warm: traffic moves within two seconds",
            Readiness.STARTING: f"{name} is still starting: traffic moves when it is ready{self._about}",
            Readiness.FAULTY: f"{name} did not come up, and traffic stays until it does: {self.fault}",
            Readiness.COLD: f"{name} was not running: it starts now, and traffic moves when it is ready{self._about}",
            Readiness.UNSERVED: "nobody serves it now: it serves once `sluice serve` runs",
        }
        return means[self.readiness]

    @property
    def document(self) -> dict[str, str | int]:
        """For a program."""
        return {"readiness": self.readiness.value, "seconds": self.seconds, "fault": self.fault}

    @property
    def _about(self) -> str:
        return f", about {self.seconds} s" if self.seconds else ""


def way_back(previous: Reference, observed: Observed | None, now: datetime) -> Way:
    """What a rollback to ``previous`` would find at that moment."""
    if observed is None or not observed.alive(now):
        return Way(previous, Readiness.UNSERVED)
    if observed.previous == previous.digest:
        return Way(previous, Readiness.WARM)
    whole = observed.start_seconds
    if observed.standby is None or observed.standby.model != previous.digest:
        return Way(previous, Readiness.COLD, math.ceil(whole))
    if observed.standby.fault:
        return Way(previous, Readiness.FAULTY, fault=observed.standby.fault)
    left = whole - (now - parse_moment(observed.standby.since)).total_seconds()
    return Way(previous, Readiness.STARTING, max(1, math.ceil(left)) if whole else 0)


def _short(model: Reference) -> str:
    return f"{model.digest[:12]}…"
