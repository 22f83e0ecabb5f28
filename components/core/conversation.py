"""How a document becomes a conversation: the training side and the exam are put into words in one way."""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

from pydantic import Field

from components.core.canonical import canonical_json
from components.core.settings import RowSettings

Message = dict[str, str]


class ConversationFormat(RowSettings):
    """How a text and its answer are put to the model."""

    kind: Literal["completion", "classification"] = Field(
        default="completion", description="Whether the answer is a text, or a label whose name is spelt out."
    )
    column: str = Field(
        default="completion", min_length=1, description="Column of the source that holds the answer or the label."
    )
    system: str = Field(default="", description="What the system's turn says; none where it is empty.")
    prompt: str = Field(
        default="{text}", pattern=r"\{text\}", description="What the user's turn says; `{text}` is the document's text."
    )
    separator: str = Field(
        default=" ", description="What `_` in a label is written as (classification): words are learned faster."
    )


class Exchange(NamedTuple):
    """A prompt and the answer that is wanted."""

    prompt: list[Message]
    answer: str


def exchange(text: str, columns: dict[str, Any], style: ConversationFormat) -> Exchange | str:
    """The prompt and the wanted answer of a document; the name of a reason where it has no answer.

    ``columns`` are the source's other columns, as a document keeps them in ``meta``.
    """
    given = columns.get(style.column)
    if given is None:
        return "no_answer"
    answer = given if isinstance(given, str) else canonical_json(given)
    if style.kind == "classification":
        answer = answer.replace("_", style.separator)
    if not answer.strip():
        return "empty_answer"
    turns = [{"role": "system", "content": style.system}] if style.system else []
    return Exchange([*turns, {"role": "user", "content": style.prompt.replace("{text}", text)}], answer)


def columns_of(meta: str) -> dict[str, Any]:
    """What a document's ``meta`` holds."""
    columns: dict[str, Any] = json.loads(meta)
    return columns
