"""Sets held-out rows aside, group by group; no group and no near-duplicates lie on both sides.

A group is a connected component of equal ``meta.group`` and of similarity. Its side is a hash of its smallest key, so
it does not depend on the other rows: new rows leave the old ones where they are, unless a new row is nearly equal to
old ones and has a smaller key, or joins two groups. A run on the old data keeps its exam by its digest anyway.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from components.core.attempt import Attempt, Draft, Outcome
from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest
from components.core.report import Figure
from components.data.near_duplicates import clusters, near_duplicate_pairs
from components.data.split.settings import Split


def split(attempt: Attempt, documents: Manifest, settings: Split) -> Outcome:
    """Parts documents. Outputs: ``train`` and ``held_out``, documents.

    Raises InvalidInput when nothing is left to train on.
    """
    smallest = _joined(attempt, documents, settings) if settings.held_out_share else {}
    groups: dict[str, bool] = {}
    with attempt.rows(Kind.DOCUMENTS, "train") as train, attempt.rows(Kind.DOCUMENTS, "held_out") as held_out:
        for batch in attempt.read(documents):
            keys = [smallest.get(key, key) for key in _keys(batch)]
            groups.update((key, is_held_out(key, settings)) for key in keys)
            aside = pa.array([groups[key] for key in keys], pa.bool_())
            held_out.write(batch.filter(aside))
            train.write(batch.filter(pc.invert(aside)))
    if documents.rows and not train.rows:
        raise InvalidInput(
            f"split: all {documents.rows} rows were held out; lower split.held_out_share or change split.seed"
        )
    attempt.figures["groups"] = Figure(value=len(groups), unit="groups")
    attempt.figures["held_out_groups"] = Figure(value=sum(groups.values()), unit="groups")
    attempt.figures["joined_by_similarity"] = Figure(value=len(smallest), unit="groups")
    drafts = {
        "train": Draft(Kind.DOCUMENTS, train, sources=documents.sources),
        "held_out": Draft(Kind.DOCUMENTS, held_out, sources=documents.sources),
    }
    return attempt.commit(drafts, settings=settings, inputs={"documents": documents}, rows_in=documents.rows)


def is_held_out(key: str, settings: Split) -> bool:
    """The side of a group: its hash, as a fraction, lies below the share."""
    return int(sha256(f"{settings.seed}:{key}")[:16], 16) / 16**16 < settings.held_out_share


def _joined(attempt: Attempt, documents: Manifest, settings: Split) -> dict[str, str]:
    """For each key that near-duplicates join with others, the smallest of those joined."""
    with attempt.timed("pairs"):
        pairs = near_duplicate_pairs(lambda: attempt.read(documents, ["id", "text"]), settings)
    wanted = {name for pair in pairs for name in (pair.first, pair.second)}
    key_of = {
        name: key
        for batch in attempt.read(documents, ["id", "meta"])
        for name, key in zip(batch.column("id").to_pylist(), _keys(batch), strict=True)
        if name in wanted
    }
    links: Iterable[tuple[str, str]] = ((key_of[pair.first], key_of[pair.second]) for pair in pairs)
    return clusters(links)


def _keys(batch: pa.RecordBatch) -> Iterator[str]:
    """Each document's group, or the document itself where it has none."""
    for name, meta in zip(batch.column("id").to_pylist(), batch.column("meta").to_pylist(), strict=True):
        group = json.loads(meta).get("group") if '"group"' in meta else None
        yield f"group:{group}" if group not in (None, "") else f"row:{name}"
