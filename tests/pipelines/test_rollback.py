from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.core.decision import DecisionKind, Permits
from components.core.endpoint import Observed, Phase, Standby
from components.core.errors import InvalidInput, Refused
from components.core.manifest import Manifest
from components.core.signing import read_decision
from components.core.store import Store
from components.core.trust import read_trust
from pipelines import endpoint_changes
from pipelines.endpoint_changes import break_glass, endpoints_of, follow, freeze, rollback
from pipelines.environment import LocalEnvironment
from pipelines.keys import kinds, new_key
from pipelines.standby import way_back

WHY = {"name": "anna", "reason": "wrong queues since noon"}
TYPED = ("--as", "anna", "--reason", "wrong queues since noon")


@pytest.fixture
def newer(environment: LocalEnvironment, serving: Manifest, add_model) -> Manifest:
    """What serves since the first one does no more."""
    model = add_model("newer")
    break_glass(environment, "helpdesk", model.key, name="anna", reason="a better one")
    return model


def test_a_rollback_is_signed_and_leads_to_what_served_before(environment, serving: Manifest, newer: Manifest) -> None:
    change = rollback(environment, "helpdesk", **WHY)
    assert (change.state.champion, change.state.previous) == (serving.named, newer.named)
    decision = read_decision(Store(environment.store), change.decision.id, read_trust(environment.trust))
    assert (decision.kind, decision.permits, decision.signer) == (DecisionKind.ROLLBACK, Permits.CHAMPION, "anna")
    assert (decision.subject, decision.incumbent) == (serving.named, newer.digest)
    assert decision.reasons[0].text == "wrong queues since noon"


def test_a_second_one_leads_back_again(environment, serving: Manifest, newer: Manifest) -> None:
    rollback(environment, "helpdesk", **WHY)
    assert rollback(environment, "helpdesk", **WHY).state.champion == newer.named


def test_where_nothing_served_before_there_is_nothing_to_go_back_to(environment, serving: Manifest) -> None:
    with pytest.raises(Refused, match="helpdesk: nothing served there before; there is nothing to go back to"):
        rollback(environment, "helpdesk", **WHY)
    with pytest.raises(InvalidInput, match="did you mean helpdesk"):
        rollback(environment, "helpdsek", **WHY)


def test_a_frozen_endpoint_and_a_key_that_may_not_are_refused(environment, serving: Manifest, newer: Manifest) -> None:
    new_key(environment, "ben", signs=kinds("approval"))
    with pytest.raises(Refused, match="ben may sign approval"):
        rollback(environment, "helpdesk", name="ben", reason="x")
    freeze(environment, "helpdesk", **WHY)
    with pytest.raises(Refused, match=r"is frozen by decision .*break the glass"):
        rollback(environment, "helpdesk", **WHY)
    assert endpoints_of(environment).read("helpdesk").champion == newer.named


def test_the_registry_is_not_in_its_way_and_follows(
    environment, serving: Manifest, newer: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        endpoint_changes, "project_aliases", lambda address, state, store: seen.append(state.champion) or "is away"
    )
    change = rollback(environment, "helpdesk", **WHY)
    assert (seen, change.behind) == ([], "")
    assert follow(environment, change) == "is away"
    assert seen == [serving.named]


def test_on_the_command_line_audit_and_verify_hold_after_it(
    environment, serving: Manifest, newer: Manifest, sluice
) -> None:
    code, out, _ = sluice("rollback", "helpdesk", *TYPED)
    assert code == 0
    assert f"helpdesk: back on {serving.digest[:12]}… from generation 3" in out
    code, out, _ = sluice("audit", "helpdesk")
    assert (code, "rollback by anna" in out, "wrong queues since noon" in out) == (0, True, True)
    code, out, _ = sluice("verify", "helpdesk")
    assert (code, "rollback pass" in out) == (0, True)
    path = Path(environment.store) / serving.shards[-1].uri
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    assert sluice("verify", "helpdesk")[0] == 3
    assert sluice("rollback", "helpdesk", *TYPED)[0] == 0


def test_a_rollback_that_cannot_be_is_a_sentence_and_exit_3(environment, serving: Manifest, sluice) -> None:
    code, out, complaint = sluice("rollback", "helpdesk", *TYPED)
    assert (code, out, "nothing to go back to" in complaint) == (3, "", True)
    assert sluice("rollback", "helpdesk", "--as", "anna")[0] == 2


# What was observed, beside what should serve.


def seen(environment: LocalEnvironment, **fields) -> None:
    now = datetime.now(UTC).isoformat()
    given = {"phase": Phase.STEADY, "generation": 1, "address": "http://127.0.0.1:8080/v1", "heartbeat": now}
    endpoints_of(environment).observe(Observed(endpoint="helpdesk", since=now, **{**given, **fields}))


def test_endpoints_shows_what_was_seen_to_serve(environment, serving: Manifest, newer: Manifest, sluice) -> None:
    assert "nobody serves it here yet" in sluice("endpoints")[1]
    assert json.loads(sluice("endpoints", "helpdesk", "--json")[1])["observed"] is None
    seen(environment, champion=newer.digest)
    out = sluice("endpoints")[1]
    assert f"seen to serve {newer.digest[:12]}… at http://127.0.0.1:8080/v1, generation 1, steady" in out
    assert "metrics" not in out
    assert json.loads(sluice("endpoints", "--json")[1])[0]["observed"]["phase"] == "steady"


def test_endpoints_says_where_prometheus_asks_while_somebody_serves(environment, serving: Manifest, sluice) -> None:
    metrics = "http://127.0.0.1:9080/metrics"
    seen(environment, champion=serving.digest, metrics=metrics)
    assert f"metrics for Prometheus at {metrics}" in sluice("endpoints")[1]
    seen(environment, champion=serving.digest, metrics=metrics, heartbeat="2026-01-01T00:00:00+00:00")
    assert "metrics" not in sluice("endpoints")[1]


def started(model: Manifest, ago: float, fault: str = "") -> Standby:
    return Standby(model=model.digest, since=(datetime.now(UTC) - timedelta(seconds=ago)).isoformat(), fault=fault)


@pytest.mark.parametrize(
    ("observed", "readiness", "shown", "moves"),
    [
        (lambda _: None, "nobody serves", None, "nobody serves it now: it serves once `sluice serve` runs"),
        (
            lambda model: {"previous": model.digest},
            "warm",
            "{}: warm (a rollback takes under two seconds)",
            "{} was warm: traffic moves within two seconds",
        ),
        (
            lambda model: {"standby": started(model, 0), "start_seconds": 3600},
            "starting",
            "{}: starting (a rollback takes until it is ready, about 3600 s)",
            "{} is still starting: traffic moves when it is ready, about 3600 s",
        ),
        (
            lambda model: {"standby": started(model, 3600), "start_seconds": 5},
            "starting",
            "{}: starting (a rollback takes until it is ready, about 1 s)",
            "{} is still starting: traffic moves when it is ready, about 1 s",
        ),
        (
            lambda model: {"standby": started(model, 1)},
            "starting",
            "{}: starting (a rollback takes until it is ready)",
            "{} is still starting: traffic moves when it is ready\n",
        ),
        (
            lambda model: {"standby": started(model, 9, "no memory\x1b[2J"), "start_seconds": 5},
            "does not come up",
            "{}: does not come up (a rollback moves nothing until it does): no memory",
            "{} did not come up, and traffic stays until it does: no memory",
        ),
        (
            lambda _: {"start_seconds": 4.2},
            "not running",
            "{}: not running (a rollback starts it first, about 5 s)",
            "{} was not running: it starts now, and traffic moves when it is ready, about 5 s",
        ),
    ],
)
def test_how_long_a_rollback_takes_is_said_before_it_and_after_it(
    environment, serving: Manifest, newer: Manifest, sluice, observed, readiness: str, shown: str | None, moves: str
) -> None:
    given, name = observed(serving), f"{serving.digest[:12]}…"
    if given is not None:
        seen(environment, generation=2, champion=newer.digest, **given)
    before = sluice("endpoints", "helpdesk")[1]
    assert f"previous {shown.format(name)}" in before if shown else "previous" not in before
    code, out, _ = sluice("rollback", "helpdesk", *TYPED)
    assert (code, "\x1b" in out + before) == (0, False)
    assert moves.format(name) in out
    # Of what serves since then nothing is known yet: it is not what was seen as being ready.
    code, out, _ = sluice("rollback", "helpdesk", *TYPED, "--json")
    assert json.loads(out)["way"]["readiness"] == ("nobody serves" if given is None else "not running")
    assert way_back(serving.named, endpoints_of(environment).observed("helpdesk"), datetime.now(UTC)).readiness == (
        readiness
    )


def test_a_supervisor_that_is_dead_or_was_ended_serves_nothing(environment, serving: Manifest, sluice) -> None:
    seen(environment, champion=serving.digest, heartbeat="2026-01-01T00:00:00+00:00")
    assert "seen to serve nothing, generation 1, silent: its supervisor is dead" in sluice("endpoints")[1]
    seen(environment, phase=Phase.STOPPED)
    assert "seen to serve nothing, generation 1, stopped" in sluice("endpoints")[1]
    seen(environment, phase=Phase.FAILED, reason="no memory\x1b[2J", champion=serving.digest)
    out = sluice("endpoints")[1]
    assert "failed" in out
    assert "no memory" in out
    assert "\x1b" not in out
