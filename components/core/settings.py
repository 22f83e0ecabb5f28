"""What a recipe may set for a step, and how settings travel inside a compiled graph.

They travel as one canonical JSON string: KFP turns the numbers of a struct into doubles, so digests would
differ between backends and large seeds would break.
"""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from components.core.canonical import canonical_json
from components.core.errors import InvalidInput

MOST_BYTES = 60_000
"""An executor's argument fails at 128 KiB, and KFP escapes it once more on the way there."""


class StepSettings(BaseModel):
    """The base of every step's settings: unknown keys are errors, values do not change."""

    # A whole number as the default of a float would be written as 1, and as 1.0 once it was read back.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    def encode(self) -> str:
        """These settings, defaults included, as the string that a graph carries."""
        return encode(self.model_dump(mode="json"))

    @classmethod
    def decode(cls, text: str) -> Self:
        """The settings that ``encode`` wrote."""
        return cls.model_validate(json.loads(text))


def encode(value: Any) -> str:
    """``value`` as canonical JSON that KFP passes on untouched.

    Raises InvalidInput above 60 kB, the most that every backend hands to a step.
    """
    text = escape_placeholders(canonical_json(value))
    size = len(json.dumps(text))
    if size > MOST_BYTES:
        raise InvalidInput(
            f"settings of {size} bytes do not fit into a graph (at most {MOST_BYTES}); put what is long"
            " into a file and name the file"
        )
    return text


def escape_placeholders(json_text: str) -> str:
    """JSON text with the same meaning and no ``{{$``, which KFP would substitute."""
    return json_text.replace("{{$", "{\\u007b$")


class RowSettings(StepSettings):
    """Settings of a step that reads rows that may be faulty."""

    max_reject_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Largest share of rows that may be rejected before the step refuses its input (fraction).",
    )
