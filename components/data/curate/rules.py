"""Drops texts that no model should learn from; each rejection has a name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from components.core.attempt import Attempt, Draft, Outcome
from components.core.manifest import Kind, Manifest
from components.data.curate.settings import Curate

_LETTER = re.compile(r"[^\W\d_]")
_SYMBOL = re.compile(r"#|…|\.\.\.")
Rule = Callable[[list[str], Curate], bool]


def curate(attempt: Attempt, documents: Manifest, settings: Curate) -> Outcome:
    """Keeps the documents that break no rule. Output: ``curated``, documents."""
    with attempt.rows(Kind.DOCUMENTS, "curated") as kept:
        for row in attempt.read_rows(documents):
            reason = first_broken_rule(row["text"], settings)
            if reason:
                attempt.reject(row, reason, f"{len(row['text'].split())} words")
            else:
                kept.append(row)
    return attempt.commit(
        {"curated": Draft(Kind.DOCUMENTS, kept, sources=documents.sources)},
        settings=settings,
        inputs={"documents": documents},
        rows_in=documents.rows,
    )


def first_broken_rule(text: str, settings: Curate) -> str | None:
    """The name of the first rule that a text breaks, None when it is good."""
    words = text.split()
    return next((name for name, broken in RULES.items() if broken(words, settings)), None)


def _too_many_symbols(words: list[str], settings: Curate) -> bool:
    symbols = sum(len(_SYMBOL.findall(word)) for word in words)
    return symbols > settings.max_symbol_ratio * len(words)


def _few_letters(words: list[str], settings: Curate) -> bool:
    lettered = sum(1 for word in words if _LETTER.search(word))
    return lettered < settings.min_alphabetic_share * len(words)


def _one_word_over_and_over(words: list[str], settings: Curate) -> bool:
    if len(words) < 4:
        return False
    most = Counter(word.lower() for word in words).most_common(1)[0][1]
    return most > settings.max_repeated_word_share * len(words)


RULES: dict[str, Rule] = {
    "too_short": lambda words, settings: len(words) < settings.min_words,
    "too_long": lambda words, settings: len(words) > settings.max_words,
    "too_many_symbols": _too_many_symbols,
    "few_letters": _few_letters,
    "repeated_word": _one_word_over_and_over,
}
