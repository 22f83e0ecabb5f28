"""A person's word about a run that is held: it is signed, kept beside the case, and the release is asked for again.

The run that was held stays as it is. What goes on is a run of its own, asked for by the signed word, so it goes on in
the same way on every backend and holds nothing open while people think.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.core.decision import Decision, DecisionKind, Reason, Verdict, decision_in, keep_decision
from components.core.endpoint import open_endpoints
from components.core.errors import InvalidInput, Refused
from components.core.run import Run, State
from components.core.run_request import RunRequest
from components.core.signing import sign
from components.core.store import Store
from components.core.trust import TrustRoots, read_trust
from components.release.decide.settings import Decide
from components.release.people import Words, say, words_about
from pipelines.dispatcher import PEOPLE, read_request
from pipelines.environment import Environment
from pipelines.keys import key_address


@dataclass(frozen=True)
class Said:
    """A word that was kept, who else is waited for, and the request that it makes where nobody is."""

    decision: Decision
    names: tuple[str, ...]
    missing: int
    request: str = ""


def held_case(run: Run, store: Store) -> Decision:
    """What a held run waits for people to say. Raises Refused when the run is not held."""
    step = next((step for step in run.steps if step.name == "decide" and "decision" in step.outputs), None)
    if run.state is not State.HELD or step is None:
        raise Refused(f"run {run.run}: is {run.state}, it does not wait for anybody's word")
    return decision_in(store, step.outputs["decision"])


def speak(
    run: Run,
    settings: Decide,
    environment: Environment,
    *,
    name: str,
    verdict: Verdict,
    reason: str,
    now: datetime | None = None,
) -> Said:
    """Signs what ``name`` says about a held run, and asks for its release again when nobody else is waited for.

    Who has said the same before is not asked to sign again: what was broken off goes on. Raises InvalidInput for an
    empty reason, Refused when the run is not held, the person was not asked or has said the opposite, the case was
    refused, or the model serves already.
    """
    store, roots, now = Store(environment.store), read_trust(environment.trust), now or datetime.now(UTC)
    if not reason.strip():
        raise InvalidInput("--reason: is empty; say why, it stands in the audit")
    case = held_case(run, store)

    def words() -> Words:
        return words_about(store, case.case, roots, now, environment.name, settings.approvers)

    roots.key_for(roots.active_key(name).key_id, DecisionKind.APPROVAL, environment.name, now)
    if settings.approvers and name not in settings.approvers:
        raise Refused(f"{name} was not asked about {case.endpoint}; {', '.join(settings.approvers)} are")
    word = _spoken(words(), name, verdict)
    if word is None:
        _check_open(case, environment)
        word = _word(case, name, verdict, reason.strip(), roots, now, timedelta(hours=settings.valid_hours))
        envelope = sign(word, key_address(environment, name), roots)
        keep_decision(store, word, envelope)
        say(store, word, envelope)
    # Also where it was spoken before: what was broken off goes on, and asking twice asks once.
    spoken = words()
    missing = 0 if spoken.refusal else max(settings.approvals - len(spoken.names), 0)
    return Said(word, spoken.names, missing, "" if missing else _ask_again(run, word, store))


def _spoken(words: Words, name: str, verdict: Verdict) -> Decision | None:
    """The same word, where this person has spoken it already. Raises Refused where the case is closed to it."""
    before = next((word.decision for word in words.counted if word.decision.signer == name), None)
    if before and before.verdict is not verdict:
        raise Refused(f"{name} has said {before.verdict} about this case already; a word cannot be taken back")
    if words.refusal and not before:
        raise Refused(f"{words.refusal.decision.signer} has refused this case; train another candidate")
    return before


def _check_open(case: Decision, environment: Environment) -> None:
    serving = open_endpoints(environment.endpoints).read(case.endpoint).champion
    if serving and case.subject and serving.digest == case.subject.digest:
        raise Refused(f"{case.endpoint}: this candidate serves already; there is nothing left to say about it")


def _word(
    case: Decision, name: str, verdict: Verdict, reason: str, roots: TrustRoots, now: datetime, holds: timedelta
) -> Decision:
    """What ``name`` says about a case, unsigned."""
    return Decision(
        kind=DecisionKind.APPROVAL,
        endpoint=case.endpoint,
        environment=case.environment,
        subject=case.subject,
        incumbent=case.incumbent,
        verdict=verdict,
        reasons=(Reason(code="approved" if verdict is Verdict.PASS else "refused", text=reason),),
        policy=case.policy,
        case=case.case,
        issued=now.isoformat(),
        expires=(now + holds).isoformat(),
        signer=name,
        key_id=roots.active_key(name).key_id,
    )


def _ask_again(run: Run, word: Decision, store: Store) -> str:
    """The request for the release of the same artifacts, resting on the word; returns its name."""
    before = read_request(store, run.asked_by)
    asked = RunRequest(
        graph=run.graph,
        spec=before.spec,
        recipe=before.recipe,
        environment=before.environment,
        inputs=before.inputs,
        asker=PEOPLE,
        decision=word.id,
        case=word.case,
    )
    asked.put(store)
    return asked.name
