"""TRL's SFTTrainer on token shards: our order of rows, our schedule, our checkpoints, nothing sent to anybody."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from components.core.errors import Failed
from components.train.finetune.checkpoints import Checkpoints
from components.train.finetune.examples import Collator, Examples
from components.train.finetune.order import EpochOrder
from components.train.finetune.settings import Finetune
from components.train.finetune.tracking import Tracking

PROGRESS_SECONDS = 10
_TRACKED = ("loss", "learning_rate", "grad_norm", "mean_token_accuracy")
_SCHEDULERS = {"constant": "constant_with_warmup", "one-cycle": "constant"}


class Trainer(SFTTrainer):
    """SFTTrainer that resumes to the last digit.

    Its own samplers draw from the global generator, whose state at an epoch's beginning no checkpoint holds.
    """

    lr_scheduler: Any

    def __init__(self, order: EpochOrder, settings: Finetune, **given: Any) -> None:
        self._order, self._settings = order, settings
        super().__init__(**given)
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches in the order of seed and epoch."""
        loader = DataLoader(
            self.train_dataset,
            batch_size=self._train_batch_size,
            sampler=self._order,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return self.accelerator.prepare(loader)  # type: ignore[no-any-return]

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """transformers has no one-cycle; PyTorch does."""
        if self._settings.scheduler != "one-cycle":
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            self.lr_scheduler = OneCycleLR(
                optimizer or self.optimizer,
                max_lr=self._settings.learning_rate,
                total_steps=num_training_steps,
                # A rise of no step at all divides by zero.
                pct_start=max(self._settings.warmup_ratio, 1.5 / max(num_training_steps, 2)),
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Writes none: the card is a step of its own, and this one would go into every checkpoint."""

    def _send_telemetry(self) -> None:
        """Tells nobody what is trained here."""


class Keeper(TrainerCallback):
    """Saves checkpoints when it is time, and says how far the training is."""

    def __init__(self, checkpoints: Checkpoints, attempt: str, settings: Finetune, tracking: Tracking) -> None:
        self.checkpoints, self._attempt = checkpoints, attempt
        self._settings, self._tracking = settings, tracking
        self._saved = self._said = time.monotonic()
        self.saving_seconds = 0.0

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Asks for a checkpoint; never for one of the last step, which is the result."""
        every, seconds = self._settings.save_every_steps, self._settings.save_every_seconds
        due = bool(every and state.global_step % every == 0)
        due = due or bool(seconds and time.monotonic() - self._saved >= seconds)
        control.should_save = due and state.global_step < state.max_steps

    def on_save(self, args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Commits what the trainer wrote, and frees this machine's disk."""
        began = time.monotonic()
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self.checkpoints.save(folder, self._attempt, state.global_step)
        shutil.rmtree(folder)
        self._saved = time.monotonic()
        self.saving_seconds += self._saved - began

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        """Ends a training whose loss is no number; says now and then how far it is."""
        if not logs or "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise Failed(
                f"finetune: the loss is {logs['loss']} at step {state.global_step}; lower finetune.learning_rate, or"
                " look at the rows"
            )
        self._tracking.point({name: logs[name] for name in _TRACKED if name in logs}, state.global_step)
        if state.global_step % self._settings.logging_steps == 0:
            self._tracking.flush()
        if time.monotonic() - self._said >= PROGRESS_SECONDS:
            self._said = time.monotonic()
            said = f"step {state.global_step} of {state.max_steps}: loss {logs['loss']:.4f}"
            print(said, file=sys.stderr, flush=True)


def build_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Examples,
    settings: Finetune,
    folder: Path,
    keeper: Keeper,
) -> Trainer:
    """The trainer for these rows and settings; it writes its files below ``folder``."""
    rows = settings.batch_size * settings.gradient_accumulation
    order = EpochOrder(examples.canonical, examples.lengths, settings.seed, rows if settings.group_by_length else 0)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return Trainer(
        order=order,
        settings=settings,
        model=model,
        args=_arguments(settings, folder),
        train_dataset=examples.dataset,
        processing_class=tokenizer,
        data_collator=Collator(pad or 0, multiple=8 if torch.cuda.is_available() else 1),
        peft_config=_adapters(settings) if settings.method == "lora" else None,
        callbacks=[keeper],
    )


def uses_bfloat16(settings: Finetune) -> bool:
    """Whether the forward pass is in bfloat16."""
    if settings.precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return settings.precision == "bfloat16"


def _arguments(settings: Finetune, folder: Path) -> SFTConfig:
    return SFTConfig(
        output_dir=str(folder),
        learning_rate=settings.learning_rate,
        lr_scheduler_type=_SCHEDULERS.get(settings.scheduler, settings.scheduler),
        warmup_steps=settings.warmup_ratio,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        bf16=uses_bfloat16(settings),
        use_cpu=not torch.cuda.is_available(),
        activation_checkpointing=settings.gradient_checkpointing,
        loss_type=_loss_type(settings),
        # The shards are tokenised and cut already.
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        # Every step's loss is kept, so a curve that a checkpoint interrupts is still the same curve.
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _loss_type(settings: Finetune) -> str:
    """TRL computes logits only where the loss counts, unless the output layer has an adapter of its own."""
    head = settings.method == "lora" and "lm_head" in settings.lora.target_modules
    return "nll" if head else "chunked_nll"


def _adapters(settings: Finetune) -> LoraConfig:
    lora = settings.lora
    targets = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    return LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )
