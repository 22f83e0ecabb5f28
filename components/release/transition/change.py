"""The only way to what should serve: a decision is verified once more, from the bytes, and then it is compare-and-set.

Nothing that a graph's branch, an artifact or a caller says is believed: what the decision names is read again.
"""

from __future__ import annotations

from datetime import datetime

from components.core.decision import Decision, DecisionKind, Evidence, Verdict, keep_decision
from components.core.endpoint import Endpoints, EndpointState, after
from components.core.errors import Conflict, InvalidInput, Refused
from components.core.evidence import GateEvidence, read_evidence
from components.core.manifest import Kind, Manifest, check_whole
from components.core.signing import check_moment, policy_digest, verify
from components.core.store import Store
from components.core.trust import TrustRoots
from components.release.people import counts
from components.release.policy import decide_section


def carry_out(
    store: Store,
    envelope: bytes,
    *,
    endpoints: Endpoints,
    trust: TrustRoots,
    endpoint: str,
    environment: str,
    policy: str = "",
    now: datetime,
) -> EndpointState:
    """Verifies a decision and makes the next generation of its endpoint; returns that.

    ``policy`` is the policy in force, in canonical JSON; only a release is held against it. Raises Refused or Conflict,
    and has changed nothing then: Conflict also for a release while whatever serves is still on its way to the
    generation before.
    """
    decision = verify(envelope, trust, "decision")
    where = f"decision {decision.id[:12]}"
    check_moment(decision, now, where)
    if (decision.endpoint, decision.environment) != (endpoint, environment):
        raise Refused(
            f"{where}: is for {decision.endpoint} in {decision.environment}, not for {endpoint} in {environment}"
        )
    _check_history(endpoints, decision, where)
    state = endpoints.read(endpoint)
    new = after(state, decision, now.isoformat(timespec="milliseconds"))
    if decision.kind is DecisionKind.RELEASE:
        _check_arrived(endpoints, state, now, where)
    if decision.subject:
        _check_model(store, decision, where)
    if decision.kind is DecisionKind.RELEASE:
        _check_release(store, decision, policy, trust, now, where)
    keep_decision(store, decision, envelope)
    endpoints.compare_and_set(new)
    return new


def _check_history(endpoints: Endpoints, decision: Decision, where: str) -> None:
    """A decision counts once (the store refuses it too, in fewer words), and a rollback leads to what has served."""
    history = endpoints.history(decision.endpoint)
    served = {state.champion.digest for state in history if state.champion}
    if decision.kind is DecisionKind.ROLLBACK and (not decision.subject or decision.subject.digest not in served):
        raise Refused(f"{where}: a rollback leads to a model that has served on {decision.endpoint}; this one has not")
    used = next((state for state in history if state.decision == decision.id), None)
    if used:
        raise Conflict(
            f"{where}: was used already, for generation {used.generation} of {decision.endpoint}; a decision counts"
            " once: decide again"
        )


def _check_arrived(endpoints: Endpoints, state: EndpointState, now: datetime, where: str) -> None:
    """What was released before must serve by now: a gate compares with the state, and users see what is observed.

    People's rollback and broken glass pass: they are for the hour in which nothing arrives.
    """
    observed = endpoints.observed(state.endpoint)
    if observed and observed.holds_up(state, now):
        raise Conflict(
            f"{where}: {state.endpoint} is on its way to generation {state.generation} (it serves generation"
            f" {observed.generation}, {observed.phase} since {observed.since[:19]}); nothing was changed: release again"
            f" when `sluice endpoints {state.endpoint}` says that it has arrived"
        )


def _check_model(store: Store, decision: Decision, where: str) -> None:
    """The model must be there, be what the decision names, and be whole to the last byte.

    What has served is not hashed again for a rollback, which is in a hurry: whoever serves it checks each file.
    """
    assert decision.subject
    model = _manifest(store, Evidence(role="model", key=decision.subject.key, digest=decision.subject.digest), where)
    if model.kind is not Kind.MODEL or model.content_digest != decision.subject.content_digest:
        raise Refused(f"{where}: {model.key} is not the model that it names")
    if decision.kind is DecisionKind.ROLLBACK:
        return
    try:
        check_whole(store, model)
    except InvalidInput as error:
        raise Refused(f"{where}: its model is not whole: {error}; bring it back from a copy") from error


def _check_release(store: Store, decision: Decision, policy: str, trust: TrustRoots, now: datetime, where: str) -> None:
    """The gate must have passed this model against this incumbent by this policy, and people where they are asked."""
    if decision.policy != policy_digest(policy):
        raise Refused(f"{where}: was decided by another policy than this graph's; run the release again")
    evidence = _gate_evidence(store, decision, where)
    incumbent = evidence.incumbent.model.digest if evidence.incumbent.model else ""
    claimed = (evidence.verdict, evidence.candidate, evidence.policy, incumbent, evidence.incumbent.endpoint)
    if claimed != (Verdict.PASS, decision.subject, decision.policy, decision.incumbent, decision.endpoint):
        raise Refused(f"{where}: its evidence is about something else, or does not pass; run the release again")
    if decision.case != evidence.case(decision.endpoint, decision.environment):
        raise Refused(f"{where}: is about another case than its evidence; run the release again")
    _check_approvals(store, decision, policy, trust, now, where)


def _gate_evidence(store: Store, decision: Decision, where: str) -> GateEvidence:
    gate = next((named for named in decision.evidence if named.role == "gate"), None)
    if gate is None:
        raise Refused(f"{where}: names no evidence of a gate; a release needs one")
    try:
        return read_evidence(store, _manifest(store, gate, where))
    except InvalidInput as error:
        raise Refused(f"{where}: its evidence does not hold: {error}") from error


def _check_approvals(
    store: Store, decision: Decision, policy: str, trust: TrustRoots, now: datetime, where: str
) -> None:
    asked = decide_section(policy)
    names = set()
    for named in decision.evidence:
        if named.role == "approval":
            word = verify(_read(store, named, where), trust, named.key)
            counts(word, decision.case, decision.environment, asked.approvers, now, named.key)
            if word.verdict is not Verdict.PASS:
                raise Refused(f"{where}: {word.signer} refused it")
            names.add(word.signer)
    if len(names) < asked.approvals:
        raise Refused(f"{where}: {len(names)} of {asked.approvals} people approved it; ask for the others' word")


def _manifest(store: Store, named: Evidence, where: str) -> Manifest:
    data = _read(store, named, where)
    try:
        return Manifest.read(data, named.key)
    except InvalidInput as error:
        raise Refused(f"{where}: {error}") from error


def _read(store: Store, named: Evidence, where: str) -> bytes:
    try:
        return store.read_verified(named.key, named.digest)
    except InvalidInput as error:
        raise Refused(f"{where}: what it names as {named.role} does not hold: {error}") from error
