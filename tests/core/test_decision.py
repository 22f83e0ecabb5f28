from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.core.canonical import canonical_json
from components.core.decision import (
    Decision,
    DecisionKind,
    Evidence,
    Permits,
    Reason,
    Verdict,
    decision_key,
    keep_decision,
)
from components.core.errors import InvalidInput, Refused
from components.core.store import Store
from tests.core.keyring import MODEL, Keyring, moment


@pytest.fixture
def decision(tmp_path: Path) -> Decision:
    ring = Keyring(tmp_path)
    evidence = (Evidence(role="gate", key="gate/a/evidence/manifest.json", digest="e" * 64),)
    return ring.decision(ring.add("release"), evidence=evidence, policy="p" * 64)


def test_a_statement_is_read_back_as_the_same_decision(decision: Decision) -> None:
    again = Decision.from_statement(decision.statement(), "here")
    assert again.model_dump() == decision.model_dump()
    assert again.id == decision.id


def test_the_statement_is_an_in_toto_statement_about_the_models_manifest(decision: Decision) -> None:
    statement = json.loads(decision.statement())
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": MODEL.key, "digest": {"sha256": MODEL.digest}}]
    assert statement["predicateType"] == "urn:sluice:decision:v1"


def test_a_freeze_is_a_statement_about_the_endpoint(tmp_path: Path) -> None:
    ring = Keyring(tmp_path)
    freeze = ring.decision(ring.add("anna"), kind=DecisionKind.FREEZE, permits=Permits.FREEZE, subject=None)
    (subject,) = json.loads(freeze.statement())["subject"]
    assert subject == {"name": "helpdesk", "digest": {"sha256": hashlib.sha256(b"helpdesk").hexdigest()}}
    assert Decision.from_statement(freeze.statement(), "here").id == freeze.id


def test_the_id_is_the_digest_of_the_bytes_that_are_signed(decision: Decision) -> None:
    assert decision.id == hashlib.sha256(decision.statement()).hexdigest()
    assert decision.model_copy(update={"endpoint": "other"}).id != decision.id
    assert decision.key == decision_key(decision.id) == f"decisions/{decision.id}.json"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b'{"_type"', b'{ "_type"'),
        lambda text: text + b"\n",
        lambda text: text.replace(b'"version":1', b'"version":1.0'),
        lambda text: text.replace(b'"estimate":0.75', b'"estimate":7.5e-1'),
        lambda text: text.replace(b"helpdesk", b"help\\u0064esk", 1),
        lambda text: text.replace(MODEL.digest.encode(), b"b" * 64, 1),
        lambda text: text.replace(b"in-toto.io/Statement/v1", b"in-toto.io/Statement/v2"),
        lambda text: text.replace(b"urn:sluice:decision:v1", b"urn:other"),
        lambda text: text.replace(b'"predicateType"', b'"predicate":{},"predicateType"'),
        lambda text: text.replace(b'"subject":[', b'"extra":1,"subject":[', 1),
    ],
    ids=["space", "newline", "number", "exponent", "escape", "subject", "type", "predicate", "twice", "extra"],
)
def test_a_statement_that_is_written_another_way_is_refused(decision: Decision, change) -> None:
    changed = change(decision.statement())
    assert changed != decision.statement()
    with pytest.raises(Refused, match=r"^here: "):
        Decision.from_statement(changed, "here")


def predicate(decision: Decision, **fields) -> bytes:
    document = json.loads(decision.statement())
    document["predicate"] |= fields
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "statement",
    [
        lambda decision: b"",
        lambda decision: b"\xff\xfe",
        lambda decision: b"[]",
        lambda decision: b"{}",
        lambda decision: b'{"predicate":1}',
        lambda decision: b'{"predicate":' + b"[" * 100_000,
        lambda decision: predicate(decision, version=2),
        lambda decision: predicate(decision, kind="promotion"),
        lambda decision: predicate(decision, surprise=1),
        lambda decision: predicate(decision, issued="yesterday"),
        lambda decision: predicate(decision, issued="0001-01-01T00:00:00+23:59"),
        lambda decision: predicate(decision, issued="{{now}}"),
        lambda decision: predicate(decision, endpoint="\ud800"),
        lambda decision: predicate(decision, reasons=[{"code": "a", "text": "b", "estimate": float("nan")}]),
    ],
    ids=[
        *("empty", "binary", "list", "nothing", "number", "deep", "newer"),
        *("kind", "unknown", "moment", "overflow", "placeholder", "surrogate", "nan"),
    ],
)
def test_what_is_no_decision_is_refused_with_a_sentence(decision: Decision, statement) -> None:
    with pytest.raises(Refused, match=r"^here: "):
        Decision.from_statement(statement(decision), "here")


def test_a_decision_cannot_expire_before_it_is_issued(decision: Decision) -> None:
    with pytest.raises(ValidationError, match="expires before it is issued"):
        Decision(**{**decision.model_dump(), "expires": moment(-1)})


@pytest.mark.parametrize("fields", [{"subject": None}, {"verdict": Verdict.HOLD}, {"verdict": Verdict.REFUSE}])
def test_only_one_that_names_a_model_and_passes_permits_a_champion(decision: Decision, fields: dict) -> None:
    with pytest.raises(ValidationError, match="permits a champion"):
        Decision(**{**decision.model_dump(), **fields})


def test_a_moment_that_nobody_filled_in_is_invalid(decision: Decision) -> None:
    with pytest.raises(InvalidInput, match="placeholder"):
        Decision(**{**decision.model_dump(), "issued": "{{schedule}}"})


def test_an_envelope_is_kept_once_and_never_changed(decision: Decision, store: Store) -> None:
    keep_decision(store, decision, b"first")
    keep_decision(store, decision, b"second")
    assert store.read(decision.key) == b"first"


def test_the_statement_is_canonical_json(decision: Decision) -> None:
    assert canonical_json(json.loads(decision.statement())).encode() == decision.statement()


# Why, as a person reads it.

HELD = Reason(code="floor_holds", claim="exam: floor 0.25", text="The floor holds.", holds=True)
FAILED = tuple(
    Reason(code="margin_not_shown", claim=f"exam: margin {one}", text=f"Margin {one} fails.") for one in range(4)
)
NOTE = Reason(code="no_incumbent", text="Nothing serves yet.")
IDLE = Reason(code="no_incumbent", claim="exam: gain 0", text="There is nothing to compare with.")
IGNORED = Reason(code="word_ignored", text="A word has expired.")


def refused(decision: Decision, *reasons: Reason) -> Decision:
    return decision.model_copy(update={"verdict": Verdict.REFUSE, "permits": Permits.NOTHING, "reasons": reasons})


def test_a_refusal_quotes_what_failed_and_not_what_held(decision: Decision) -> None:
    no = refused(decision, IGNORED, HELD, FAILED[0], IDLE, FAILED[1], NOTE)
    assert no.because == "Margin 0 fails; Margin 1 fails"
    assert no.told == (FAILED[0], FAILED[1], IGNORED, HELD, IDLE, NOTE)


def test_a_refusal_with_many_failed_claims_quotes_three_and_counts_the_others(decision: Decision) -> None:
    assert refused(decision, HELD, *FAILED).because == "Margin 0 fails; Margin 1 fails; Margin 2 fails; and 1 more"


def test_a_fault_refuses_whatever_the_claims_say(decision: Decision) -> None:
    fault = Reason(code="incumbent_changed", text="Another one serves now.")
    no = refused(decision, fault, HELD, FAILED[0])
    assert no.because == "Another one serves now"
    assert no.told == (fault, HELD, FAILED[0])


def test_what_does_not_refuse_quotes_its_first_reason(decision: Decision) -> None:
    yes = decision.model_copy(update={"reasons": (HELD, FAILED[0])})
    assert yes.because == "The floor holds"
    assert yes.told == (HELD, FAILED[0])


def test_what_gives_no_reason_quotes_none(decision: Decision) -> None:
    assert decision.model_copy(update={"reasons": ()}).because == ""
    assert refused(decision, HELD, NOTE).because == "The floor holds"
