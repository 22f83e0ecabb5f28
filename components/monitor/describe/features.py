"""The features of a question and its answer: what is measured of one row, in the log and in training data alike.

Texts come from strangers: only their beginning is looked at, and what is kept of them is short.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

import pyarrow as pa

from components.core.canonical import canonical_json
from components.core.errors import InvalidInput
from components.core.request_log import Status
from components.core.rows import Row


class Sort(StrEnum):
    """What a feature's values are."""

    AMOUNT = "amount"  # a number from zero up, compared as log(1 + x): a few huge ones must not hide the rest
    SHARE = "share"  # a fraction of a text
    CATEGORY = "category"


class Feature(NamedTuple):
    """One feature. ``means`` says what it is to a person, ``text`` whether training data have it too."""

    name: str
    sort: Sort
    means: str
    text: bool = True


UNSEEN = Feature("unseen_words", Sort.SHARE, "share of a question's words that training never had")
"""Share of a prompt's words that no training text holds; drift works it out of ``words``."""
FEATURES = (
    Feature("prompt_words", Sort.AMOUNT, "words of a question"),
    Feature("answer_words", Sort.AMOUNT, "words of an answer"),
    Feature("digits", Sort.SHARE, "share of digits in a question"),
    Feature("punctuation", Sort.SHARE, "share of punctuation in a question"),
    Feature("language", Sort.CATEGORY, "language of a question"),
    Feature("answer", Sort.CATEGORY, "the answer itself"),
    Feature("prompt_tokens", Sort.AMOUNT, "tokens of a question", text=False),
    Feature("completion_tokens", Sort.AMOUNT, "tokens of an answer", text=False),
    Feature("latency_ms", Sort.AMOUNT, "milliseconds to a whole answer", text=False),
    Feature("first_token_ms", Sort.AMOUNT, "milliseconds to the first token of a stream", text=False),
    Feature("finish_reason", Sort.CATEGORY, "why an answer ended", text=False),
    Feature("status", Sort.CATEGORY, "what became of a request", text=False),
)
FIELD = "answer."
"""What the names of features begin with that are fields of answers, where these are JSON objects."""
_TYPES = {Sort.AMOUNT: pa.float64(), Sort.SHARE: pa.float64(), Sort.CATEGORY: pa.string()}
SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("model", pa.string()),
        *((feature.name, _TYPES[feature.sort]) for feature in FEATURES),
        ("words", pa.list_(pa.uint32())),  # CRC-32 of the prompt's different words: enough to know them again
        ("fields", pa.map_(pa.string(), pa.string())),  # of an answer that is a JSON object
    ]
)
MOST_CHARACTERS, MOST_WORDS, MOST_FIELDS = 20_000, 500, 32
_LANGUAGE_CHARACTERS, _CLASS, _NAME = 1000, 80, 40
_LEAST_LETTERS = 10
_HUGE = 1e9
"""No latency, length or count of a request is larger (ms, words, tokens): a number above it is a fault of the log."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_PUNCTUATION = re.compile(r"[^\w\s]")
_DIGIT = re.compile(r"\d")


def meaning(feature: str) -> str:
    """What a feature is to a person, by its name; empty for one that is not known here."""
    if feature.startswith(FIELD):
        return f"what answers say under “{feature.removeprefix(FIELD)}”"
    return next((known.means for known in (*FEATURES, UNSEEN) if known.name == feature), "")


def request_features(row: Row, languages: Sequence[str]) -> Row:
    """The features of a row of the request log; null for what it does not have.

    Only a whole answer has features of an answer.
    """
    answered = row["status"] == Status.ANSWERED
    prompt, _ = exchange_of(row["messages"] or [])
    numbers = ("prompt_tokens", "completion_tokens", "latency_ms", "first_token_ms")
    return {
        "request_id": row["request_id"],
        "model": row["model"] or "",
        "status": clipped(row["status"] or "unknown"),
        "finish_reason": clipped(row["finish_reason"] or "none") if answered else None,
        **{name: amount(row[name]) if answered else None for name in numbers},
        **text_features(prompt, (row["response"] or "") if answered else None, languages),
    }


def text_features(prompt: str | None, answer: str | None, languages: Sequence[str]) -> Row:
    """The features of a prompt and an answer, either of which may be missing (None)."""
    found: Row = dict.fromkeys(("prompt_words", "digits", "punctuation", "language", "words"))
    found |= dict.fromkeys(("answer_words", "answer", "fields"))
    if prompt is not None:
        text = prompt[:MOST_CHARACTERS]
        length = max(len(text), 1)
        found |= {
            "prompt_words": float(len(text.split())),
            "digits": len(_DIGIT.findall(text)) / length,
            "punctuation": len(_PUNCTUATION.findall(text)) / length,
            "language": language_of(text, languages),
            "words": sorted({crc32(word.encode()) for word in _WORD.findall(text.lower())})[:MOST_WORDS],
        }
    if answer is not None:
        text = answer[:MOST_CHARACTERS]
        fields = fields_of(text)
        found |= {"answer_words": float(len(text.split())), "fields": None if fields is None else list(fields.items())}
        found["answer"] = clipped(canonical_json(fields) if fields is not None else text) or "nothing"
    return found


def exchange_of(messages: Iterable[Row]) -> tuple[str | None, str | None]:
    """The last prompt of a user, and the last answer; None where there is none."""
    last: dict[str, str] = {message["role"]: message["content"] or "" for message in messages if message}
    return last.get("user"), last.get("assistant")


def fields_of(answer: str) -> dict[str, str] | None:
    """The fields of an answer that is a JSON object, each as a short text; None for any other answer."""
    try:
        found = json.loads(answer) if answer.lstrip().startswith("{") else None
        if not isinstance(found, dict):
            return None
        items = sorted(found.items())[:MOST_FIELDS]
        return {
            _whole(key[:_NAME]): clipped(value if isinstance(value, str) else json.dumps(value)) for key, value in items
        }
    except (ValueError, RecursionError):
        return None


def clipped(text: str) -> str:
    """A text as the name of a class: white space does not count, and its end is left out where it is long."""
    short = _whole(" ".join(text[: 4 * _CLASS].split()))
    return short if len(short) <= _CLASS else f"{short[: _CLASS - 1]}…"


def _whole(text: str) -> str:
    """The text without halves of characters, which JSON can hold and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


def amount(value: Any) -> float | None:
    """A number from zero up; None for what is no such number or cannot be one."""
    return float(value) if value is not None and 0 <= value <= _HUGE else None


def language_of(text: str, languages: Sequence[str]) -> str:
    """The likeliest of ``languages`` (py3langid; Lui and Baldwin 2012, langid.py, ACL); `unclear` for a few letters."""
    text = text[:_LANGUAGE_CHARACTERS]
    if sum(map(str.isalpha, text)) < _LEAST_LETTERS:
        return "unclear"
    return str(_identifier(tuple(languages)).classify(text)[0])


@cache
def _identifier(languages: tuple[str, ...]) -> Any:
    """The identifier, loaded once."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    unknown = sorted(set(languages) - set(identifier.nb_classes))
    if unknown:
        raise InvalidInput(
            f"describe.languages: {', '.join(unknown)} cannot be told apart; use some of"
            f" {', '.join(sorted(set(identifier.nb_classes)))}"
        )
    identifier.set_languages(list(languages))
    return identifier
