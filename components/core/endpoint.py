"""``EndpointState``: what should serve behind an endpoint, and ``Endpoints``: where these records lie.

Desired state is one record an endpoint, changed by compare-and-set alone: of two who change the same generation one
wins and the other is told. All generations are kept. Registry aliases are projections of the newest. Beside it lies
``Observed``, what whoever brings the world to it saw last: never signed, and never what should serve.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from components.core.contract import Contract
from components.core.decision import Decision, DecisionKind, Permits
from components.core.errors import Conflict, InvalidInput, Refused
from components.core.manifest import Part, Reference
from components.core.moment import parse_moment
from components.core.settings import encode

STEADY = "steady"
PLACES = "sqlite:///PATH, gs://BUCKET/PREFIX or postgresql://USER@HOST:PORT/DATABASE"
MAY = {
    Permits.NOTHING: (),
    Permits.CHAMPION: (DecisionKind.RELEASE, DecisionKind.ROLLBACK, DecisionKind.BREAK_GLASS),
    Permits.FREEZE: (DecisionKind.FREEZE,),
    Permits.THAW: (DecisionKind.THAW,),
}
"""Which kinds of decision may permit a transition."""


class EndpointState(Contract):
    """What should serve. Generation 0 is an endpoint that nobody has used yet."""

    endpoint: str
    generation: int = Field(default=0, ge=0, description="Rises by one with every change.")
    champion: Reference | None = Field(default=None, description="Serves.")
    challenger: Reference | None = Field(default=None, description="Takes a share of traffic.")
    shadow: Reference | None = Field(default=None, description="Gets a copy of the traffic and answers nobody.")
    previous: Reference | None = Field(default=None, description="What a rollback returns to.")
    weights: dict[str, float] = Field(default={}, description="Share of traffic by role; fractions that sum to one.")
    phase: str = Field(default=STEADY, description="How far a rollout is; `steady` where there is none.")
    frozen: str = Field(default="", description="Id of the decision that froze it; empty where it is not frozen.")
    decision: str = Field(default="", description="Id of the decision that made this generation.")
    changed: str = Field(default="", description="UTC, ISO 8601.")


class Phase(StrEnum):
    """How far the world is from the newest generation."""

    STARTING = "starting"  # the champion's server is on its way
    READY = "ready"  # it answers, and no traffic goes to it yet
    MOVING = "moving"  # the router is being told
    DRAINING = "draining"  # the champion serves, and what served before ends its open answers
    STEADY = "steady"
    DEGRADED = "degraded"  # the champion cannot serve, and what served before does
    FAILED = "failed"  # nothing serves, for the champion cannot
    STOPPED = "stopped"  # the observer was ended, and all that it had started


LIVING = timedelta(seconds=30)
"""An observer that has not written for so long is taken for dead."""


class Standby(Part):
    """What a rollback returns to, while it is not ready."""

    model: str = Field(description="Digest of its manifest.")
    since: str = Field(description="When it was last started; UTC, ISO 8601.")
    fault: str = Field(default="", description="Why it did not come up; it is tried again.")


class Observed(Contract):
    """What really serves, as whoever brings the world to the endpoint's state saw it last."""

    endpoint: str
    generation: int = Field(default=0, ge=0, description="The last one that the world was brought to.")
    phase: Phase
    champion: str = Field(default="", description="Digest of the manifest of what serves; empty for nothing.")
    previous: str = Field(default="", description="Digest of what is ready for a rollback; empty for nothing.")
    standby: Standby | None = Field(default=None, description="What a rollback returns to, while it is starting.")
    start_seconds: float = Field(default=0.0, ge=0, description="How long a start took here (seconds); 0: not known.")
    address: str = Field(default="", description="Where clients ask, such as `http://127.0.0.1:8080/v1`.")
    metrics: str = Field(default="", description="Where Prometheus asks; empty where nothing listens.")
    reason: str = Field(default="", description="A sentence for a person: why it failed, or what it waits for.")
    heartbeat: str = Field(description="When this was written; UTC, ISO 8601.")
    since: str = Field(description="Since when phase and generation are these; UTC, ISO 8601.")

    def alive(self, now: datetime) -> bool:
        """Whether the observer still is at work at that moment."""
        ended = self.phase is Phase.STOPPED
        return not ended and abs(now - parse_moment(self.heartbeat)) < LIVING

    def holds_up(self, state: EndpointState, now: datetime) -> bool:
        """Whether a release must wait: a living observer has not yet brought the world to that state, nor failed."""
        waits = self.phase not in (Phase.DEGRADED, Phase.FAILED) and self.generation < state.generation
        return self.alive(now) and waits


class Endpoints(Protocol):
    """Where endpoint states lie. Every implementation passes ``tests/core/test_endpoints.py``."""

    def read(self, endpoint: str) -> EndpointState:
        """The newest generation; generation 0 where there is none."""

    def history(self, endpoint: str) -> Sequence[EndpointState]:
        """All generations that were written, the first one first."""

    def names(self) -> Sequence[str]:
        """The endpoints that there are, sorted."""

    def compare_and_set(self, new: EndpointState) -> None:
        """Writes ``new``, if the newest generation is the one before it and no generation names its decision yet.

        Raises Conflict otherwise; nothing has changed then.
        """

    def observed(self, endpoint: str) -> Observed | None:
        """What was observed last; None where nobody has looked yet."""

    def observe(self, observed: Observed) -> None:
        """Writes what was observed, in place of what was before. It changes no state and needs none to be there."""


def open_endpoints(address: str) -> Endpoints:
    """The endpoint states at an address, one of ``PLACES``. Raises InvalidInput for what is no such place."""
    scheme, _, place = address.partition("://")
    if scheme == "sqlite" and place.startswith("/") and place.strip("/"):
        from components.core.endpoint_sqlite import SqliteEndpoints

        return SqliteEndpoints(place.removeprefix("/"))
    if scheme in ("postgresql", "postgres") and place:
        from components.core.endpoint_postgres import PostgresEndpoints

        return PostgresEndpoints(address)
    if scheme == "gs" and place.strip("/"):
        from components.core.endpoint_gcs import GcsEndpoints

        return GcsEndpoints(place)
    raise InvalidInput(f"endpoints {address!r}: there is no store of endpoint states for this address; write {PLACES}")


def check_next(new: EndpointState, newest: int, used: bool) -> None:
    """What a change is held against inside every store's transaction. Raises Conflict; nothing has changed then.

    ``newest`` is the endpoint's newest generation, ``used`` whether one of any endpoint names the decision already.
    """
    if new.generation != newest + 1:
        raise Conflict(
            f"endpoint {new.endpoint}: somebody changed it meanwhile (generation {newest}, and this change was made"
            f" for {new.generation - 1}); nothing was changed: look at what serves now and decide again"
        )
    if used:
        raise Conflict(f"decision {new.decision[:12]}: was used already; a decision counts once: decide again")


def after(state: EndpointState, decision: Decision, changed: str) -> EndpointState:
    """The generation that a decision makes of a state, at the moment ``changed``. The only rule for what may follow.

    It looks at state and decision alone, so that anybody can work out the whole history again. Raises Refused for a
    frozen endpoint, for one to freeze or thaw that is so already, and for a decision that permits nothing; Conflict
    when another model serves than it was decided against.
    """
    if decision.endpoint != state.endpoint:
        raise Refused(f"decision {decision.id[:12]}: is about the endpoint {decision.endpoint}, not {state.endpoint}")
    if decision.kind not in MAY[decision.permits]:
        raise Refused(
            f"decision {decision.id[:12]}: is of kind {decision.kind}, its verdict is {decision.verdict}: it permits no"
            " transition"
        )
    common = {"generation": state.generation + 1, "decision": decision.id, "changed": changed}
    if decision.permits is not Permits.CHAMPION:
        return state.model_copy(update={**common, "frozen": _frozen(state, decision)})
    _check_free(state, decision)
    update = {**common, "champion": decision.subject, "previous": state.champion, "weights": {"champion": 1.0}}
    return state.model_copy(update=update)


def _frozen(state: EndpointState, decision: Decision) -> str:
    """Whether the next generation is frozen, and by which decision."""
    if decision.permits is Permits.THAW:
        if not state.frozen:
            raise Refused(f"endpoint {state.endpoint}: is not frozen; there is nothing to thaw")
        return ""
    if state.frozen:
        raise Refused(f"endpoint {state.endpoint}: is frozen already, by decision {state.frozen[:12]}")
    return decision.id


def _check_free(state: EndpointState, decision: Decision) -> None:
    serving = state.champion.digest if state.champion else ""
    if decision.incumbent != serving:
        raise Conflict(
            f"decision {decision.id[:12]}: was made against {_short(decision.incumbent)}, but {_short(serving)} serves"
            f" on {state.endpoint} since {state.changed or 'ever'}; compare with that: run the release again"
        )
    if state.frozen and decision.kind is not DecisionKind.BREAK_GLASS:
        raise Refused(
            f"endpoint {state.endpoint}: is frozen by decision {state.frozen[:12]}; wait for"
            f" `sluice thaw {state.endpoint}`, or break the glass"
        )


def _short(digest: str) -> str:
    return f"{digest[:12]}…" if digest else "nothing"


class Incumbent(Contract):
    """What served when a release began to look; it travels through the graph as a string."""

    endpoint: str
    generation: int
    model: Reference | None = None

    def encode(self) -> str:
        """As a parameter of a graph."""
        return encode(self.model_dump(mode="json"))

    @classmethod
    def decode(cls, text: str) -> Incumbent:
        """The incumbent that ``encode`` wrote. Raises InvalidInput for another text."""
        try:
            json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"incumbent: {text[:80]!r} is not what the step incumbent says") from error
        return cls.read(text, "incumbent")
