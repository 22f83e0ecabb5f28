"""Keeps exactly one of each cluster of equal and nearly equal documents: the one with the smallest id.

Exact first (equal normalised texts), then near-duplicates among what is left. A cluster is a connected component, as
in Lee et al. 2022, arXiv:2107.06499, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from components.core.attempt import Attempt, Draft, Outcome
from components.core.manifest import Kind, Manifest
from components.core.personal_data import without_personal_data
from components.core.report import Example, Figure
from components.core.rows import RowWriter
from components.data.deduplicate.settings import Deduplicate
from components.data.near_duplicates import Fingerprints, Pair, Reader, clusters, fingerprints, pairs_among
from components.data.shingles import Positions

_SHOWN = 3  # merged pairs of each sort that the report shows
_CHARACTERS = 400


def deduplicate(attempt: Attempt, documents: Manifest, settings: Deduplicate) -> Outcome:
    """Merges duplicates. Outputs: ``deduplicated``, documents; ``clusters``, a report with a row for each merged
    document: its id, the survivor's as ``name``, and as ``value`` the similarity to the nearest of its cluster.
    """

    def read() -> Iterable[pa.RecordBatch]:
        return attempt.read(documents, ["id", "text"])

    exact, near = _merged(attempt, read, settings)
    merged = {**exact, **near}
    with attempt.rows(Kind.DOCUMENTS, "deduplicated") as kept:
        _write_survivors(attempt, documents, kept, merged)
    with attempt.rows(Kind.REPORT, "clusters") as listed:
        for name, pair in sorted(merged.items()):
            listed.append({"id": name, "name": pair.first, "value": f"{pair.similarity:.4f}"})
    _describe(attempt, read, exact, near)
    drafts = {
        "deduplicated": Draft(Kind.DOCUMENTS, kept, sources=documents.sources),
        "clusters": Draft(Kind.REPORT, listed),
    }
    return attempt.commit(
        drafts,
        settings=settings,
        inputs={"documents": documents},
        rows_in=documents.rows,
        merged=len(merged),
    )


def _merged(attempt: Attempt, read: Reader, settings: Deduplicate) -> tuple[dict[str, Pair], dict[str, Pair]]:
    """Each document that goes, by id: (survivor, document, similarity), first the exact ones, then the near ones."""
    with attempt.timed("fingerprints"):
        prints = fingerprints(read(), settings)
    survivors, stands_for = _exact(prints)
    with attempt.timed("pairs"):
        pairs = pairs_among(prints.take(survivors), read, settings)
    survivor_of = clusters((pair.first, pair.second) for pair in pairs)
    nearest: dict[str, float] = {}
    for one, other, similarity in pairs:
        for name in (one, other):
            nearest[name] = max(similarity, nearest.get(name, 0.0))
    near = {name: Pair(survivor, name, nearest[name]) for name, survivor in survivor_of.items() if survivor != name}
    exact = {name: Pair(survivor_of.get(twin, twin), name, 1.0) for name, twin in stands_for.items()}
    return exact, near


def _exact(prints: Fingerprints) -> tuple[Positions, dict[str, str]]:
    """The positions of the first of each set of equal texts, and for each other document the id of its first."""
    _, first, inverse = np.unique(prints.texts, axis=0, return_index=True, return_inverse=True)
    first_of = first[inverse.reshape(-1)]
    copies = np.flatnonzero(first_of != np.arange(len(prints.ids)))
    return np.sort(first), {prints.ids[at]: prints.ids[first_of[at]] for at in copies}


def _write_survivors(attempt: Attempt, documents: Manifest, kept: RowWriter, merged: dict[str, Pair]) -> None:
    for batch in attempt.read(documents):
        kept.write(batch.filter(pa.array([name not in merged for name in batch.column("id").to_pylist()], pa.bool_())))


def _describe(attempt: Attempt, read: Reader, exact: dict[str, Pair], near: dict[str, Pair]) -> None:
    """Figures, and as examples the near pairs that are least alike, where a wrong merge would show first."""
    survivors = {pair.first for pair in (*exact.values(), *near.values())}
    for name, count in (("exact", len(exact)), ("near", len(near)), ("clusters", len(survivors))):
        attempt.figures[name] = Figure(value=count, unit="clusters" if name == "clusters" else "documents")
    shown = sorted(near.values(), key=lambda pair: (pair.similarity, pair.second))[:_SHOWN]
    shown += sorted(exact.values(), key=lambda pair: pair.second)[:_SHOWN]
    texts = _texts_of({name for pair in shown for name in (pair.first, pair.second)}, read)
    for pair in shown:
        title = f"{pair.second} merged into {pair.first} (similarity {pair.similarity:.2f})"
        attempt.examples.append(Example(title=title, before=texts[pair.second], after=texts[pair.first]))


def _texts_of(names: set[str], read: Reader) -> dict[str, str]:
    """The beginnings of a few documents, fit to be shown: personal data is redacted only in a later step."""
    found: dict[str, str] = {}
    for batch in read() if names else ():
        for name, text in zip(batch.column("id").to_pylist(), batch.column("text"), strict=True):
            if name in names:
                found[name] = without_personal_data(text.as_py()[: 2 * _CHARACTERS])[:_CHARACTERS]
    return found
