"""The records of runs, and what a run may ask for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from components.core.canonical import sha256
from components.core.errors import Conflict, InvalidInput, Refused
from components.core.manifest import Kind
from components.core.run import Run, State, StepRun
from components.core.run_request import RequestedInput, RunRequest
from components.core.store import Store
from pipelines import dispatcher
from pipelines.backends import local_run
from pipelines.backends.ask import Ask
from pipelines.compile import Compiled
from pipelines.environment import LocalEnvironment
from pipelines.recipe import load_recipe
from pipelines.runs import Launch, RunFolder, Runs
from tests.pipelines.small import RECIPE


def launched(runs: Runs, name: str) -> RunFolder:
    folder = runs.folder_of(name)
    folder.create(Launch(run=name, graph="lifecycle", recipe={}, environment={}, now="x"))
    return folder


def a_run(name: str, state: State, *steps: StepRun) -> Run:
    facts = dict.fromkeys(("graph", "recipe", "recipe_digest", "environment", "environment_digest"), "x")
    facts["backend"] = "local"
    return Run(run=name, spec="", now="", state=state, steps=steps, **facts)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")


def test_a_run_is_found_by_its_beginning_its_end_or_as_latest(runs: Runs) -> None:
    for name in ("lifecycle-a-1111", "lifecycle-a-2222"):
        runs.point_latest(launched(runs, name))
    assert runs.find("lifecycle-a-1").run == runs.find("1111").run == "lifecycle-a-1111"
    assert runs.find("latest").run == "lifecycle-a-2222"
    with pytest.raises(InvalidInput, match="2 runs match; write more of the id"):
        runs.find("lifecycle")
    with pytest.raises(InvalidInput, match=r"unknown in .*; `sluice runs` lists"):
        runs.find("nosuch")


def test_the_newest_run_comes_first(runs: Runs) -> None:
    for name in ("b", "a", "c"):
        launched(runs, name)
    assert [folder.run for folder in runs] == ["c", "a", "b"]


def test_a_folder_is_made_once(runs: Runs) -> None:
    launched(runs, "one")
    assert not runs.folder_of("one").create(Launch(run="one", graph="x", recipe={}, environment={}, now="y"))


def test_a_run_whose_process_is_gone_has_failed_and_says_how_to_go_on(runs: Runs) -> None:
    folder = launched(runs, "one")
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    folder.claim(gone.pid)
    steps = (StepRun(name="a", state=State.RUNNING), StepRun(name="b"))
    folder.write(a_run("one", State.RUNNING, *steps))
    assert folder.read().state is State.RUNNING
    gone.communicate(b"\n")
    read = folder.read()
    assert [read.state, *(step.state for step in read.steps)] == [State.FAILED, State.FAILED, State.SKIPPED]
    assert "start it again" in read.error


def test_a_run_on_a_service_needs_no_process_here(runs: Runs) -> None:
    folder = launched(runs, "one")
    folder.write(a_run("one", State.RUNNING).model_copy(update={"backend": "vertex"}))
    assert folder.read().state is State.RUNNING


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": "x"}', '{"pid": 1e99, "started": 1}', "\x00\xff"])
def test_a_damaged_record_of_a_process_is_no_process(runs: Runs, content: str) -> None:
    folder = launched(runs, "one")
    (folder.path / "process.json").write_text(content)
    assert not folder.alive()
    assert folder.orphans() == []


def test_a_stranger_with_the_workers_number_is_no_orphan(runs: Runs) -> None:
    folder = launched(runs, "one")
    code = "input()  # kfp.dsl.executor_main"
    stranger = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, start_new_session=True)
    (folder.path / "process.json").write_text(json.dumps({"pid": stranger.pid, "started": 1.0}))
    assert folder.orphans() == []
    stranger.communicate(b"\n")


def test_one_damaged_record_does_not_hide_the_others(runs: Runs) -> None:
    launched(runs, "good").write(a_run("good", State.DONE))
    (launched(runs, "bad").path / "run.json").write_text("{")
    found = {folder.run: record for folder, record in runs.records()}
    assert isinstance(found["bad"], InvalidInput)
    assert found["good"].state is State.DONE


def test_a_folder_in_the_place_of_latest_is_not_overwritten(asked) -> None:
    recipe, environment, spawned = asked
    (Path(environment.runs) / "latest").mkdir(parents=True)
    with pytest.raises(InvalidInput, match="is no link of ours; move it away"):
        local_run.start(Ask("lifecycle", recipe, environment))
    assert spawned == []


def test_another_process_with_the_same_number_is_not_taken_for_the_run(runs: Runs) -> None:
    folder = launched(runs, "one")
    (folder.path / "process.json").write_text(json.dumps({"pid": os.getpid(), "started": 1.0}))
    assert not folder.alive()


def test_a_run_that_has_ended_is_not_cancelled(runs: Runs) -> None:
    folder = launched(runs, "one")
    folder.write(a_run("one", State.DONE))
    with pytest.raises(Conflict, match="run one is done already; there is nothing to cancel"):
        local_run.cancel(folder)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A recipe and an environment, and what was spawned for them."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    environment = LocalEnvironment(
        version=1, name="local", backend="local", store=str(tmp_path / "store"), runs=str(tmp_path / "runs")
    )
    spawned: list[str] = []

    def spawn(folder: RunFolder) -> None:
        folder.claim(os.getpid())
        spawned.append(folder.run)

    monkeypatch.setattr(local_run, "_spawn", spawn)
    monkeypatch.setattr("pipelines.compile.compile_graphs", lambda *_: {"release": Compiled("release", "local", SPEC)})
    return load_recipe(tmp_path / "recipe.yaml"), environment, spawned


SPEC = "the text of a compiled graph"


def request(known, **changes: object) -> RunRequest:
    facts = {"graph": "release", "spec": sha256(SPEC), "asker": "lifecycle"}
    facts |= {"recipe": known.digest, "environment": "local"}
    return RunRequest(**{**facts, **changes})


def test_the_same_request_starts_one_run_however_often_it_is_dispatched(asked) -> None:
    recipe, environment, spawned = asked
    wanted = request(recipe)
    wanted.put(Store(environment.store))
    threads = [threading.Thread(target=dispatcher.dispatch, args=(wanted.name, recipe, environment)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spawned) == 1


def test_after_a_failure_the_same_request_starts_another_attempt(asked) -> None:
    recipe, environment, spawned = asked
    wanted = request(recipe)
    wanted.put(Store(environment.store))
    first = dispatcher.dispatch(wanted.name, recipe, environment)
    first.write(a_run(first.run, State.FAILED))
    second = dispatcher.dispatch(wanted.name, recipe, environment)
    assert (second.launch().attempt, len(spawned)) == (2, 2)
    second.write(a_run(second.run, State.DONE))
    assert dispatcher.dispatch(wanted.name, recipe, environment).run == second.run


@pytest.mark.parametrize(("graph", "attempt"), [("monitoring", 1), ("release", 2)])
def test_an_alert_stays_when_its_moment_is_asked_for_again_and_what_waits_for_people_is_looked_at_again(
    asked, graph: str, attempt: int
) -> None:
    recipe, environment, spawned = asked
    wanted = Ask(graph, recipe, environment, now="2026-01-05T00:00:00+00:00")
    first = local_run.start(wanted)
    first.write(a_run(first.run, State.HELD).model_copy(update={"graph": graph}))
    assert (local_run.start(wanted).launch().attempt, len(spawned)) == (attempt, attempt)


@pytest.mark.parametrize("damage", [b"{", b"", b'{"version": 1}'])
def test_a_damaged_request_is_made_again_when_it_is_asked_again(asked, damage: bytes) -> None:
    recipe, environment, spawned = asked
    wanted, kept = request(recipe), Store(environment.store)
    wanted.put(kept)
    kept.write(wanted.key, damage)
    assert not wanted.put(kept)
    dispatcher.dispatch(wanted.name, recipe, environment)
    assert len(spawned) == 1


def test_a_request_that_was_changed_is_refused(asked) -> None:
    recipe, environment, spawned = asked
    wanted = request(recipe)
    Store(environment.store).write(wanted.key, request(recipe, spec="another").to_bytes())
    with pytest.raises(Refused, match="its content was changed after it was made"):
        dispatcher.dispatch(wanted.name, recipe, environment)
    assert spawned == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"asker": "monitoring"}, "monitoring may not ask for release"),
        ({"graph": "transition"}, "lifecycle may not ask for transition"),
        ({"recipe": "other"}, "asks for another recipe or environment"),
        ({"environment": "production"}, "asks for another recipe or environment"),
        ({"spec": "f" * 64}, "pins another graph than this recipe and this code compile to"),
        ({"asker": "people", "case": "c", "decision": "d"}, "there is no approvals/c/d.json"),
    ],
)
def test_who_may_not_ask_is_refused(asked, changes: dict[str, str], sentence: str) -> None:
    recipe, environment, spawned = asked
    wanted = request(recipe, **changes)
    wanted.put(Store(environment.store))
    with pytest.raises((Refused, InvalidInput), match=sentence):
        dispatcher.dispatch(wanted.name, recipe, environment)
    assert spawned == []


def test_what_a_request_leads_to_must_be_the_content_that_it_names(asked, commit_rows) -> None:
    """Its name stands for contents, not for places: whoever exchanges a place is found out."""
    recipe, environment, spawned = asked
    rows = [{"id": str(index), "input_ids": [index], "loss_mask": [1]} for index in range(3)]
    right, other = commit_rows(Kind.TOKENS, rows), commit_rows(Kind.TOKENS, rows[:1])
    forged = other.model_copy(update={"key": "forged/manifest.json", "content_digest": right.content_digest})
    kept = Store(environment.store)
    kept.write(forged.key, forged.to_bytes())
    for place, sentence in (
        (other, "is not the content that was asked for"),
        (forged, "do not make the content digest"),
    ):
        given = RequestedInput(role="overlap", content_digest=right.content_digest, reference=place.reference())
        wanted = request(recipe, inputs=(given,))
        kept.write(wanted.key, wanted.to_bytes())
        with pytest.raises(Refused, match=sentence):
            dispatcher.dispatch(wanted.name, recipe, environment)
    assert spawned == []


def test_a_request_that_leads_to_what_is_no_table_is_refused_with_a_sentence(asked, commit_rows) -> None:
    recipe, environment, spawned = asked
    kept, right = Store(environment.store), commit_rows(Kind.TOKENS, [{"id": "0", "input_ids": [0], "loss_mask": [1]}])
    garbage = b"PAR1 and nothing more PAR1"
    kept.write("forged/00000.parquet", garbage)
    shard = right.shards[0].model_copy(
        update={"uri": "forged/00000.parquet", "sha256": sha256(garbage), "bytes": len(garbage)}
    )
    forged = right.model_copy(update={"key": "forged/manifest.json", "shards": (shard,)})
    kept.write(forged.key, forged.to_bytes())
    given = RequestedInput(role="overlap", content_digest=right.content_digest, reference=forged.reference())
    wanted = request(recipe, inputs=(given,))
    wanted.put(kept)
    with pytest.raises(Refused, match="its overlap does not hold: cannot be read"):
        dispatcher.dispatch(wanted.name, recipe, environment)
    assert spawned == []
