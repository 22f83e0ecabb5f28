"""What people do to an endpoint by hand: freeze it, thaw it, roll it back, break the glass. Each is a decision signed
by their key.

Nothing here writes what should serve: ``components.release.transition.change`` does, after it verified the decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from components.core.decision import (
    FOLDER,
    Decision,
    DecisionKind,
    Permits,
    Reason,
    Verdict,
)
from components.core.endpoint import Endpoints, EndpointState, after, open_endpoints
from components.core.errors import InvalidInput, Refused, did_you_mean
from components.core.manifest import Manifest, Reference
from components.core.signing import read_decision, sign, verify
from components.core.store import Store
from components.core.trust import TrustRoots, read_trust
from components.release.registries.projection import project_aliases
from components.release.transition.change import carry_out
from pipelines.environment import Environment
from pipelines.keys import key_address
from pipelines.models import find_model
from pipelines.standby import Way, way_back
from pipelines.typed import typed

VALID = timedelta(hours=1)
"""How long such a decision may be acted on: it is acted on at once."""
SKIPPED = "skipped"
"""The code of a reason that says what a broken glass passed by."""


@dataclass(frozen=True)
class Change:
    """What was decided, what should serve now, and what the registry does not show yet (empty where it does).

    ``way`` is how ready what a rollback returned to was, as it was seen just before.
    """

    decision: Decision
    state: EndpointState
    behind: str = ""
    way: Way | None = None

    @property
    def skipped(self) -> tuple[str, ...]:
        """What was passed by, a sentence each."""
        return tuple(reason.text for reason in self.decision.reasons if reason.code == SKIPPED)


@dataclass(frozen=True)
class Actor:
    """A person who acts on an endpoint of an environment, and why, at a moment."""

    environment: Environment
    name: str
    reason: str
    now: datetime

    @property
    def store(self) -> Store:
        """Where decisions are kept."""
        return Store(self.environment.store)

    @property
    def endpoints(self) -> Endpoints:
        """Where the endpoint states lie."""
        return endpoints_of(self.environment)

    @property
    def trust(self) -> TrustRoots:
        """Whose key may sign what."""
        return read_trust(self.environment.trust)


def endpoints_of(environment: Environment) -> Endpoints:
    """Where an environment keeps what should serve. Raises InvalidInput where it says nothing about that."""
    if not environment.endpoints:
        raise InvalidInput(
            f"environment {environment.name}: says nowhere where endpoint states lie; add `endpoints: sqlite:///PATH`"
        )
    return open_endpoints(environment.endpoints)


def freeze(
    environment: Environment,
    endpoint: str,
    *,
    name: str,
    reason: str,
    unused: bool = False,
    now: datetime | None = None,
) -> Change:
    """Stops all transitions of an endpoint until it is thawed. What serves goes on serving.

    ``unused`` says that nobody has used the endpoint yet, and that it is meant all the same. Raises InvalidInput for an
    unknown endpoint or name and an empty reason, Refused when it is frozen or the key may not, Conflict when somebody
    else was faster.
    """
    actor = _actor(environment, name, reason, now)
    _check_known(actor, endpoint, unused)
    return _carry_out(actor, endpoint, kind=DecisionKind.FREEZE, permits=Permits.FREEZE)


def thaw(environment: Environment, endpoint: str, *, name: str, reason: str, now: datetime | None = None) -> Change:
    """Lets transitions of a frozen endpoint happen again. Raises as ``freeze`` does, Refused when it is not frozen."""
    actor = _actor(environment, name, reason, now)
    _check_known(actor, endpoint)
    return _carry_out(actor, endpoint, kind=DecisionKind.THAW, permits=Permits.THAW)


def break_glass(
    environment: Environment,
    endpoint: str,
    model: str,
    *,
    name: str,
    reason: str,
    unused: bool = False,
    now: datetime | None = None,
) -> Change:
    """Lets a model serve that no gate has passed, past a freeze too; the decision says what was skipped.

    ``model`` is the key of its manifest, or the beginning of its digest or content digest. All its bytes are checked
    first. Raises as ``freeze`` does, InvalidInput for a model that is not there whole, Refused for the one that serves.
    """
    actor = _actor(environment, name, reason, now)
    _check_known(actor, endpoint, unused)
    actor.trust.active_key(name)
    found = find_model(actor.store, model)
    state = actor.endpoints.read(endpoint)
    if state.champion and state.champion.digest == found.digest:
        raise Refused(f"endpoint {endpoint}: {found.digest[:12]}… serves already; there is nothing to break")
    skipped = tuple(Reason(code=SKIPPED, text=text) for text in _skipped(actor, state, found))
    change = _carry_out(
        actor,
        endpoint,
        kind=DecisionKind.BREAK_GLASS,
        permits=Permits.CHAMPION,
        subject=found.named,
        reasons=skipped,
    )
    return replace(change, behind=follow(environment, change))


def rollback(environment: Environment, endpoint: str, *, name: str, reason: str, now: datetime | None = None) -> Change:
    """Lets what served before serve again; what serves now is what the next rollback would return to.

    It is in a hurry: the model's bytes are not hashed again, and the registry follows by ``follow``, afterwards. Raises
    as ``freeze`` does, Refused where nothing served before and for a frozen endpoint.
    """
    actor = _actor(environment, name, reason, now)
    _check_known(actor, endpoint)
    previous = actor.endpoints.read(endpoint).previous
    if previous is None:
        raise Refused(f"endpoint {endpoint}: nothing served there before; there is nothing to go back to")
    way = way_back(previous, actor.endpoints.observed(endpoint), actor.now)
    change = _carry_out(actor, endpoint, kind=DecisionKind.ROLLBACK, permits=Permits.CHAMPION, subject=previous)
    return replace(change, way=way)


def follow(environment: Environment, change: Change) -> str:
    """Lets the registry follow a change; says what it does not show yet, nothing where it is right."""
    return project_aliases(environment.registry, change.state, Store(environment.store))


def _actor(environment: Environment, name: str, reason: str, now: datetime | None) -> Actor:
    if not reason.strip():
        raise InvalidInput("--reason: is empty; say why, it stands in the audit")
    return Actor(environment, name, reason.strip(), now or datetime.now(UTC))


def _check_known(actor: Actor, endpoint: str, unused: bool | None = None) -> None:
    """A typing error must not freeze an endpoint that nobody has, while the one that was meant goes on.

    ``unused`` is None for what can only be done to an endpoint that was used.
    """
    names = actor.endpoints.names()
    if endpoint in names:
        return
    if not unused:
        hint = f"`{typed('endpoints', actor.environment.name)}` lists those that there are"
        if unused is not None:
            hint = "if it is meant before its first use, say --unused"
        raise InvalidInput(f"endpoint {endpoint}: nobody has used it yet{did_you_mean(endpoint, names)}; {hint}")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", endpoint):
        raise InvalidInput(f"endpoint {endpoint!r}: cannot be a name; use small letters, digits and hyphens")


def _carry_out(
    actor: Actor,
    endpoint: str,
    *,
    kind: DecisionKind,
    permits: Permits,
    subject: Reference | None = None,
    reasons: tuple[Reason, ...] = (),
) -> Change:
    """Signs the decision, and has it verified and carried out."""
    store, endpoints, trust = actor.store, actor.endpoints, actor.trust
    key = trust.key_for(trust.active_key(actor.name).key_id, kind, actor.environment.name, actor.now)
    state = endpoints.read(endpoint)
    decision = Decision(
        kind=kind,
        endpoint=endpoint,
        environment=actor.environment.name,
        subject=subject,
        incumbent=state.champion.digest if state.champion else "",
        verdict=Verdict.PASS,
        permits=permits,
        reasons=(Reason(code=kind.value, text=actor.reason), *reasons),
        issued=actor.now.isoformat(),
        expires=(actor.now + VALID).isoformat(),
        signer=actor.name,
        key_id=key.key_id,
    )
    after(state, decision, decision.issued)  # says no before anything is signed
    envelope = sign(decision, key_address(actor.environment, actor.name), trust)
    place: dict[str, Any] = {"endpoint": endpoint, "environment": actor.environment.name}
    new = carry_out(store, envelope, endpoints=endpoints, trust=trust, now=actor.now, **place)
    return Change(decision, new)


def _skipped(actor: Actor, state: EndpointState, model: Manifest) -> Iterator[str]:
    """What a release would have asked for, and what was said about this model before."""
    said_before = _decisions_about(actor, state.endpoint, model)
    judged = _judged(state, said_before)
    yield _of_the_gate(state, judged)
    yield "the word of the people whom the policy may ask"
    yield "the model card"
    if state.frozen:
        yield f"the freeze: {_why_frozen(actor, state)}"
    for decision in said_before:
        if decision.verdict is not Verdict.PASS and decision != judged:
            said = decision.because or "without a reason"
            yield f"what {decision.signer} said of it on {decision.issued[:16]}: {decision.verdict}: {said}"


def _judged(state: EndpointState, said_before: list[Decision]) -> Decision | None:
    """The last decision that rests on a gate: one that held the model against what serves now, if there is one."""
    kinds = (DecisionKind.RELEASE, DecisionKind.GATE)
    found = [one for one in said_before if one.kind in kinds and one.verdict is not Verdict.SERVES]
    return max(found, key=lambda one: (one.incumbent == _serving(state), one.issued_at), default=None)


def _of_the_gate(state: EndpointState, judged: Decision | None) -> str:
    """What the gate said of the model, and whether that was said in comparison with what serves."""
    now = f"compared it with what serves ({_serving(state)[:12]}…)" if state.champion else "held it against a floor"
    if judged is None:
        return f"the gate: nobody {now}"
    said = f"on {judged.issued[:16]}: {judged.verdict}: {judged.because}"
    if judged.incumbent == _serving(state):
        return f"the gate, which {now} {said}"
    then = f"compared it with {judged.incumbent[:12]}…" if judged.incumbent else "held it against a floor"
    return f"the gate: nobody {now}; it {then} {said}"


def _serving(state: EndpointState) -> str:
    return state.champion.digest if state.champion else ""


def _why_frozen(actor: Actor, state: EndpointState) -> str:
    try:
        decision = read_decision(actor.store, state.frozen, actor.trust)
    except (Refused, InvalidInput):
        return f"decision {state.frozen[:12]}, which does not verify any more"
    return f"{decision.signer} on {decision.issued[:16]}: {decision.reasons[0].text}"


def _decisions_about(actor: Actor, endpoint: str, model: Manifest) -> list[Decision]:
    """Decisions on this model for this endpoint that verify, the first one first."""
    found = []
    for key in actor.store.list(FOLDER):
        try:
            decision = verify(actor.store.read(key), actor.trust, key)
        except (Refused, InvalidInput):
            continue  # what does not verify says nothing; `sluice audit --all` lists it
        about = (decision.environment, decision.endpoint, decision.subject.digest if decision.subject else "")
        if about == (actor.environment.name, endpoint, model.digest):
            found.append(decision)
    return sorted(found, key=lambda decision: decision.issued_at)
