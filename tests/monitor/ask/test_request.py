"""What the monitor asks for, and on which word."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.attempt import Attempt, Outcome
from components.core.decision import decision_in
from components.core.errors import Refused
from components.core.manifest import Manifest, resolve_reference
from components.core.run_request import RunRequest
from components.monitor.ask.request import ask
from components.monitor.ask.settings import Ask
from components.monitor.observe.records import windows
from tests.monitor.windows import ENDPOINT, START, WEEK, Watched


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    watched = Watched(tmp_path)
    for number in range(4):
        watched.evidence(number)
    return watched


def asked(watched: Watched, decision: Manifest, corrected: Manifest) -> Outcome:
    given = {"spec": "5" * 64, "recipe": "7" * 64, "environment": "local"}
    return ask(Attempt(watched.store, "ask"), decision, corrected, Ask(), **given)


def named(watched: Watched) -> Manifest:
    """The corrections of the last window, as its record names them."""
    last = windows(watched.store, ENDPOINT, START + 100 * WEEK, None, {})[-1]
    return Manifest.read(watched.store.read(last.outputs["corrected"].key), "corrected")


def test_a_retraining_is_asked_for_on_its_decision_with_what_was_corrected(watched: Watched) -> None:
    decision = watched.week(4, 150).manifests["decision"]
    outcome = asked(watched, decision, named(watched))
    request = RunRequest.read(watched.store.read(f"requests/{outcome.word}.json"), "request")
    assert request.name == outcome.word
    assert (request.graph, request.asker, request.environment) == ("lifecycle", "monitoring", "local")
    assert request.decision == decision_in(watched.store, decision.named).id
    (given,) = request.inputs
    assert given.role == "corrected"
    assert resolve_reference(watched.store, given.reference) == named(watched)


def test_asking_twice_asks_once(watched: Watched) -> None:
    decision = watched.week(4, 150).manifests["decision"]
    words = {asked(watched, decision, named(watched)).word for _ in range(2)}
    assert len(words) == len(watched.store.list("requests")) == 1


def test_nothing_is_asked_for_on_a_decision_to_wait(watched: Watched) -> None:
    decision = watched.week(4).manifests["decision"]
    with pytest.raises(Refused, match="decides to wait, not to retrain"):
        asked(watched, decision, named(watched))
    assert watched.store.list("requests") == []


def test_other_corrections_than_the_decision_names_are_refused(watched: Watched) -> None:
    decision = watched.week(4, 150).manifests["decision"]
    with pytest.raises(Refused, match="is not what decision"):
        asked(watched, decision, watched.corrected(99))
    assert watched.store.list("requests") == []


def test_the_same_corrections_of_another_attempt_are_the_same(watched: Watched) -> None:
    decision = watched.week(4, 150).manifests["decision"]
    again = watched.corrected(4)
    assert again.digest != named(watched).digest
    assert asked(watched, decision, again).word


def test_a_decision_that_names_no_corrections_allows_none(watched: Watched) -> None:
    evidence = watched.evidence(4, 150)
    watched.store.remove("windows")
    decision = watched.decide(evidence, 4).manifests["decision"]
    with pytest.raises(Refused, match="is not what decision"):
        asked(watched, decision, watched.corrected(4))
