"""Answers that are kept in the store, so that a model is never asked the same twice.

They lie under ``answers/<model>/<settings>/<questions>.parquet``: the content digest of the model, the suite's settings
digest, and the digest of the questions in the part. A part is written once and never changed; of two who ask the same
questions at once the first one's answers count, for both.

A part counts under the seal beside it (``.seal``) only, where a graph examines: its account vouches that the model was
asked. What else lies there was put there by somebody who may write, and is asked again.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.rows import whole_table
from components.core.seal import Seal
from components.core.store import Store
from components.core.suites import suite_digest

FOLDER = "answers"
PART = ".parquet"
SCHEMA = pa.schema([("question", pa.string()), ("answer", pa.string()), ("score", pa.float64()), ("cut", pa.bool_())])


class Kept(NamedTuple):
    """One answer."""

    question: str  # digest of the question's canonical content
    answer: str
    score: float
    cut: bool  # whether the prompt was too long for the model and lost its beginning


@dataclass(frozen=True)
class Place:
    """Where the answers of one model under one suite's settings are kept, and who vouches for them."""

    store: Store
    model: str  # content digest
    settings: str  # settings digest of the suite
    seal: Seal | None = None

    def read(self) -> dict[str, Kept]:
        """What the model has answered, by question."""
        parts = [key for key in self.store.list(self._folder) if key.endswith(PART)]
        return {kept.question: kept for part in parts for kept in self._heard(part) or ()}

    def keep(self, answers: Sequence[Kept]) -> list[Kept]:
        """Keeps the answers as one part and returns what counts: another's, where somebody was first."""
        key, data = f"{self._folder}/{suite_digest([kept.question for kept in answers])}{PART}", _to_bytes(answers)
        if not self.store.create(key, data):
            before = self._heard(key)
            if before is not None:
                return before
            self.store.write(key, data)
        if self.seal:
            self.store.write(_seal_key(key), self.seal.set(self._what(data)))
        return list(answers)

    @property
    def _folder(self) -> str:
        return f"{FOLDER}/{self.model}/{self.settings}"

    def _heard(self, part: str) -> list[Kept] | None:
        """The answers of a part; None where nobody vouches for these very bytes."""
        data = self.store.read(part)
        if self.seal:
            seal = _seal_key(part)
            if not self.store.exists(seal) or not self.seal.holds(self.store.read(seal), self._what(data)):
                return None
        return _answers(data, f"store {self.store.uri}: {part}")

    def _what(self, data: bytes) -> dict[str, str]:
        """What a seal vouches for: these bytes are this model's answers under these settings."""
        return {"model": self.model, "settings": self.settings, "answers": sha256(data)}


def _seal_key(part: str) -> str:
    return f"{part.removesuffix(PART)}.seal"


def _to_bytes(answers: Iterable[Kept]) -> bytes:
    table = pa.Table.from_pylist([kept._asdict() for kept in answers], schema=SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def _answers(data: bytes, where: str) -> list[Kept]:
    try:
        table = whole_table(data).cast(SCHEMA)
    except (ValueError, OSError) as error:  # Arrow's own are of both kinds
        raise InvalidInput(f"{where} is damaged ({error}); remove it, and its questions will be asked again") from error
    return [Kept(**row) for row in table.to_pylist()]
