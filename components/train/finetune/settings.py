"""Settings of ``finetune``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.settings import StepSettings


class Lora(StepSettings):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685); the defaults are those of its section 4.1 and of PEFT."""

    r: int = Field(default=16, ge=1, description="Rank of an adapter.")
    alpha: float = Field(default=32, gt=0, description="Scale of an adapter; it is multiplied by alpha / r.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of an adapter's inputs set to zero (fraction).")
    target_modules: Literal["all-linear"] | tuple[str, ...] = Field(
        default="all-linear",
        description="Layers with an adapter, by the end of their names; Dettmers et al. 2023: all.",
    )


class Finetune(StepSettings):
    """Supervised fine-tuning with AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101)."""

    method: Literal["full", "lora"] = Field(default="full", description="Whether all weights learn, or adapters.")
    lora: Lora = Field(default=Lora(), description="The adapters, where `method` is lora.")
    learning_rate: float = Field(
        default=2e-5,
        gt=0,
        le=1,
        description="Highest learning rate (per step); TRL's default. LoRA likes ten times it.",
    )
    scheduler: Literal["cosine", "linear", "constant", "one-cycle"] = Field(
        default="cosine", description="How the learning rate goes; one-cycle: Smith and Topin 2017, arXiv:1708.07120."
    )
    warmup_ratio: float = Field(
        default=0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises (fraction)."
    )
    epochs: float = Field(default=1, gt=0, description="Times that each row is read (epochs).")
    max_steps: int | None = Field(default=None, ge=1, description="Ends earlier, after so many steps (steps).")
    batch_size: int = Field(default=16, ge=1, description="Rows in a forward pass on a device (rows).")
    gradient_accumulation: int = Field(default=1, ge=1, description="Forward passes a step.")
    weight_decay: float = Field(default=0.0, ge=0, description="Decoupled weight decay (per step); TRL's default.")
    max_grad_norm: float = Field(default=1.0, ge=0, description="Longest gradient, cut to it (norm); 0 cuts nothing.")
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seed of the rows' order, of fresh adapters and of dropout."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Numbers of the forward pass; auto: bfloat16 on a GPU that can, float32 elsewhere."
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Whether activations are computed again instead of kept: less memory, a fifth slower.",
    )
    group_by_length: bool = Field(
        default=True,
        description="Whether a batch holds rows of about one length: less padding, twice as fast on a CPU.",
    )
    save_every_steps: int | None = Field(default=None, ge=1, description="A checkpoint after so many steps (steps).")
    save_every_seconds: float | None = Field(
        default=300, gt=0, description="A checkpoint after so long (seconds): the most that a crash costs."
    )
    logging_steps: int = Field(default=10, ge=1, description="Steps that a point of the loss curve is the mean of.")

    def decides(self) -> dict[str, object]:
        """The settings that the result depends on: not when it is saved and looked at."""
        return self.model_dump(mode="json", exclude={"save_every_steps", "save_every_seconds", "logging_steps"})
