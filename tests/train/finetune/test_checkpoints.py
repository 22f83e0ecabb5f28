from __future__ import annotations

from pathlib import Path

import pytest

from components.core.errors import Failed
from components.core.store import Store
from components.train.finetune.checkpoints import Checkpoints, training_key
from components.train.finetune.settings import Finetune


@pytest.fixture
def written(tmp_path: Path):
    """A folder as the trainer leaves it: ``written(step)``."""

    def write(step: int) -> Path:
        folder = tmp_path / f"local-{step}"
        folder.mkdir(exist_ok=True)
        for name in ("model.safetensors", "optimizer.pt", "trainer_state.json", "training_args.bin"):
            (folder / name).write_text(f"{name} at {step}")
        return folder

    return write


def test_the_newest_checkpoint_of_all_attempts_is_found(store, written, tmp_path) -> None:
    checkpoints = Checkpoints(store, "key")
    for attempt, step in (("one", 10), ("two", 30), ("three", 20)):
        checkpoints.save(written(step), attempt, step)
    assert checkpoints.load_newest(tmp_path / "resume") == 30
    assert (tmp_path / "resume" / "optimizer.pt").read_text() == "optimizer.pt at 30"
    assert Checkpoints(store, "other").load_newest(tmp_path / "other") is None


def test_an_attempt_keeps_its_newest_two_and_leaves_those_of_others(store, written) -> None:
    checkpoints = Checkpoints(store, "key")
    checkpoints.save(written(5), "other", 5)
    for step in (10, 20, 30):
        checkpoints.save(written(step), "mine", step)
    folders = {key.rsplit("/", 1)[0] for key in store.list("checkpoints")}
    assert folders == {f"checkpoints/key/{name}" for name in ("other/step-5", "mine/step-20", "mine/step-30")}


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4])
def test_a_checkpoint_that_was_not_finished_is_not_found(dies_at: int, store, written, tmp_path, monkeypatch) -> None:
    checkpoints = Checkpoints(store, "key")
    checkpoints.save(written(10), "mine", 10)
    writes = iter(range(1, 100))
    for name in ("upload", "write"):
        plain = getattr(Store, name)

        def counted(self, *given, plain=plain):
            if next(writes) >= dies_at:
                raise Failed("no space left")
            return plain(self, *given)

        monkeypatch.setattr(Store, name, counted)
    with pytest.raises(Failed):
        checkpoints.save(written(20), "mine", 20)
    assert checkpoints.load_newest(tmp_path / "resume") == 10


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(damage: str, store, written, tmp_path) -> None:
    checkpoints = Checkpoints(store, "key")
    for step in (10, 20):
        checkpoints.save(written(step), "mine", step)
    victim = "checkpoints/key/mine/step-20/optimizer.pt"
    store.remove(victim)
    if damage == "changed":
        store.write(victim, b"something else")
    assert checkpoints.load_newest(tmp_path / "resume") == 10
    assert {path.read_text().split()[-1] for path in (tmp_path / "resume").iterdir()} == {"10"}


def test_pickled_settings_are_not_kept(store, written) -> None:
    Checkpoints(store, "key").save(written(10), "mine", 10)
    assert not [key for key in store.list("checkpoints") if key.endswith("training_args.bin")]


def test_all_are_removed_once_they_are_needed_no_more(store, written) -> None:
    for key in ("key", "other"):
        Checkpoints(store, key).save(written(10), "mine", 10)
    Checkpoints(store, "key").remove_all()
    assert {key.split("/")[1] for key in store.list("checkpoints")} == {"other"}


def test_a_training_is_another_one_when_anything_that_decides_it_changes(tokens, small_model) -> None:
    key = training_key(tokens, small_model, Finetune(), "code")
    assert key == training_key(tokens, small_model, Finetune(save_every_steps=7, logging_steps=3), "code")
    assert key != training_key(tokens, small_model, Finetune(seed=1), "code")
    assert key != training_key(tokens, small_model, Finetune(), "other code")
    assert key != training_key(tokens, small_model.model_copy(update={"content_digest": "0" * 64}), Finetune(), "code")
