"""``Decision``: who decided what about which model, on which evidence. What moves a model forward is one, signed.

On the wire it is an in-toto statement v1 (https://github.com/in-toto/attestation): the subject is the model by the
digest of its manifest, the predicate the decision itself. ``signing`` puts it into an envelope.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from components.core.canonical import canonical_json, sha256
from components.core.contract import Contract
from components.core.errors import InvalidInput, Refused
from components.core.manifest import Part, Reference, read_beside, read_manifest
from components.core.moment import parse_moment
from components.core.store import Store

FOLDER = "decisions"
ENVELOPE = "envelope.json"
"""The object of a step's output that holds the envelope of its decision."""
POLICY = "policy.json"
"""The object beside it that holds the policy."""
BESIDE = frozenset({"no_incumbent", "word_ignored"})
"""Codes of reasons that a reader must know of and that decide nothing."""
MOST_TOLD = 3
"""Reasons of a refusal that are quoted where there is room for a sentence."""
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:sluice:decision:v1"


class DecisionKind(StrEnum):
    """What is decided. A key is trusted for some of these, not for all."""

    GATE = "gate"  # the policy holds, and people are asked besides
    APPROVAL = "approval"  # a person's word on a gate's decision
    RELEASE = "release"  # the model may serve, or may not
    ROLLBACK = "rollback"
    RETRAIN = "retrain"
    FREEZE = "freeze"
    THAW = "thaw"
    BREAK_GLASS = "break_glass"  # a person lets a model serve past gate and freeze


class Verdict(StrEnum):
    """What a step that decides says; the graph branches on it."""

    PASS = "pass"
    HOLD = "hold"
    REFUSE = "refuse"
    SERVES = "serves"  # the candidate is what serves already: nothing to decide
    RETRAIN = "retrain"
    WAIT = "wait"
    ALERT = "alert"  # people must look: the monitor saw nothing, or too little to say that all is well


class Permits(StrEnum):
    """The transition of an endpoint that a decision permits."""

    NOTHING = "nothing"
    CHAMPION = "champion"  # the subject becomes what serves
    FREEZE = "freeze"
    THAW = "thaw"


class Reason(Part):
    """Why a decision is as it is, one claim or fault each."""

    code: str = Field(description="A word for scripts, such as `margin_holds` or `suite_too_small`.")
    text: str = Field(description="A sentence for a person.")
    claim: str = Field(default="", description="The claim of the policy, such as `exam: margin 0.02`.")
    holds: bool = False
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None


class Evidence(Part):
    """What a decision rests on: an object of the store by place and digest."""

    role: str
    key: str
    digest: str

    @property
    def manifest(self) -> Reference:
        """The manifest by place and digest; evidence does not say what it holds."""
        return Reference(key=self.key, digest=self.digest, content_digest="")


class Decision(Contract):
    """One decision about one endpoint. Its id is the digest of the statement that is signed."""

    kind: DecisionKind
    endpoint: str
    environment: str
    subject: Reference | None = Field(default=None, description="The model's manifest; none for freeze and thaw.")
    incumbent: str = Field(default="", description="Digest of the manifest of what served; empty for nothing.")
    verdict: Verdict
    permits: Permits = Permits.NOTHING
    reasons: tuple[Reason, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    policy: str = Field(default="", description="Digest of the policy that it was decided by.")
    case: str = Field(default="", description="Digest of what a gate and people decide about; equal for the same case.")
    issued: str = Field(description="UTC, ISO 8601.")
    expires: str = Field(description="UTC, ISO 8601: nobody may act on it afterwards.")
    signer: str = Field(description="Who signs, by the name in the trust roots.")
    key_id: str = Field(description="Id of the key that signs.")

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if parse_moment(self.expires) < parse_moment(self.issued):
            raise ValueError("expires before it is issued")
        if self.permits is Permits.CHAMPION and (self.subject is None or self.verdict is not Verdict.PASS):
            raise ValueError("permits a champion, but names no model or does not pass")
        return self

    @property
    def id(self) -> str:
        """SHA-256 of the statement's bytes: what approvals, states and requests name."""
        return sha256(self.statement())

    @property
    def key(self) -> str:
        """Where its envelope lies in the store."""
        return decision_key(self.id)

    @property
    def issued_at(self) -> datetime:
        """When it was signed, as the signer's clock had it."""
        return parse_moment(self.issued)

    @property
    def expires_at(self) -> datetime:
        """From when on nobody may act on it."""
        return parse_moment(self.expires)

    @property
    def told(self) -> tuple[Reason, ...]:
        """Its reasons as a person reads them: where it refuses, what refused comes before what held."""
        refusing = self._refusing
        return (*refusing, *(reason for reason in self.reasons if reason not in refusing))

    @property
    def because(self) -> str:
        """Why it is as it is, in a sentence: its first reason, or all that refused; empty where it gives none."""
        chosen = self._refusing or self.reasons[:1]
        more = len(chosen) - MOST_TOLD
        texts = "; ".join(reason.text.rstrip(".") for reason in chosen[:MOST_TOLD])
        return f"{texts}; and {more} more" if more > 0 else texts

    @property
    def _refusing(self) -> tuple[Reason, ...]:
        """What refused; a fault or a person's word does so whatever the claims of the policy say."""
        if self.verdict is not Verdict.REFUSE:
            return ()
        failed = tuple(reason for reason in self.reasons if not reason.holds and reason.code not in BESIDE)
        return tuple(reason for reason in failed if not reason.claim) or failed

    def statement(self) -> bytes:
        """The in-toto statement: what is signed, in canonical JSON."""
        named = self.subject or Reference(key=self.endpoint, digest=sha256(self.endpoint), content_digest="")
        return canonical_json(
            {
                "_type": STATEMENT,
                "subject": [{"name": named.key, "digest": {"sha256": named.digest}}],
                "predicateType": PREDICATE,
                "predicate": self.model_dump(mode="json"),
            }
        ).encode()

    @classmethod
    def from_statement(cls, statement: bytes, where: str) -> Decision:
        """The decision of an in-toto statement. Raises Refused unless the bytes are exactly those it is written as."""
        try:
            document: dict[str, Any] = json.loads(statement)
            decision = cls.read(canonical_json(document["predicate"]), where)
        except (ValueError, KeyError, TypeError, RecursionError, InvalidInput) as error:
            raise Refused(f"{where}: holds no decision ({error}); take it as it was signed") from error
        if decision.statement() != statement:
            raise Refused(f"{where}: its statement is not canonical; take the decision as it was signed")
        return decision


def decision_key(decision: str) -> str:
    """Where the envelope of a decision lies, by its id."""
    return f"{FOLDER}/{decision}.json"


def decision_in(store: Store, output: Reference) -> Decision:
    """The decision that a step's output holds. It is not verified: ``signing.read_decision`` does that by its id."""
    envelope = read_beside(store, read_manifest(store, output), ENVELOPE, "decision", "decide")
    return Decision.from_statement(payload_of(envelope, output.key), output.key)


def payload_of(envelope: bytes, where: str) -> bytes:
    """What a DSSE envelope carries, whoever signed it. Raises Refused for what is no envelope."""
    try:
        return base64.b64decode(json.loads(envelope)["payload"], validate=True)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused(
            f"{where}: holds something else and is no envelope of a decision ({error}); take it as it was signed"
        ) from error


def keep_decision(store: Store, decision: Decision, envelope: bytes) -> None:
    """Keeps a decision's envelope under its id; it is never changed."""
    store.create(decision.key, envelope)
