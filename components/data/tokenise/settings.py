"""Settings of ``tokenise``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import RowSettings


class Tokenise(RowSettings):
    """What the trainer reads: token shards with a loss mask."""

    max_tokens: int | None = Field(
        default=None,
        ge=8,
        description="Longest row (tokens); the rest is cut off and counted. Null: the model's context.",
    )
