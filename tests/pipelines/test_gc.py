"""What leaves a store and what stays, whoever refers to it."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.core.attempt import Attempt, Draft
from components.core.canonical import sha256
from components.core.endpoint import EndpointState
from components.core.endpoint_sqlite import SqliteEndpoints
from components.core.errors import Failed, InvalidInput
from components.core.manifest import Kind, Manifest, Parent
from components.core.run import State, StepRun
from components.core.run_request import RequestedInput, RunRequest
from components.core.settings import StepSettings
from components.core.store import Store
from components.release.registries import registry
from components.release.registries.registry import Version
from components.train.finetune.checkpoints import Checkpoints
from pipelines import gc
from pipelines.endpoint_changes import break_glass
from pipelines.gc import Scope, find_garbage, remove
from pipelines.proof import bundle, find
from pipelines.runs import RunFolder, Runs
from tests.pipelines.test_runs import a_run, launched

DAY = timedelta(days=1)


@pytest.fixture
def store(environment) -> Store:
    """The project's store."""
    return Store(environment.store)


@pytest.fixture
def scope(environment) -> Scope:
    """All who refer to it."""
    return Scope.of([environment])


@pytest.fixture
def runs(environment) -> Runs:
    """The project's runs."""
    return Runs(Path(environment.runs))


@pytest.fixture
def make(store) -> Callable[..., Manifest]:
    """An attempt of documents, with a rejected row: ``make("curate", documents=before)``."""

    def run(step: str = "curate", **inputs: Manifest) -> Manifest:
        attempt = Attempt(store, step)
        row = {"id": attempt.id, "text": "x", "source": "", "licence": "", "created": None, "meta": "{}"}
        with attempt.rows(Kind.DOCUMENTS) as rows:
            rows.append(row)
        attempt.reject(row, "too_short")
        draft = {"documents": Draft(Kind.DOCUMENTS, rows)}
        outcome = attempt.commit(draft, settings=StepSettings(), inputs=inputs, created=2)
        return outcome.manifests["documents"]

    return run


@pytest.fixture
def aged(store) -> Callable[..., None]:
    """Makes all that lies in the store as old as two days, or so many."""

    def age(days: float = 2) -> None:
        moment = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        for entry in store.entries(""):
            os.utime(f"{store.uri}/{entry.key}", (moment, moment))

    return age


def place(manifest: Manifest) -> str:
    return "/".join(manifest.key.split("/")[:2])


def recorded(runs: Runs, name: str, *outputs: Manifest, state: State = State.DONE, **launch: Any) -> RunFolder:
    folder = launched(runs, name)
    steps = [StepRun(name=f"s{at}", state=State.DONE, outputs={"o": one.named}) for at, one in enumerate(outputs)]
    folder.write(a_run(name, state, *steps).model_copy(update=launch))
    return folder


def record(store: Store, key: str, **fields: Any) -> None:
    store.write(key, json.dumps(fields).encode())


def test_what_nothing_refers_to_goes_whole_and_a_look_changes_nothing(scope, store, make, aged) -> None:
    left = make()
    store.write("ingest/" + "a" * 32 + "/documents/00000.parquet", b"never finished")
    store.write(f"graphs/{sha256('graph')}.yaml", b"graph")
    aged()
    before = store.list("")
    found = find_garbage(scope, DAY)
    assert store.list("") == before
    assert set(found.units) == {place(left), "ingest/" + "a" * 32, f"graphs/{sha256('graph')}.yaml"}
    assert {kind: objects for kind, (objects, _) in found.lengths().items()} == {
        "documents": 2,
        "reports and rejects": 2,
        "unfinished": 1,
        "graphs": 1,
    }
    assert sum(length for _, length in found.lengths().values()) == sum(store.size(key) for key in before)
    assert set(remove(scope, DAY).units) == set(found.units)
    assert store.list("") == []
    assert not (Path(store.uri) / place(left)).exists()
    assert find_garbage(scope, DAY).units == {}


def test_what_a_run_made_stays_and_all_that_it_was_made_from_with_reports_and_rejects(
    scope, store, runs, make, aged
) -> None:
    first = make("ingest")
    last = make("curate", documents=make("validate", documents=first))
    recorded(runs, "lifecycle-a-1", last)
    aged()
    before = store.list("")
    assert sum("rejects" in key or key.endswith("report.json") for key in before) == 6
    assert remove(scope, DAY).units == {}
    assert store.list("") == before


def test_a_report_alone_keeps_its_attempt(scope, store, runs, aged) -> None:
    attempt = Attempt(store, "validate")
    attempt.fail(InvalidInput("nothing sound"))
    folder = launched(runs, "lifecycle-a-1")
    folder.write(a_run("x", State.FAILED, StepRun(name="validate", report=attempt.report_key)))
    aged()
    assert remove(scope, DAY).units == {}


def test_every_sort_of_record_keeps_what_it_names(scope, store, runs, make, aged, serving, add_model) -> None:
    pinned = store_a_pin(store)
    kept = {
        "window": make("observe"),
        "argument": make("observe"),
        "request": make("export"),
        "by digest": make("card"),
        "of a record that nobody knows yet": make("observe"),
        "serves": serving,
    }
    record(store, "windows/desk/20260101T000000Z.json", outputs={"corrected": kept["window"].named.model_dump()})
    record(store, "novelty/desk.json", said=f"see {kept['of a record that nobody knows yet'].key}")
    record(store, "compared/desk/x.json", evidence=kept["by digest"].digest)
    given = RequestedInput(role="model", content_digest="c", reference=kept["request"].reference())
    graph = b"graph"
    store.write(f"graphs/{sha256(graph)}.yaml", graph)
    RunRequest(
        graph="release", spec=sha256(graph), recipe="r", environment="local", inputs=(given,), asker="lifecycle"
    ).put(store)
    folder = launched(runs, "lifecycle-a-1")
    launch = folder.launch().model_copy(update={"arguments": {"corrected": kept["argument"].reference()}})
    (folder.path / "launch.json").write_bytes(launch.to_bytes())
    loose = add_model("loose")
    aged()
    gone = remove(scope, DAY)
    assert set(gone.units) == {place(loose)}
    assert all(store.exists(one.key) for one in kept.values())
    assert store.exists(f"graphs/{sha256(graph)}.yaml")
    assert store.exists(pinned)


def store_a_pin(store: Store) -> str:
    """What bringing a model of a hub leaves: files of an attempt, named by the record of the commit."""
    key = "base/" + "b" * 32 + "/hub/model.safetensors"
    store.write(key, b"weights")
    record(store, "hub/acme--tiny/commit/safetensors.json", shards=[{"uri": key}])
    return key


def test_a_model_that_served_long_ago_stays_for_every_generation_names_it(
    scope, store, environment, add_model, aged
) -> None:
    models = [add_model(f"weights {number}") for number in range(4)]
    for model in models[:3]:
        break_glass(environment, "helpdesk", model.key, name="anna", reason="another", unused=model is models[0])
    aged()
    assert set(remove(scope, DAY).units) == {place(models[3])}
    assert find.verify("helpdesk", find.scene_of(environment), Runs(Path(environment.runs))).tree.holds
    assert all(store.exists(shard.uri) for model in models[:3] for shard in model.shards)


def test_a_state_alone_keeps_its_models(scope, environment, add_model, aged) -> None:
    champion, previous = add_model("one"), add_model("two")
    state = EndpointState(endpoint="desk", generation=1, champion=champion.named, previous=previous.named)
    SqliteEndpoints(environment.endpoints.removeprefix("sqlite:///")).compare_and_set(state)
    aged()
    assert find_garbage(scope, DAY).units == {}


def test_what_only_an_envelope_names_stays(scope, store, environment, serving, aged) -> None:
    Path(environment.endpoints.removeprefix("sqlite:///")).unlink()
    assert place(serving) not in "".join(store.read(key).decode() for key in store.list("decisions"))
    aged()
    assert find_garbage(scope, DAY).units == {}
    for key in store.list("decisions"):
        store.remove(key)
    assert set(find_garbage(scope, DAY).units) == {place(serving)}


def test_a_registered_model_stays(environment, add_model, aged, monkeypatch) -> None:
    model = add_model("registered")
    version = Version(name="desk", version=1, endpoint="desk", key=model.key, digest=model.digest)

    class Registry:
        def versions(self) -> list[Version]:
            return [version]

    aged()
    scope = Scope.of([environment])
    assert set(find_garbage(scope, DAY).units) == {place(model)}
    monkeypatch.setattr(registry, "open_registry", lambda _: Registry())
    assert find_garbage(scope, DAY).units == {}


def test_what_a_bundle_holds_stays_where_it_is_named(environment, store, serving, aged, tmp_path) -> None:
    written = bundle.write("helpdesk", find.scene_of(environment), Runs(Path(environment.runs)), tmp_path / "desk.tar")
    Path(environment.endpoints.removeprefix("sqlite:///")).unlink()
    for key in store.list("decisions"):
        store.remove(key)
    aged()
    assert set(find_garbage(Scope.of([environment]), DAY).units) == {place(serving)}
    assert find_garbage(Scope.of([environment], [written.path]), DAY).units == {}
    with pytest.raises(InvalidInput, match="is no bundle"):
        find_garbage(Scope.of([environment], [Path("environments/local.yaml")]), DAY)


def test_parents_that_an_older_sluice_named_by_digest_alone_stay(scope, store, runs, make, aged) -> None:
    before, after = make("ingest"), make("curate")
    parents = (Parent(role="documents", digest=before.digest, content_digest=before.content_digest),)
    old = after.model_copy(update={"parents": parents})
    store.write(old.key, old.to_bytes())
    recorded(runs, "lifecycle-a-1", old)
    aged()
    assert find_garbage(scope, DAY).units == {}


def test_files_that_another_attempt_wrote_stay_with_the_model_that_names_them(
    scope, store, runs, make, add_model, aged
) -> None:
    champion = add_model("champion")

    class Same:
        shards, content_digest = champion.shards, champion.content_digest

    attempt = Attempt(store, "base")
    adapted = attempt.commit({"model": Draft(Kind.MODEL, Same(), model=champion.model)}, settings=StepSettings())
    recorded(runs, "lifecycle-a-1", adapted.manifests["model"])
    aged()
    assert find_garbage(scope, DAY).units == {}


def test_nothing_young_goes_by_the_stores_own_clock(scope, store, make, aged, monkeypatch) -> None:
    make()
    aged(0.5)
    found = find_garbage(scope, DAY)
    assert (found.units, found.young) == ({}, 1)
    assert len(find_garbage(scope, DAY / 3).units) == 1
    # The store's clock is three days behind this machine's: what is two days old for us is from its future.
    monkeypatch.setattr(gc, "_now", lambda _: datetime.now(UTC) - timedelta(days=3))
    assert find_garbage(scope, timedelta(0)).units == {}


def test_the_clock_is_read_from_an_object_that_is_removed_again(scope, store) -> None:
    find_garbage(scope, DAY)
    assert store.entries("gc") == []


def _at_work(folder: RunFolder) -> None:
    folder.claim(psutil.Process().pid)


def test_nothing_goes_that_was_written_since_a_living_run_began(scope, store, runs, make, aged) -> None:
    earlier = make()
    aged(3)
    folder = launched(runs, "lifecycle-a-1")
    began = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(folder.path / "launch.json", (began, began))
    later = make()
    for entry in store.entries(place(later)):
        os.utime(f"{store.uri}/{entry.key}", (began + 60, began + 60))
    assert set(find_garbage(scope, DAY).units) == {place(earlier), place(later)}
    _at_work(folder)
    assert set(find_garbage(scope, DAY).units) == {place(earlier)}


def _in_the_cache(environment, manifest: Manifest) -> None:
    cache = Path(environment.state) / "kfp" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "entry.json").write_text(json.dumps({"metadata": {"manifest": manifest.key}}))


def test_what_a_living_run_may_find_in_its_cache_stays_and_goes_once_it_has_ended(
    scope, environment, runs, make, aged
) -> None:
    cached = make()
    aged()
    _in_the_cache(environment, cached)
    folder = launched(runs, "lifecycle-a-1")
    _at_work(folder)
    assert find_garbage(scope, DAY).units == {}
    (folder.path / "process.json").unlink()
    assert set(find_garbage(scope, DAY).units) == {place(cached)}


def test_a_run_that_begins_meanwhile_keeps_what_it_may_find_in_its_cache(
    scope, environment, store, runs, make, aged, monkeypatch
) -> None:
    made = sorted([make(), make()], key=place)
    aged()
    _in_the_cache(environment, made[1])
    removed = gc._remove

    def begin_a_run(*given) -> None:
        removed(*given)
        _at_work(launched(runs, "lifecycle-a-1"))

    monkeypatch.setattr(gc, "_remove", begin_a_run)
    assert set(remove(scope, DAY).units) == {place(made[0])}
    assert store.exists(made[1].key)


def test_what_is_referred_to_between_the_two_looks_stays(scope, store, runs, make, aged, monkeypatch) -> None:
    made = [make(), make()]
    aged()
    look, looks = gc.find_garbage, []

    def look_and_record(*given):
        looks.append(look(*given))
        if len(looks) == 1:
            recorded(runs, "lifecycle-a-1", made[0])
        return looks[-1]

    monkeypatch.setattr(gc, "find_garbage", look_and_record)
    assert set(remove(scope, DAY).units) == {place(made[1])}
    assert len(looks[0].units) == 2


def test_two_at_once_remove_the_same_and_neither_fails(scope, store, runs, make, aged) -> None:
    kept = make()
    recorded(runs, "lifecycle-a-1", kept)
    for _ in range(12):
        make()
    aged()
    start = threading.Barrier(2)

    def clean() -> None:
        start.wait()
        remove(scope, DAY)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(clean) for _ in range(2)]:
            done.result()
    assert {"/".join(key.split("/")[:2]) for key in store.list("")} == {place(kept)}


def test_a_store_that_changes_under_the_look_is_no_error(scope, store, make, aged, monkeypatch) -> None:
    vanishing, other = make(), make()
    aged()
    listed = Store.entries

    def list_and_lose(self, prefix: str):
        found = listed(self, prefix)
        if not prefix:
            self.remove(place(vanishing))
        return found

    monkeypatch.setattr(Store, "entries", list_and_lose)
    assert place(other) in remove(scope, DAY).units
    assert store.list("") == []


@pytest.mark.parametrize("damage", [b"{", b"\xff\xfe", b'{"payloadType": "x", "payload": "%%%"}'])
def test_what_may_refer_to_others_and_cannot_be_read_stops_it_before_anything_goes(
    damage: bytes, scope, store, make, aged
) -> None:
    left = make()
    store.write("decisions/broken.json", damage)
    aged()
    with pytest.raises(InvalidInput, match=r"decisions/broken\.json: is damaged"):
        remove(scope, DAY)
    assert store.exists(left.key)


def test_a_kept_manifest_that_is_damaged_stops_it_too(scope, store, runs, make, aged) -> None:
    before = make("ingest")
    after = make("curate", documents=before)
    recorded(runs, "lifecycle-a-1", after)
    store.write(after.key, b"{")
    aged()
    with pytest.raises(InvalidInput, match="is damaged"):
        remove(scope, DAY)
    assert store.exists(before.key)


def test_endpoint_states_that_do_not_answer_stop_it(scope, environment, serving, store, aged) -> None:
    Path(environment.endpoints.removeprefix("sqlite:///")).write_bytes(b"no database" * 500)
    aged()
    with pytest.raises((Failed, InvalidInput)):
        remove(scope, timedelta(0))
    assert store.exists(serving.key)


def test_checkpoints_stay_while_a_run_may_go_on_from_them(scope, store, runs, aged, tmp_path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.safetensors").write_bytes(b"weights")
    Checkpoints(store, sha256("a training")).save(tmp_path / "weights", "attempt", 10)
    folder = recorded(runs, "lifecycle-a-1", state=State.FAILED)
    aged()
    assert remove(scope, DAY).units == {}
    folder.write(a_run("x", State.DONE))
    gone = remove(scope, DAY)
    assert gone.lengths().keys() == {"checkpoints"}
    assert store.list("") == []


def test_what_killed_writers_left_goes_when_it_is_old_enough(scope, store, runs, make, aged) -> None:
    kept = make()
    recorded(runs, "lifecycle-a-1", kept)
    old = [Path(store.uri) / place(kept) / "x.1234abcd.part", Path(store.uri) / "gc" / ("0" * 32)]
    for path in old:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    aged()
    young = Path(store.uri) / place(kept) / "y.1234abcd.part"
    young.write_bytes(b"half")
    assert len(remove(scope, DAY).parts) == 2
    assert young.exists()
    assert not any(path.exists() for path in old)


def test_environments_with_one_store_keep_what_each_refers_to(environment, make, aged) -> None:
    other = environment.model_copy(update={"name": "other", "runs": "./other-runs"})
    made = make()
    recorded(Runs(Path(other.runs)), "lifecycle-a-1", made)
    aged()
    assert set(find_garbage(Scope.of([environment]), DAY).units) == {place(made)}
    assert find_garbage(Scope.of([environment, other]), DAY).units == {}
    elsewhere = environment.model_copy(update={"store": "elsewhere"})
    with pytest.raises(InvalidInput, match="have different stores"):
        Scope.of([environment, elsewhere])


def test_a_person_is_told_what_would_go_and_nothing_goes_before_they_say_so(sluice, store, make, aged) -> None:
    made = make()
    aged()
    code, out, _ = sluice("gc")
    assert code == 0
    assert "would remove" in out
    assert "--delete removes it" in out
    assert store.exists(made.key)
    code, out, _ = sluice("gc", "--older-than", "7d")
    assert (
        "nothing to remove; 1 more that nothing refers to is younger than 168 h, or than a run that is at work" in out
    )
    code, out, _ = sluice("gc", "--delete", "--json")
    told = json.loads(out)
    assert (told["deleted"], told["units"]) == (True, [place(made)])
    assert told["kinds"]["documents"]["objects"] == 2
    assert not store.exists(made.key)
    code, out, _ = sluice("gc", "--delete")
    assert out.strip() == "nothing to remove"


@pytest.mark.parametrize("words", [("--older-than", "soon"), ("--older-than", "-1d"), ("--env", "nosuch")])
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], sluice) -> None:
    code, _, said = sluice("gc", *words)
    assert code == 2
    assert words[1] in said


def test_each_manifest_is_read_once(scope, store, make, runs, monkeypatch) -> None:
    kept, dropped = make("curate", documents=make("ingest")), make()
    recorded(runs, "r1", kept)
    read: Counter[str] = Counter()
    real = Store.read
    monkeypatch.setattr(Store, "read", lambda self, key: read.update([key]) or real(self, key))
    find_garbage(scope, DAY)
    counts = {key: count for key, count in read.items() if key.endswith("/manifest.json")}
    assert {kept.key, dropped.key} < counts.keys()
    assert set(counts.values()) == {1}
