from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.core.decision import Permits, Reason, Verdict, keep_decision
from components.core.endpoint import EndpointState
from components.core.errors import InvalidInput
from components.core.manifest import Manifest
from components.core.signing import FILE, sign
from components.core.store import Store
from components.core.trust import read_trust
from pipelines.audit import Entry, audit
from pipelines.endpoint_changes import break_glass, endpoints_of, freeze, thaw
from pipelines.environment import LocalEnvironment
from pipelines.keys import revoke_key, rotate_key
from tests.core.keyring import Keyring

WHY = {"name": "anna", "reason": "launch week"}


def audited(environment: LocalEnvironment, endpoint: str = "", **given) -> list[Entry]:
    roots = read_trust(environment.trust)
    return audit(Store(environment.store), endpoints_of(environment), roots, environment.name, endpoint, **given)


def test_the_audit_tells_every_change_in_order_and_that_it_holds(environment, serving: Manifest, add_model) -> None:
    model = add_model("hotfix")
    freeze(environment, "helpdesk", **WHY)
    break_glass(environment, "helpdesk", model.key, name="anna", reason="outage 4711")
    rotate_key(environment, "anna")
    thaw(environment, "helpdesk", name="anna", reason="over")
    entries = audited(environment, "helpdesk")
    assert [(entry.generation, entry.kind, entry.who, entry.frozen) for entry in entries] == [
        (1, "break_glass", "anna", False),
        (2, "freeze", "anna", True),
        (3, "break_glass", "anna", True),
        (4, "thaw", "anna", False),
    ]
    assert [entry.fault for entry in entries] == [""] * 4
    assert [entry.broke_the_glass for entry in entries] == [True, False, True, False]
    assert (entries[2].served, entries[2].serves) == (serving.digest, model.digest)
    assert "break_glass: outage 4711" in entries[2].reasons


def test_a_revoked_key_takes_its_changes_with_it(environment, serving: Manifest) -> None:
    freeze(environment, "helpdesk", **WHY)
    revoke_key(environment, "anna", why="stolen")
    assert all("revoked" in entry.fault for entry in audited(environment))


def test_a_decision_that_is_gone_or_was_changed_is_a_fault(environment, serving: Manifest) -> None:
    change = freeze(environment, "helpdesk", **WHY)
    path = Path(environment.store) / change.decision.key
    envelope = path.read_bytes()
    path.write_bytes(envelope + b" ")
    assert [bool(entry.fault) for entry in audited(environment)] == [False, True]
    path.unlink()
    assert ["there is no decisions/" in entry.fault for entry in audited(environment)] == [False, True]
    path.write_bytes(envelope)
    assert [entry.fault for entry in audited(environment)] == ["", ""]


def rewrite(environment: LocalEnvironment, row: int, **fields) -> None:
    """What somebody with the file can do: write a state past the transition."""
    with sqlite3.connect(environment.endpoints.removeprefix("sqlite:///")) as connection:
        query = "select state from generations where generation = ?"
        text = connection.execute(query, (row,)).fetchone()[0]
        state = EndpointState.read(text, "here").model_copy(update=fields)
        change = "update generations set state = ? where generation = ?"
        connection.execute(change, (state.to_bytes().decode(), row))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"champion": None}, "wrote it past the transition"),
        ({"frozen": ""}, "wrote it past the transition"),
        ({"changed": "2020-01-01T00:00:00+00:00"}, "its decision held from"),
        ({"changed": "yesterday"}, "yesterday"),
        ({"generation": 3}, "generation 2 is missing"),
        ({"endpoint": "payments"}, "is about the endpoint|wrote it past"),
    ],
)
def test_a_state_that_was_written_past_the_transition_is_a_fault(
    environment, serving: Manifest, fields: dict, said: str
) -> None:
    freeze(environment, "helpdesk", **WHY)
    rewrite(environment, 2, **fields)
    first, second = audited(environment)
    assert first.fault == ""
    assert any(part in second.fault for part in said.split("|"))


def test_a_generation_that_was_taken_out_is_a_fault(environment, serving: Manifest) -> None:
    freeze(environment, "helpdesk", **WHY)
    thaw(environment, "helpdesk", **WHY)
    with sqlite3.connect(environment.endpoints.removeprefix("sqlite:///")) as connection:
        connection.execute("delete from generations where generation = 2")
    assert ["is missing" in entry.fault for entry in audited(environment)] == [False, True]


def test_a_decision_of_another_environment_under_a_state_is_a_fault(environment, serving: Manifest) -> None:
    roots = read_trust(environment.trust)
    (entry,) = audit(Store(environment.store), endpoints_of(environment), roots, "prod")
    assert "for the environment local" in entry.fault


def test_decisions_that_changed_nothing_are_told_when_asked_for(environment, serving: Manifest) -> None:
    roots, now = read_trust(environment.trust), datetime.now(UTC)
    held = Reason(code="floor_holds", claim="exam: floor 0.25", text="It holds.", holds=True)
    failed = Reason(code="gain_not_shown", claim="exam: gain 0", text="It does not.")
    given = {"verdict": Verdict.REFUSE, "permits": Permits.NOTHING, "reasons": (held, failed)}
    given |= {"issued": now.isoformat(), "expires": (now + timedelta(hours=1)).isoformat()}
    for endpoint in ("helpdesk", "payments"):
        decision = Keyring(Path()).decision(roots.active_key("release"), endpoint=endpoint, **given)
        keep_decision(Store(environment.store), decision, sign(decision, f"{FILE}.sluice/keys/release.pem", roots))
    assert len(audited(environment)) == 1
    mine, other = audited(environment, unused=True)[1:]
    assert (mine.endpoint, mine.generation, mine.kind, mine.verdict) == ("helpdesk", 0, "release", "refuse")
    assert mine.reasons == ("gain_not_shown: It does not.", "floor_holds: It holds."), "what refused comes first"
    assert other.endpoint == "payments"
    assert [entry.endpoint for entry in audited(environment, "helpdesk", unused=True)] == ["helpdesk"] * 2
    Store(environment.store).write(f"decisions/{'0' * 64}.json", b"{}")
    assert [bool(entry.fault) for entry in audited(environment, unused=True)].count(True) == 1


def test_an_endpoint_that_there_is_not_gets_the_nearest(environment, serving: Manifest) -> None:
    with pytest.raises(InvalidInput, match=r"helpdeks: nobody has changed it yet; did you mean helpdesk\?"):
        audited(environment, "helpdeks")


def test_an_audit_that_finds_a_fault_ends_with_3(environment, serving: Manifest, sluice) -> None:
    rewrite(environment, 1, champion=None)
    code, out, _ = sluice("audit")
    assert (code, "✗ helpdesk  generation 1" in out, "1 of them do not hold" in out) == (3, True, True)
    code, out, _ = sluice("audit", "--json")
    assert code == 3
    assert "past the transition" in json.loads(out)[0]["fault"]


def test_a_reason_cannot_move_the_cursor_of_who_reads_the_audit(environment, serving: Manifest, sluice) -> None:
    sluice("freeze", "helpdesk", "--as", "anna", "--reason", "fine\x1b[2J\rnothing to see")
    assert not {"\x1b", "\r"} & set(sluice("audit")[1])
