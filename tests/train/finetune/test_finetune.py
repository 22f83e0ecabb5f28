from __future__ import annotations

import json
import math

import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load
from transformers import AutoModelForCausalLM

from components.core.attempt import Attempt, Draft
from components.core.errors import Failed, InvalidInput
from components.core.manifest import Kind, file_name
from components.core.rows import read_batches
from components.core.settings import StepSettings
from components.data.tokenise.settings import Tokenise
from components.data.tokenise.tokenise import tokenise
from components.train.base.base import base
from components.train.base.settings import Base
from components.train.export.export import export
from components.train.export.settings import Export
from components.train.finetune.checkpoints import Checkpoints
from components.train.finetune.finetune import finetune, loss_curve
from components.train.finetune.settings import Finetune, Lora
from components.train.finetune.tracking import Tracking
from components.train.finetune.trainer import Keeper
from tests.train.conftest import SMALL
from tests.train.finetune.conftest import QUICK

LORA = QUICK.model_copy(update={"method": "lora", "max_steps": 4, "lora": Lora(r=4, dropout=0.1)})


def _train(store, tokens, model, settings: Finetune = QUICK, tracking: str = ""):
    return finetune(Attempt(store, "finetune"), tokens, model, tracking, settings)


def _weights(store, manifest):
    return load(store.read(next(s.uri for s in manifest.shards if s.uri.endswith(".safetensors"))))


@pytest.fixture
def shuffled(store, tokens):
    """The same tokens in another order, in two shards."""
    rows = [row for batch in read_batches(store, tokens.shards) for row in batch.to_pylist()]
    attempt = Attempt(store, "tokenise")
    with attempt.rows(Kind.TOKENS) as writer:
        for row in rows[10:]:
            writer.append(row)
        writer.close()
        for row in rows[:10]:
            writer.append(row)
    draft = Draft(Kind.TOKENS, writer, model=tokens.model)
    return attempt.commit({"tokens": draft}, settings=StepSettings(), rows_in=len(rows)).manifests["tokens"]


def test_the_loss_falls_and_the_report_says_what_it_took(store, tokens, small_model) -> None:
    report = _train(store, tokens, small_model).report
    loss = report.series["loss"]
    assert loss.x == (4, 8, 12, 16, 20, 24)
    assert loss.y[-1] < 0.7 * loss.y[0]
    figures = {name: figure.value for name, figure in report.figures.items()}
    assert figures["final_loss"] == loss.y[-1]
    assert (figures["steps"], figures["rows"], figures["resumed_from"]) == (24, 24, 0)
    assert figures["speed"] > 0
    assert figures["peak_memory"] > 1e6


def test_equal_inputs_give_equal_files_whatever_order_and_shards_they_come_in(
    store, tokens, shuffled, small_model
) -> None:
    assert len(shuffled.shards) == 2
    first, second = _train(store, tokens, small_model), _train(store, shuffled, small_model)
    assert first.manifests["trained"].content_digest == second.manifests["trained"].content_digest
    assert first.report.series == second.report.series
    other = _train(store, tokens, small_model, QUICK.model_copy(update={"seed": 1}))
    assert other.manifests["trained"].content_digest != first.manifests["trained"].content_digest


def test_the_first_loss_is_the_mean_over_the_assistants_tokens(store, tokens, small_model, tmp_path) -> None:
    one_step = QUICK.model_copy(update={"max_steps": 1, "batch_size": 24, "logging_steps": 1})
    reported = _train(store, tokens, small_model, one_step).report.figures["final_loss"].value
    model = AutoModelForCausalLM.from_pretrained(Attempt(store, "look").download(small_model, tmp_path / "model"))
    total = count = 0.0
    for batch in read_batches(store, tokens.shards):
        for row in batch.to_pylist():
            ids, mask = torch.tensor([row["input_ids"]]), torch.tensor(row["loss_mask"][1:]) == 1
            with torch.no_grad():
                logits = model(ids).logits[0, :-1]
            total += torch.nn.functional.cross_entropy(logits[mask], ids[0, 1:][mask], reduction="sum").item()
            count += mask.sum().item()
    assert reported == pytest.approx(total / count, rel=1e-5)


def test_accumulated_batches_give_the_loss_of_one_large_batch(store, tokens, small_model) -> None:
    halves = {"batch_size": 4, "gradient_accumulation": 2, "max_steps": 3, "logging_steps": 1}
    whole = {"batch_size": 8, "gradient_accumulation": 1, "max_steps": 3, "logging_steps": 1}
    losses = [
        _train(store, tokens, small_model, QUICK.model_copy(update=given)).report.series["loss"].y
        for given in (halves, whole)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_manifest_carries_base_and_suites(store, tokens, small_model) -> None:
    cleaned = tokens.model_copy(update={"suites": ("s" * 64,)})
    trained = _train(store, cleaned, small_model, QUICK.model_copy(update={"max_steps": 1})).manifests["trained"]
    assert trained.suites == ("s" * 64,)
    facts = {"base_digest": small_model.content_digest, "data_digest": tokens.content_digest}
    assert trained.model == small_model.model.model_copy(update=facts)
    assert {parent.role: parent.digest for parent in trained.parents} == {
        "tokens": cleaned.digest,
        "model": small_model.digest,
    }


def test_no_file_names_a_place_or_pickles_anything(store, tokens, small_model, tmp_path) -> None:
    for settings in (QUICK.model_copy(update={"max_steps": 1}), LORA):
        for shard in _train(store, tokens, small_model, settings).manifests["trained"].shards:
            assert not file_name(shard).endswith((".bin", ".pt", ".md"))
            data = store.read(shard.uri)
            assert b"/tmp" not in data
            assert str(tmp_path).encode() not in data


def test_an_adapter_is_small_names_its_base_and_is_the_same_every_time(store, tokens, small_model) -> None:
    first, second = _train(store, tokens, small_model, LORA), _train(store, tokens, small_model, LORA)
    trained = first.manifests["trained"]
    assert trained.content_digest == second.manifests["trained"].content_digest
    assert trained.model.adapter
    named = {file_name(shard): shard.uri for shard in trained.shards}
    assert json.loads(store.read(named["adapter_config.json"]))["base_model_name_or_path"] == "scratch"
    weights = _weights(store, trained)
    assert {name.rsplit(".", 2)[1] for name in weights} == {"lora_A", "lora_B"}
    assert first.report.figures["trained_weights"].value == sum(tensor.numel() for tensor in weights.values())


ON_THE_HEAD = LORA.model_copy(update={"lora": Lora(r=2, target_modules=("q_proj", "lm_head"))})


def test_an_adapter_may_sit_on_the_output_layer(store, conversations) -> None:
    apart = Base(scratch=SMALL.model_copy(update={"tie_embeddings": False}))
    model = base(Attempt(store, "base"), conversations, apart).manifests["model"]
    tokens = tokenise(Attempt(store, "tokenise"), conversations, model, Tokenise()).manifests["tokens"]
    trained = _train(store, tokens, model, ON_THE_HEAD).manifests["trained"]
    assert any("lm_head" in name for name in _weights(store, trained))


def test_an_adapter_on_a_shared_matrix_is_refused(store, tokens, small_model) -> None:
    with pytest.raises(InvalidInput, match="lm_head shares its matrix with another layer"):
        _train(store, tokens, small_model, ON_THE_HEAD)


def test_a_second_stage_goes_on_from_the_first_and_an_adapter_ends_the_list(store, tokens, small_model) -> None:
    first = _train(store, tokens, small_model).manifests["trained"]
    adapter = _train(store, tokens, first, LORA).manifests["trained"]
    assert adapter.model.base_digest == first.content_digest
    with pytest.raises(InvalidInput, match=r"this is an adapter, .* let the LoRA stage be the last"):
        _train(store, tokens, adapter)
    exported = export(Attempt(store, "export"), adapter, first, Export(), recipe="r").manifests["exported"]
    assert (exported.model.recipe_digest, exported.model.data_digest) == ("r", tokens.content_digest)


def test_tokens_of_another_tokenizer_are_refused(store, tokens, conversations) -> None:
    other = Base(scratch=SMALL.model_copy(update={"vocabulary": 300}))
    model = base(Attempt(store, "base"), conversations, other).manifests["model"]
    with pytest.raises(InvalidInput, match="these tokens are of another model"):
        _train(store, tokens, model)


def test_a_loss_that_is_no_number_ends_the_training(store) -> None:
    keeper = Keeper(Checkpoints(store, "key"), "a", QUICK, Tracking("", "", {}, {}))
    state = type("State", (), {"global_step": 7, "max_steps": 9})()
    with pytest.raises(Failed, match=r"the loss is nan at step 7; lower finetune\.learning_rate"):
        keeper.on_log(None, state, None, {"loss": math.nan})


@pytest.mark.parametrize("when", [{"save_every_steps": 1}, {"save_every_seconds": 1e-6}])
def test_checkpoints_are_saved_by_steps_or_seconds_but_not_of_the_result(when, store, tokens, small_model, monkeypatch):
    saved = []
    monkeypatch.setattr(Checkpoints, "save", lambda _self, _folder, _attempt, step: saved.append(step))
    _train(store, tokens, small_model, QUICK.model_copy(update={"max_steps": 5} | when))
    assert saved == [1, 2, 3, 4]


def test_a_store_that_removes_nothing_does_not_undo_the_training(
    store, tokens, small_model, monkeypatch, capsys
) -> None:
    def fail(*_):
        raise Failed("read-only")

    monkeypatch.setattr(Checkpoints, "remove_all", fail)
    trained = _train(store, tokens, small_model, QUICK.model_copy(update={"max_steps": 1})).manifests["trained"]
    assert store.exists(trained.key)
    assert "the checkpoints stay where they are" in capsys.readouterr().err


def test_nothing_is_told_to_anybody(store, tokens, small_model, monkeypatch) -> None:
    told = []
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda *given, **_: told.append(given))
    monkeypatch.delenv("CI", raising=False)
    _train(store, tokens, small_model, QUICK.model_copy(update={"max_steps": 1}))
    assert not told


def test_a_one_cycle_rises_to_the_learning_rate_and_ends_near_nothing(store, tokens, small_model, tmp_path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    cycle = QUICK.model_copy(update={"scheduler": "one-cycle", "warmup_ratio": 0.25})
    outcome = _train(store, tokens, small_model, cycle, uri)
    client = MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("sluice").experiment_id])
    rates = [point.value for point in client.get_metric_history(run.info.run_id, "learning_rate")]
    assert len(rates) == 24
    assert max(rates) == pytest.approx(1e-2)
    assert rates.index(max(rates)) in (4, 5, 6)
    assert rates[-1] < 1e-3
    losses = [point.value for point in client.get_metric_history(run.info.run_id, "loss")]
    assert loss_curve(losses, 4) == outcome.report.series["loss"]
    assert run.info.status == "FINISHED"
    assert run.data.tags["sluice.tokens"] == tokens.digest
    assert run.data.params["scheduler"] == "one-cycle"


def test_a_tracking_server_that_is_down_does_not_stop_the_training(store, tokens, small_model, capsys) -> None:
    tracked = _train(store, tokens, small_model, tracking="http://127.0.0.1:9")
    plain = _train(store, tokens, small_model)
    assert tracked.report.figures["tracking_failed"].value == 1
    assert tracked.manifests["trained"].content_digest == plain.manifests["trained"].content_digest
    assert "tracking is off, the training goes on" in capsys.readouterr().err


def test_a_curve_is_the_mean_of_each_window() -> None:
    curve = loss_curve([4.0, 2.0, 1.0, 1.0, 7.0], 2)
    assert curve.x == (2, 4, 5)
    assert curve.y == (3, 1, 7)
