"""Settings of ``curate``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import RowSettings


class Curate(RowSettings):
    """Which documents are worth learning from.

    The rules are those of Gopher (Rae et al. 2021, arXiv:2112.11446, table A1), with thresholds for short texts.
    """

    min_words: int = Field(default=3, ge=0, description="Fewest words in a text (words); Gopher has 50 for web pages.")
    max_words: int = Field(default=100_000, ge=1, description="Most words in a text (words; Gopher).")
    max_symbol_ratio: float = Field(
        default=0.1, ge=0, description="Most `#` and `…` a word (symbols per word; Gopher)."
    )
    min_alphabetic_share: float = Field(
        default=0.6, ge=0, le=1, description="Smallest share of words with a letter (fraction; Gopher has 0.8)."
    )
    max_repeated_word_share: float = Field(
        default=0.5, ge=0, le=1, description="Largest share of words that are one and the same word (fraction)."
    )
