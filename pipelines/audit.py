"""Who changed what should serve, when, on which decision. Signatures are verified, changes worked out again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from components.core.decision import FOLDER, Decision, DecisionKind, decision_key
from components.core.endpoint import Endpoints, EndpointState, after
from components.core.errors import InvalidInput, SluiceError, did_you_mean
from components.core.manifest import Part
from components.core.moment import parse_moment
from components.core.signing import held_at, read_decision
from components.core.store import Store
from components.core.trust import TrustRoots


class Entry(Part):
    """One change of what should serve, or a decision that changed nothing. ``fault`` says why it does not hold."""

    endpoint: str
    generation: int = 0
    """0 for a decision that changed nothing."""
    when: str
    decision: str
    kind: str = ""
    who: str = ""
    verdict: str = ""
    serves: str = ""
    """Content digest of what should serve from then on; empty for nothing."""
    served: str = ""
    """Content digest of what should have served before."""
    frozen: bool = False
    reasons: tuple[str, ...] = ()
    """Code and text of each; of a refusal, what refused comes first."""
    fault: str = ""

    @property
    def broke_the_glass(self) -> bool:
        """Whether somebody let a model serve past gate and freeze."""
        return self.kind == DecisionKind.BREAK_GLASS


def audit(
    store: Store, endpoints: Endpoints, trust: TrustRoots, environment: str, endpoint: str = "", *, unused: bool = False
) -> list[Entry]:
    """All changes of an endpoint (of all, where it is empty), the first one first.

    With ``unused`` also the decisions that changed nothing. Raises InvalidInput for an endpoint that there is not.
    """
    names = endpoints.names()
    if endpoint and endpoint not in names:
        raise InvalidInput(f"endpoint {endpoint}: nobody has changed it yet{did_you_mean(endpoint, names)}")
    auditor = _Auditor(store, trust, environment)
    entries = [
        entry for name in names if endpoint in ("", name) for entry in auditor.changes(name, endpoints.history(name))
    ]
    if unused:
        used = {state.decision for name in names for state in endpoints.history(name)}
        entries += sorted(auditor.unused(used, endpoint), key=lambda entry: (entry.endpoint, entry.when))
    return entries


class _Auditor:
    def __init__(self, store: Store, trust: TrustRoots, environment: str) -> None:
        self.store, self.trust, self.environment = store, trust, environment

    def changes(self, endpoint: str, history: Sequence[EndpointState]) -> Iterator[Entry]:
        """Each generation of an endpoint, worked out again from the one before."""
        before = EndpointState(endpoint=endpoint)
        for state in history:
            yield self._change(before, state)
            before = state

    def unused(self, used: set[str], endpoint: str) -> Iterator[Entry]:
        """The decisions in the store that no generation names. One that does not verify is listed everywhere."""
        for key in self.store.list(FOLDER):
            name = key.removeprefix(f"{FOLDER}/").removesuffix(".json")
            if name in used or key != decision_key(name):
                continue
            decision, fault = self._read(name)
            if decision is None:
                yield Entry(endpoint="", when="", decision=name, fault=fault)
            elif endpoint in ("", decision.endpoint):
                told = _told(decision)
                yield Entry(endpoint=decision.endpoint, when=decision.issued, decision=name, fault=fault, **told)

    def _change(self, before: EndpointState, state: EndpointState) -> Entry:
        decision, fault = self._read(state.decision)
        if decision is not None:
            fault = fault or _fault(before, state, decision)
        elif state.generation != before.generation + 1:
            fault = f"{_gap(before)}; {fault}"
        return Entry(
            endpoint=state.endpoint,
            generation=state.generation,
            when=state.changed,
            decision=state.decision,
            serves=state.champion.digest if state.champion else "",
            served=before.champion.digest if before.champion else "",
            frozen=bool(state.frozen),
            fault=fault,
            **(_told(decision) if decision else {}),
        )

    def _read(self, decision: str) -> tuple[Decision | None, str]:
        try:
            found = read_decision(self.store, decision, self.trust)
        except SluiceError as error:
            return None, str(error)
        if found.environment != self.environment:
            return found, f"its decision is for the environment {found.environment}"
        return found, ""


def _fault(before: EndpointState, state: EndpointState, decision: Decision) -> str:
    """Why a generation is not what its decision makes of the one before; empty where it is."""
    if state.generation != before.generation + 1:
        return _gap(before)
    try:
        changed = parse_moment(state.changed)
        expected = after(before, decision, state.changed)
    except SluiceError as error:
        return str(error)
    if expected.to_bytes() != state.to_bytes():
        return "is not what its decision makes of the generation before: somebody wrote it past the transition"
    return _untimely(changed, decision)


def _untimely(changed: datetime, decision: Decision) -> str:
    if held_at(decision, changed):
        return ""
    return f"was made at {changed.isoformat()}, and its decision held from {decision.issued} to {decision.expires}"


def _gap(before: EndpointState) -> str:
    return f"generation {before.generation + 1} is missing from the history before it"


def _told(decision: Decision) -> dict[str, object]:
    return {
        "kind": decision.kind.value,
        "who": decision.signer,
        "verdict": decision.verdict.value,
        "reasons": tuple(f"{reason.code}: {reason.text}" for reason in decision.told),
    }
