"""Settings of ``describe``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Describe(StepSettings):
    """Which features of requests and answers are looked at."""

    classes: int = Field(
        default=50,
        ge=2,
        le=10_000,
        description="Most answers that the report counts one by one; rarer ones are `other`.",
    )
    most_rows: int = Field(
        default=20_000,
        ge=100,
        le=1_000_000,
        description="Most requests of a window whose features are compared, by their ids (rows); all are counted.",
    )
    languages: tuple[str, ...] = Field(
        default=("en", "de", "fr", "es", "it", "nl", "pt", "pl", "tr", "ru", "ar", "zh", "ja"),
        min_length=1,
        description="Languages that prompts are told apart into (ISO 639-1): the fewer, the surer.",
    )
