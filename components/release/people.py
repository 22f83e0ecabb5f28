"""What people said about a case: signed approvals and refusals, kept in the store beside the case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from components.core.decision import Decision, DecisionKind, Reason, Verdict
from components.core.errors import InvalidInput, Refused
from components.core.signing import check_moment, verify
from components.core.store import Store
from components.core.trust import TrustRoots

FOLDER = "approvals"


@dataclass(frozen=True)
class Word:
    """One person's word: the decision, and where its envelope lies."""

    decision: Decision
    key: str
    envelope: bytes


@dataclass(frozen=True)
class Words:
    """All that counts about a case, and what was found there and does not count."""

    counted: tuple[Word, ...]
    ignored: tuple[Reason, ...] = ()

    @property
    def refusal(self) -> Word | None:
        """The first refusal: one is enough."""
        return next((word for word in self.counted if word.decision.verdict is Verdict.REFUSE), None)

    @property
    def approvals(self) -> tuple[Word, ...]:
        """One approval of each person."""
        by_name = {word.decision.signer: word for word in reversed(self.counted)}
        return tuple(sorted(by_name.values(), key=lambda word: word.decision.signer))

    @property
    def names(self) -> tuple[str, ...]:
        """Who approved."""
        return tuple(word.decision.signer for word in self.approvals)


def say(store: Store, decision: Decision, envelope: bytes) -> None:
    """Keeps a person's word about the case that it names."""
    store.create(word_key(decision.case, decision.id), envelope)


def words_about(
    store: Store, case: str, trust: TrustRoots, now: datetime, environment: str, approvers: tuple[str, ...] = ()
) -> Words:
    """What people said about a case, each word verified. ``approvers`` names who is asked; empty for everybody.

    A word that was forged, has expired or is about something else does not count, and does no harm.
    """
    counted: list[Word] = []
    ignored: list[Reason] = []
    for key in store.list(f"{FOLDER}/{case}"):
        try:
            envelope = store.read(key)
            decision = counts(verify(envelope, trust, key), case, environment, approvers, now, key)
        except (Refused, InvalidInput) as error:
            ignored.append(Reason(code="word_ignored", text=str(error)))
        else:
            counted.append(Word(decision, key, envelope))
    return Words(tuple(counted), tuple(ignored))


def counts(
    decision: Decision, case: str, environment: str, approvers: tuple[str, ...], now: datetime, where: str
) -> Decision:
    """The decision, if it is a word about this case that counts now. Raises Refused otherwise.

    An approval expires, a refusal does not: the case is closed.
    """
    check_moment(decision, now if decision.verdict is Verdict.PASS else decision.issued_at, where)
    if decision.kind is not DecisionKind.APPROVAL or decision.case != case or decision.environment != environment:
        raise Refused(f"{where}: is no word about this case; it is about {decision.case[:12] or decision.kind}")
    if approvers and decision.signer not in approvers:
        raise Refused(f"{where}: {decision.signer} was not asked; {', '.join(approvers)} are")
    return decision


def word_key(case: str, decision: str) -> str:
    """Where a word about a case lies, by the ids of both."""
    return f"{FOLDER}/{case}/{decision}.json"
