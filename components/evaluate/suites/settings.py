"""Settings of ``suites``."""

from __future__ import annotations

from pydantic import Field

from components.core.conversation import ConversationFormat
from components.core.settings import RowSettings, StepSettings
from components.core.suites import Generation, Scorer


class Override(StepSettings):
    """What one suite does its own way."""

    scorer: Scorer | None = Field(default=None, description="How its answers are scored.")
    generation: Generation | None = Field(default=None, description="How its answers are generated.")
    format: ConversationFormat | None = Field(default=None, description="How its questions are put.")
    choices: str | None = Field(
        default=None, description="Column of a question's choices; an empty name: all answers of the suite."
    )


class Suites(RowSettings):
    """What the model will be asked: the held-out rows, and each benchmark among the sources."""

    format: ConversationFormat = Field(
        default=ConversationFormat(), description="How questions are put; the recipe's `format` where it is not given."
    )
    text: str = Field(
        default="text", min_length=1, description="Column of a benchmark's text; the recipe's `ingest.text`."
    )
    group: str = Field(default="", description="Column of what belongs together; the recipe's `ingest.group`.")
    slices: tuple[str, ...] = Field(
        default=(), description="Columns by whose values scores are also told; a classification has its label."
    )
    scorer: Scorer = Field(default=Scorer.EXACT_MATCH, description="How answers are scored.")
    choices: str = Field(
        default="", description="Column of a question's choices (multiple choice); empty: all answers of its suite."
    )
    generation: Generation = Field(default=Generation(), description="How answers are generated.")
    held_out: str = Field(default="held-out", min_length=1, description="Id of the suite of held-out rows.")
    overrides: dict[str, Override] = Field(default={}, description="What a suite does its own way, by its id.")
    max_reject_share: float = Field(
        default=0.05, ge=0, le=1, description="Largest share of faulty questions that is put up with (fraction)."
    )
