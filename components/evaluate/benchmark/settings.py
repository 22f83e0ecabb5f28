"""Settings of ``benchmark``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.settings import StepSettings


class Benchmark(StepSettings):
    """How a model is asked. What it is asked, and how its answers are scored, the suites say."""

    batch_size: int = Field(
        default=64,
        ge=1,
        description="Questions asked at once (questions); 64 is the most that lm-evaluation-harness tries by itself.",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="Where the model runs; `auto` is the first GPU, or the CPU where there is none.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Type of the weights; `auto` is the type that they were exported in."
    )
    part_questions: int = Field(
        default=512,
        ge=1,
        description="Answers are kept after so many (questions): the most that a crash loses; eight batches.",
    )
    examples: int = Field(
        default=4, ge=0, description="Right and wrong answers that the report shows of each suite (answers of each)."
    )
    slices: int = Field(
        default=5,
        ge=0,
        description="Slices that the report scores of each suite, the weakest first (slices); the answers have all.",
    )
