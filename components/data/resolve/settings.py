"""Settings of ``resolve``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.core.settings import StepSettings


class SourceSpec(BaseModel):
    """Files of one role."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        min_length=1,
        description="Path of a file below `root`; `*`, `?`, `[…]` and `**` match many.",
    )
    role: Literal["train", "benchmark"] = Field(
        default="train", description="Rows to train on, or questions of a benchmark that nothing may be trained on."
    )
    name: str = Field(
        default="",
        description="Name of the source, a benchmark's suite id; by default the file's name up to its suffix.",
    )
    format: Literal["auto", "jsonl", "csv", "parquet", "text"] = Field(
        default="auto", description="How the file is written; `auto` goes by its suffix."
    )
    licence: str = Field(default="", description="Licence of the rows, as an SPDX id where there is one.")


class Resolve(StepSettings):
    """Where the data lies. What is found there is pinned by digest before anything is read."""

    root: str = Field(
        description="Folder of the sources: a path from the working directory, an absolute one, gs://… or s3://…."
    )
    sources: tuple[SourceSpec, ...] = Field(min_length=1, description="The files below `root`, by role.")
