"""``Suite``: what a model will be asked, fixed by digest before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import Field

from components.core.canonical import canonical_json, digest_of_sorted, sha256
from components.core.contract import Contract
from components.core.manifest import Manifest, Part, read_beside
from components.core.store import Store

HEADS = "suites.json"
"""The object of a `suites` artifact that holds the heads; the questions are its rows."""


class Scorer(StrEnum):
    """How an answer is scored."""

    EXACT_MATCH = "exact_match"  # greedy, unconstrained generation equals the reference
    MULTIPLE_CHOICE = "multiple_choice"  # the choice with the highest log-likelihood is the reference


class Generation(Part):
    """How answers are generated."""

    max_new_tokens: int = Field(default=64, ge=1, description="Longest answer (tokens).")
    stop: tuple[str, ...] = Field(default=(), description="Texts that end an answer.")


class Suite(Contract):
    """The head of a suite; its questions are the rows of the `suites` artifact that name it."""

    id: str
    content_digest: str = Field(description="SHA-256 over the sorted digests of its questions.")
    questions: int
    scorer: Scorer
    scorer_version: int = 1
    generation: Generation = Generation()
    metric: str = "accuracy"
    higher_is_better: bool = True

    @property
    def settings_digest(self) -> str:
        """What an answer depends on besides model and question."""
        how = {
            "scorer": self.scorer,
            "scorer_version": self.scorer_version,
            "generation": self.generation.model_dump(mode="json"),
        }
        return sha256(canonical_json(how))


def question_digest(messages: list[dict[str, str]], reference: str, choices: list[str]) -> str:
    """The digest of a question's canonical content."""
    content: dict[str, Any] = {"messages": messages, "reference": reference, "choices": choices}
    return sha256(canonical_json(content))


def suite_digest(questions: list[str]) -> str:
    """The content digest of a suite, from the digests of its questions."""
    return digest_of_sorted(bytes.fromhex(question) for question in questions)


def write_heads(heads: Iterable[Suite]) -> bytes:
    """The heads of suites, sorted by id, as the bytes of the object ``suites.json``."""
    documents = [json.loads(head.to_bytes()) for head in sorted(heads, key=lambda head: head.id)]
    return canonical_json(documents).encode()


def read_heads(store: Store, manifest: Manifest) -> tuple[Suite, ...]:
    """The heads of the suites of a `suites` artifact, sorted by id.

    Raises InvalidInput when the artifact holds none, or one that this code cannot read.
    """
    documents = json.loads(read_beside(store, manifest, HEADS, "suites", "suites"))
    return tuple(Suite.read(canonical_json(document), manifest.key) for document in documents)
