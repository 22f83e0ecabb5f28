from __future__ import annotations

import threading
from pathlib import Path

import pytest

from components.core.attempt import Attempt, Draft
from components.core.errors import Failed, InvalidInput
from components.core.manifest import Kind, Manifest, ModelFacts
from components.core.settings import StepSettings
from components.core.store import Store
from components.serve.model_files import bring_files, clear


@pytest.fixture
def add(store: Store, tmp_path: Path):
    def model(adapter: bool = False) -> Manifest:
        source = tmp_path / "source"
        (source / "inner").mkdir(parents=True, exist_ok=True)
        (source / "config.json").write_text("{}")
        (source / "inner" / "weights").write_text("w")
        attempt = Attempt(store, "export")
        facts = ModelFacts(base="scratch", tokenizer_digest="t", template_digest="c", adapter=adapter)
        draft = Draft(Kind.MODEL, attempt.upload("exported", source), model=facts)
        return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]

    return model


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_the_files_come_whole_under_their_content_and_once(store: Store, add, models: Path) -> None:
    model = add()
    folder = bring_files(store, model.named, models)
    assert folder == models / model.content_digest
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "config.json",
        "inner/weights",
    ]
    before = (folder / "config.json").stat().st_mtime_ns
    assert bring_files(store, add().named, models) == folder  # another manifest of the same content
    assert (folder / "config.json").stat().st_mtime_ns == before


def test_a_changed_byte_brings_nothing_and_what_a_kill_left_is_removed(store: Store, add, models: Path) -> None:
    model = add()
    left = models / f"{model.content_digest}.0a1b2c3d.part"
    left.mkdir(parents=True)
    path = Path(store.uri) / model.shards[-1].uri
    path.write_bytes(b"X")
    with pytest.raises(InvalidInput, match="was changed after it was written"):
        bring_files(store, model.named, models)
    assert list(models.iterdir()) == []
    path.unlink()
    with pytest.raises(InvalidInput, match="there is no export/"):
        bring_files(store, model.named, models)


def test_a_manifest_that_was_changed_or_is_no_model_is_refused(store: Store, add, models: Path, commit_texts) -> None:
    with pytest.raises(InvalidInput, match="is not the model"):
        bring_files(store, commit_texts("a").named, models)
    model = add()
    (Path(store.uri) / model.key).write_bytes(b"{}")
    with pytest.raises(InvalidInput, match="was changed"):
        bring_files(store, model.named, models)


def test_an_adapter_is_refused_with_what_to_do(store: Store, add, models: Path) -> None:
    with pytest.raises(InvalidInput, match="is an adapter; export it merged"):
        bring_files(store, add(adapter=True).named, models)


def test_what_is_not_wanted_any_more_is_left(store: Store, add, models: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Failed, match="is not wanted any more"):
        bring_files(store, add().named, models, stop)
    assert not models.exists() or list(models.iterdir()) == []


def test_only_what_nobody_serves_is_cleared(models: Path) -> None:
    for name in ("aa", "bb", "aa.1.part", "bb.1.part"):
        (models / name).mkdir(parents=True)
    clear(models, {"aa"})
    assert sorted(path.name for path in models.iterdir()) == ["aa", "aa.1.part"]
    clear(models / "nowhere", set())


def test_what_an_earlier_process_copied_is_hashed_before_it_serves(
    store: Store, add, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = add()
    weights = bring_files(store, model.named, models) / "inner" / "weights"
    for damage in (lambda: weights.write_text("x"), weights.unlink):
        damage()
        monkeypatch.setattr("components.serve.model_files._CHECKED", set())
        bring_files(store, model.named, models)
        assert weights.read_text() == "w"
