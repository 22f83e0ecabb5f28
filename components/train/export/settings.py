"""Settings of ``export``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.core.settings import StepSettings


class Export(StepSettings):
    """The form in which others load the model."""

    adapter: bool = Field(
        default=False, description="Whether a LoRA adapter stays one, to be loaded on its base; else it is merged."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Numbers of the weights; auto keeps those of the base."
    )

    @model_validator(mode="after")
    def _an_adapter_keeps_its_numbers(self) -> Self:
        if self.adapter and self.dtype != "auto":
            raise ValueError("an adapter is exported as it was trained; leave dtype out, or set adapter to false")
        return self
