"""Settings of ``decontaminate``."""

from __future__ import annotations

from pydantic import Field

from components.data.similarity import Similarity


class Decontaminate(Similarity):
    """When a training text counts as a copy of an exam question.

    Overlapping n-grams as in Brown et al. 2020 (arXiv:2005.14165, appendix C). Near-duplicates are only told, not
    removed: they say which questions a benchmark is also scored without.
    """

    ngram_words: int = Field(
        default=13, ge=2, le=100, description="Words in a row that a text must not share with a question (words)."
    )
    min_question_words: int = Field(
        default=8,
        ge=1,
        description="Shortest question that is looked for inside longer texts (words); a shorter one only as a whole."
        " 8 is the shortest n-gram of Brown et al.",
    )
    threshold: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Smallest Jaccard similarity at which a question is told to have a near-duplicate (fraction).",
    )
    bands: int = Field(
        default=32,
        ge=1,
        le=4096,
        description="Bands that the sketch is cut into (number, divides permutations); 32 of 128 miss one in 5,000 of"
        " the pairs of similarity 0.7.",
    )
