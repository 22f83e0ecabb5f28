"""The part of a step's settings that says when two texts are nearly the same."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from components.core.settings import StepSettings


class Similarity(StepSettings):
    """MinHash with banding (Broder 1997; Leskovec et al., Mining of Massive Datasets, section 3.4).

    Two texts of similarity s become a candidate pair with probability 1 - (1 - s^rows)^bands, rows being permutations
    / bands; each candidate's true similarity is then computed.
    """

    shingle_words: int = Field(
        default=5, ge=1, le=100, description="Length of a shingle (words); 5 as in Lee et al. 2022, arXiv:2107.06499."
    )
    permutations: int = Field(
        default=128, ge=1, le=4096, description="Hash functions a text is sketched with (number; datasketch's default)."
    )
    bands: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="Bands that the sketch is cut into (number, divides permutations); 16 of 128 find 95 % of the pairs"
        " of similarity 0.8, 32 find all but 1 in 5,000 of those of 0.7.",
    )
    threshold: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Smallest Jaccard similarity of the sets of shingles at which two texts are near-duplicates"
        " (fraction; Lee et al. 2022).",
    )

    @model_validator(mode="after")
    def _bands_divide(self) -> Self:
        if self.permutations % self.bands:
            raise ValueError(f"bands = {self.bands} does not divide permutations = {self.permutations}")
        return self
