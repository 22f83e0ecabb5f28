"""A retraining is started on a decision that the monitor signed for this endpoint, and on nothing else."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.core.canonical import sha256
from components.core.decision import Decision, DecisionKind, Evidence, Verdict, keep_decision
from components.core.errors import InvalidInput, Refused
from components.core.manifest import Kind
from components.core.rows import LABELLED as COLUMNS
from components.core.run_request import RequestedInput, RunRequest
from components.core.signing import sign
from components.core.store import Store
from pipelines import dispatcher
from pipelines.backends import local_run
from pipelines.compile import Compiled
from pipelines.environment import LocalEnvironment
from pipelines.recipe import load_recipe
from pipelines.runs import RunFolder
from tests.core.keyring import Keyring
from tests.pipelines.small import RECIPE

SPEC = "the text of a compiled lifecycle"
NOW = datetime.now(UTC)
A_WORD = dict.fromkeys(COLUMNS.names)


class Project:
    """A recipe, an environment with keys, and what was spawned there."""

    def __init__(self, folder: Path) -> None:
        (folder / "recipe.yaml").write_text(RECIPE)
        self.recipe, self.spawned = load_recipe(folder / "recipe.yaml"), []
        self.keys = Keyring(folder / "keys")
        self.monitor = self.keys.add("monitor")
        self.trust = folder / "trust.json"
        self.trust.write_bytes(self.keys.trust.to_bytes())
        self.environment = LocalEnvironment(
            version=1,
            name="local",
            backend="local",
            store=str(folder / "store"),
            runs=str(folder / "runs"),
            trust=str(self.trust),
        )
        self.store = Store(self.environment.store)

    def spawn(self, folder: RunFolder) -> None:
        folder.claim(os.getpid())
        self.spawned.append(folder.launch())

    def decision(self, **changes: Any) -> Decision:
        """A decision to retrain; signed and kept, unless its signer is another one."""
        given = {
            "kind": DecisionKind.RETRAIN,
            "verdict": Verdict.RETRAIN,
            "permits": "nothing",
            "issued": NOW.isoformat(),
            "expires": (NOW + timedelta(hours=24)).isoformat(),
        }
        decision = self.keys.decision(self.monitor, **{**given, **changes})
        keep_decision(self.store, decision, sign(decision, self.keys.address(self.monitor), self.keys.trust))
        return decision

    def dispatch(self, decision: str, *inputs: RequestedInput, **changes: Any) -> None:
        """Asks on a decision, by its id."""
        given = {"graph": "lifecycle", "spec": sha256(SPEC), "recipe": self.recipe.digest, "environment": "local"}
        request = RunRequest(**{**given, "asker": "monitoring", "decision": decision, "inputs": inputs, **changes})
        request.put(self.store)
        dispatcher.dispatch(request.name, self.recipe, self.environment)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path)
    monkeypatch.setattr(local_run, "_spawn", project.spawn)
    compiled = {"lifecycle": Compiled("lifecycle", "local", SPEC)}
    monkeypatch.setattr("pipelines.compile.compile_graphs", lambda *_: compiled)
    return project


def test_a_retraining_is_started_with_what_was_corrected(project: Project, commit_rows) -> None:
    corrected = commit_rows(Kind.FEEDBACK, [])
    given = RequestedInput(role="corrected", content_digest=corrected.content_digest, reference=corrected.reference())
    evidence = Evidence(role="corrected", key=corrected.key, digest=corrected.digest)
    project.dispatch(project.decision(evidence=(evidence,)).id, given)
    (launch,) = project.spawned
    assert (launch.graph, launch.spec) == ("lifecycle", sha256(SPEC))
    assert launch.arguments == {"corrected": corrected.reference()}


def test_what_the_decision_does_not_name_is_not_learned_from(project: Project, commit_rows) -> None:
    named, other = commit_rows(Kind.FEEDBACK, []), commit_rows(Kind.FEEDBACK, [A_WORD])
    decision = project.decision(evidence=(Evidence(role="corrected", key=named.key, digest=named.digest),))
    foreign = RequestedInput(role="corrected", content_digest=other.content_digest, reference=other.reference())
    for inputs in ((foreign,), ()):
        with pytest.raises(Refused, match="something else than its decision names"):
            project.dispatch(decision.id, *inputs)
    assert project.spawned == []


def test_one_decision_starts_one_run_however_often_it_is_asked_for(project: Project) -> None:
    decision = project.decision()
    for _ in range(3):
        project.dispatch(decision.id)
    assert len(project.spawned) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": Verdict.WAIT},
        {"verdict": Verdict.ALERT},
        {"endpoint": "other"},
        {"environment": "production"},
    ],
)
def test_another_decision_of_the_monitors_starts_nothing(project: Project, changes: dict[str, Any]) -> None:
    decision = project.decision(**changes)
    with pytest.raises(Refused, match="not on one to retrain"):
        project.dispatch(decision.id)
    assert project.spawned == []


def test_a_decision_of_another_kind_starts_nothing(project: Project) -> None:
    project.monitor = project.keys.add("release")
    project.trust.write_bytes(project.keys.trust.to_bytes())
    decision = project.decision(kind=DecisionKind.RELEASE, verdict=Verdict.PASS)
    with pytest.raises(Refused, match="rests on a decision of kind release"):
        project.dispatch(decision.id)
    assert project.spawned == []


def test_an_expired_decision_starts_nothing(project: Project) -> None:
    hours = {"issued": NOW - timedelta(hours=25), "expires": NOW - timedelta(hours=1)}
    decision = project.decision(**{name: moment.isoformat() for name, moment in hours.items()})
    with pytest.raises(Refused, match="expired at"):
        project.dispatch(decision.id)
    assert project.spawned == []


def test_a_decision_of_the_future_starts_nothing(project: Project) -> None:
    hours = {"issued": NOW + timedelta(hours=1), "expires": NOW + timedelta(hours=25)}
    decision = project.decision(**{name: moment.isoformat() for name, moment in hours.items()})
    with pytest.raises(Refused, match="one of the two clocks is wrong"):
        project.dispatch(decision.id)
    assert project.spawned == []


def test_a_forged_decision_starts_nothing(project: Project) -> None:
    decision = project.decision()
    other = Keyring(project.trust.parent / "stolen")
    forger = other.add("monitor")
    forged = decision.model_copy(update={"key_id": forger.key_id})
    project.store.write(forged.key, sign(forged, other.address(forger), other.trust))
    with pytest.raises(Refused, match="a key that nobody trusts"):
        project.dispatch(forged.id)
    changed = project.store.read(decision.key).replace(b'"sig":"', b'"sig":"A', 1)
    project.store.write(decision.key, changed)
    with pytest.raises(Refused):
        project.dispatch(decision.id)
    assert project.spawned == []


def test_a_decision_under_the_name_of_another_starts_nothing(project: Project) -> None:
    decision = project.decision()
    project.store.write(f"decisions/{'0' * 64}.json", project.store.read(decision.key))
    with pytest.raises(Refused, match="holds another decision"):
        project.dispatch("0" * 64)
    assert project.spawned == []


def test_a_decision_that_the_release_signed_starts_nothing(project: Project) -> None:
    """Who may sign a release may not sign a retraining."""
    release = project.keys.add("release", signs=(DecisionKind.RETRAIN,))
    strict = project.keys.change(release, signs=(DecisionKind.GATE, DecisionKind.RELEASE))
    project.trust.write_bytes(strict.to_bytes())
    project.monitor = release
    decision = project.decision()
    with pytest.raises(Refused, match="release may sign gate, release"):
        project.dispatch(decision.id)
    assert project.spawned == []


def test_a_decision_that_is_not_there_starts_nothing(project: Project) -> None:
    for named in ("1" * 64, ""):
        with pytest.raises((Refused, InvalidInput)):
            project.dispatch(named)
    assert project.spawned == []


def test_the_monitor_may_not_ask_for_a_release(project: Project) -> None:
    with pytest.raises(Refused, match="monitoring may not ask for release"):
        project.dispatch(project.decision().id, graph="release")
    assert project.spawned == []


def test_nobody_but_the_monitor_asks_for_a_lifecycle(project: Project) -> None:
    with pytest.raises(Refused, match="lifecycle may not ask for lifecycle"):
        project.dispatch(project.decision().id, asker="lifecycle")
    assert project.spawned == []
