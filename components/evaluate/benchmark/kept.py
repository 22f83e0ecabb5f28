"""Answers that are kept in the store, so that a model is never asked the same twice.

They lie under ``answers/<model>/<settings>/<questions>.parquet``: the content digest of the model, the suite's settings
digest, and the digest of the questions in the part. A part is written once and never changed; of two who ask the same
questions at once the first one's answers count, for both.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.errors import InvalidInput
from components.core.store import Store
from components.core.suites import suite_digest

FOLDER = "answers"
SCHEMA = pa.schema([("question", pa.string()), ("answer", pa.string()), ("score", pa.float64()), ("cut", pa.bool_())])


class Kept(NamedTuple):
    """One answer."""

    question: str  # digest of the question's canonical content
    answer: str
    score: float
    cut: bool  # whether the prompt was too long for the model and lost its beginning


def kept_answers(store: Store, model: str, settings: str) -> dict[str, Kept]:
    """What the model (content digest) has answered under these settings (digest), by question."""
    parts = store.list(f"{FOLDER}/{model}/{settings}")
    return {kept.question: kept for part in parts for kept in _read(store, part)}


def keep(store: Store, model: str, settings: str, answers: Sequence[Kept]) -> list[Kept]:
    """Keeps the answers as one part and returns what counts: another's, where somebody was first."""
    key = f"{FOLDER}/{model}/{settings}/{suite_digest([kept.question for kept in answers])}.parquet"
    return list(answers) if store.create(key, _to_bytes(answers)) else _read(store, key)


def _to_bytes(answers: Iterable[Kept]) -> bytes:
    table = pa.Table.from_pylist([kept._asdict() for kept in answers], schema=SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def _read(store: Store, key: str) -> list[Kept]:
    try:
        table = pq.read_table(pa.BufferReader(store.read(key)), schema=SCHEMA, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(
            f"store {store.uri}: {key} is damaged ({error}); remove it, and its questions will be asked again"
        ) from error
    return [Kept(**row) for row in table.to_pylist()]
