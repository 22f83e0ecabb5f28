"""Settings of ``split``."""

from __future__ import annotations

from pydantic import Field

from components.data.similarity import Similarity


class Split(Similarity):
    """How much is set aside, and what must stay together."""

    held_out_share: float = Field(
        default=0.1, ge=0, lt=1, description="Share of the groups that is set aside as exam questions (fraction)."
    )
    seed: int = Field(default=0, ge=0, description="Another seed sets other groups aside (number).")
    threshold: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Smallest Jaccard similarity at which two documents must not lie on both sides (fraction); lower"
        " than that of deduplicate, which leaves pairs below its own.",
    )
    bands: int = Field(
        default=32,
        ge=1,
        le=4096,
        description="Bands that the sketch is cut into (number, divides permutations); 32 of 128 miss one in 5,000 of"
        " the pairs of similarity 0.7.",
    )
