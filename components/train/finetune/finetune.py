"""Supervised fine-tuning on token shards, all weights or adapters; a crash costs minutes."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from transformers import set_seed

from components.core.attempt import Attempt, Draft, Outcome
from components.core.errors import Failed, InvalidInput
from components.core.manifest import Kind, Manifest, ModelFacts
from components.core.report import Figure, Series
from components.train.finetune.checkpoints import Checkpoints, training_key
from components.train.finetune.examples import read_examples
from components.train.finetune.settings import Finetune
from components.train.finetune.tracking import Tracking
from components.train.finetune.trainer import Keeper, Trainer, build_trainer, uses_bfloat16
from components.train.model_folder import facts_of, load_folder, write_folder


def finetune(attempt: Attempt, tokens: Manifest, model: Manifest, tracking: str, settings: Finetune) -> Outcome:
    """Output: ``trained``, full weights in float32 or a LoRA adapter, with the tokenizer and template of ``model``.

    ``tracking`` is the address of MLflow, empty for none. Where an earlier attempt at the same training left a
    checkpoint, it goes on from there and ends where the unbroken training would have. Raises InvalidInput for tokens
    of another model's tokenizer, and Failed when the loss is no number any more.
    """
    _check_belongs(tokens, model)
    checkpoints = Checkpoints(attempt.store, training_key(tokens, model, settings, attempt.code))
    watcher = Tracking(tracking, f"finetune-{attempt.id[:8]}", _tags(attempt, tokens, model), _parameters(settings))
    finished = False
    try:
        with TemporaryDirectory(prefix="sluice-finetune-") as place:
            keeper = Keeper(checkpoints, attempt.id, settings, watcher)
            draft = _train(attempt, tokens, model, settings, keeper, Path(place))
        finished = True
    finally:
        watcher.end(finished)
    attempt.figures["tracking_failed"] = Figure(value=int(bool(watcher.failure)), unit="runs")
    outcome = attempt.commit({"trained": draft}, settings=settings, inputs={"tokens": tokens, "model": model})
    _tidy(checkpoints)
    return outcome


def _tidy(checkpoints: Checkpoints) -> None:
    """What is trained is committed: a store that will not remove anything does not undo that."""
    try:
        checkpoints.remove_all()
    except Failed as error:
        print(f"the checkpoints stay where they are: {error}", file=sys.stderr, flush=True)


def _train(
    attempt: Attempt, tokens: Manifest, model: Manifest, settings: Finetune, keeper: Keeper, place: Path
) -> Draft:
    """Loads, trains and saves; the files lie below ``place`` and end with it."""
    set_seed(settings.seed)  # fresh adapters are drawn before the trainer seeds anything
    with attempt.timed("load"):
        lean = settings.method == "lora" and uses_bfloat16(settings)
        weights, tokenizer = load_folder(attempt, model, place / "base", torch.bfloat16 if lean else torch.float32)
        _check_targets(settings, tied=bool(weights.config.get_text_config().tie_word_embeddings))
        examples = read_examples(attempt, tokens, place)
    trainer = build_trainer(weights, tokenizer, examples, settings, place / "trainer", keeper)
    resumed = keeper.checkpoints.load_newest(place / "resume")
    with attempt.timed("train"):
        began = time.monotonic()
        trainer.train(resume_from_checkpoint=str(place / "resume") if resumed else None)
        seconds = time.monotonic() - began - keeper.saving_seconds
    attempt.timings["save_checkpoints"] = keeper.saving_seconds
    _account(attempt, trainer, settings, tokens.rows, resumed or 0, seconds)
    facts = _facts(tokens, model, settings)
    folder = write_folder(trainer.accelerator.unwrap_model(trainer.model), place / "base", place / "trained", facts)
    return Draft(
        Kind.MODEL, attempt.upload("trained", folder), sources=tokens.sources, suites=tokens.suites, model=facts
    )


def _check_belongs(tokens: Manifest, model: Manifest) -> None:
    facts = facts_of(model)
    if facts.adapter:
        raise InvalidInput(
            f"{model.key}: this is an adapter, and a stage of training starts from full weights; let the LoRA stage"
            " be the last"
        )
    made_for = tokens.model
    same = made_for and (made_for.tokenizer_digest, made_for.template_digest)
    if same != (facts.tokenizer_digest, facts.template_digest):
        raise InvalidInput(
            f"{tokens.key}: these tokens are of another model's tokenizer or chat template; run tokenise with the model"
            " that is to be trained"
        )


def _check_targets(settings: Finetune, tied: bool) -> None:
    """An adapter on one of two layers that share a matrix cannot be merged: the other one would change with it."""
    shared = {"lm_head", "embed_tokens"} & set(settings.lora.target_modules)
    if settings.method == "lora" and tied and shared:
        raise InvalidInput(
            f"finetune.lora.target_modules: {shared.pop()} shares its matrix with another layer in this model, so its"
            " adapter could not be merged; leave it out"
        )


def _facts(tokens: Manifest, model: Manifest, settings: Finetune) -> ModelFacts:
    changes = {
        "base_digest": model.content_digest,
        "adapter": settings.method == "lora",
        "data_digest": tokens.content_digest,
    }
    return facts_of(model).model_copy(update=changes)


def _account(attempt: Attempt, trainer: Trainer, settings: Finetune, rows: int, resumed: int, seconds: float) -> None:
    """The loss curve and what the training took; speed and memory are those of this attempt."""
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    curve = loss_curve([entry["loss"] for entry in logs], settings.logging_steps)
    attempt.series["loss"] = curve
    trained = sum(weights.numel() for weights in trainer.model.parameters() if weights.requires_grad)
    tokens = logs[-1]["num_tokens"] if trainer.state.global_step > resumed else 0
    attempt.figures |= {
        "final_loss": Figure(value=curve.y[-1], unit="nats per token"),
        "rows": Figure(value=rows, unit="rows"),
        "steps": Figure(value=trainer.state.global_step, unit="steps"),
        "resumed_from": Figure(value=resumed, unit="steps"),
        "trained_weights": Figure(value=trained, unit="numbers"),
        "speed": Figure(value=round(tokens / max(seconds, 1e-9), 1), unit="tokens per second"),
        "peak_memory": Figure(value=_peak_memory(), unit="bytes"),
    }


def loss_curve(losses: list[float], window: int) -> Series:
    """The mean loss of each ``window`` steps, by its last step."""
    chunks = [losses[start : start + window] for start in range(0, len(losses), window)]
    ends = np.cumsum([len(chunk) for chunk in chunks])
    means = tuple(float(np.mean(chunk)) for chunk in chunks)
    return Series(x=tuple(map(float, ends)), y=means, x_unit="steps", y_unit="nats per token")


def _peak_memory() -> int:
    """The most memory of the GPU, or of this process where there is none (bytes)."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _tags(attempt: Attempt, tokens: Manifest, model: Manifest) -> dict[str, str]:
    digests = {"tokens": tokens.digest, "model": model.digest, "code": attempt.code, "attempt": attempt.id}
    return {f"sluice.{name}": digest for name, digest in digests.items()}


def _parameters(settings: Finetune) -> dict[str, object]:
    return settings.model_dump(mode="json")
