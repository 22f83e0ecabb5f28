"""Pairs of nearly equal texts: MinHash sketches (Daft), bands as sorted arrays, then the true similarity of each pair.

What comes out depends on the texts and their ids only, not on their order or on how they are cut into batches.
Broder 1997, "On the resemblance and containment of documents"; banding as in Leskovec et al., "Mining of Massive
Datasets", section 3.4. Memory: a text's id and eight bytes a band; of candidates also eight bytes a shingle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import daft
import numpy as np
import pyarrow as pa

from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.data.normalise import normalised
from components.data.shingles import Hashes, Positions, jaccard, shingle_sets, words_of
from components.data.similarity import Similarity

Reader = Callable[[], Iterable[pa.RecordBatch]]
"""Reads the same texts anew at each call: batches with the columns ``id`` and ``text``."""
_ALL_PAIRS_UP_TO = 32  # texts that share a band; above it each is compared with the first and with its neighbours
_SEED = 1  # of Daft's permutations: part of what a sketch is, not a choice
_PRIME = np.uint64(0x100000001B3)


class Pair(NamedTuple):
    """Two texts by id, the smaller first, and the Jaccard similarity of their sets of word shingles."""

    first: str
    second: str
    similarity: float


@dataclass(frozen=True)
class Fingerprints:
    """Of each text, sorted by id: its id, the digest of the normalised text (128 bits), and its key in each band."""

    ids: tuple[str, ...]
    texts: Hashes
    bands: Hashes

    def take(self, positions: Positions) -> Fingerprints:
        """Those at ``positions``."""
        return Fingerprints(tuple(self.ids[at] for at in positions), self.texts[positions], self.bands[positions])


def near_duplicate_pairs(read: Reader, settings: Similarity) -> list[Pair]:
    """The pairs of texts with a similarity of at least ``settings.threshold``, sorted by id.

    Raises InvalidInput when two texts have one id.
    """
    return pairs_among(fingerprints(read(), settings), read, settings)


def fingerprints(batches: Iterable[pa.RecordBatch], settings: Similarity) -> Fingerprints:
    """Reads texts once and keeps what is needed to find those that are equal or nearly equal."""
    ids: list[str] = []
    digests, bands = bytearray(), [np.empty((0, settings.bands), np.uint64)]
    for batch in batches:
        texts = [normalised(text) for text in batch.column("text").to_pylist()]
        ids.extend(batch.column("id").to_pylist())
        for text in texts:
            digests += bytes.fromhex(sha256(text)[:32])
        bands.append(_band_keys(texts, settings))
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)
    _refuse_equal_ids([ids[at] for at in order])
    whole = Fingerprints(tuple(ids), np.frombuffer(bytes(digests), np.uint64).reshape(-1, 2), np.concatenate(bands))
    return whole.take(order)


def pairs_among(prints: Fingerprints, read: Reader, settings: Similarity) -> list[Pair]:
    """The near-duplicate pairs among texts whose fingerprints were taken; reads the candidates' texts again."""
    found = _candidates(prints.bands)
    shingles = _shingles_of(found, prints.ids, read, settings)
    measured = ((int(one), int(other), jaccard(shingles[one], shingles[other])) for one, other in found)
    return [
        Pair(prints.ids[one], prints.ids[other], similarity)
        for one, other, similarity in measured
        if similarity >= settings.threshold
    ]


def clusters(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The connected components of ``links``: for each member the smallest of its component (union-find)."""
    parent: dict[str, str] = {}

    def root(member: str) -> str:
        while (above := parent.setdefault(member, member)) != member:
            parent[member] = parent[above]
            member = above
        return member

    for one, other in links:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return {member: root(member) for member in list(parent)}


def _band_keys(texts: Sequence[str], settings: Similarity) -> Hashes:
    """One 64-bit key a band (texts × bands): equal where all rows of the band are."""
    column = daft.Series.from_pylist(list(texts), dtype=daft.DataType.string())
    sketch = column.minhash(num_hashes=settings.permutations, ngram_size=settings.shingle_words, seed=_SEED)
    values = sketch.to_arrow().flatten().to_numpy().astype(np.uint64)
    rows = values.reshape(len(texts), settings.bands, -1)
    keys: Hashes = np.full(rows.shape[:2], 0xCBF29CE484222325, dtype=np.uint64)
    for row in range(rows.shape[2]):  # FNV-1a over words: a collision costs one comparison more
        keys = (keys ^ rows[:, :, row]) * _PRIME
    return keys


def _candidates(bands: Hashes) -> Positions:
    """Pairs of positions (pairs × 2), sorted and each once, that share a key in a band."""
    count, found = np.uint64(len(bands)), [np.empty(0, np.uint64)]
    for band in bands.T:
        for one, other in _neighbours(band):
            found.append(one.astype(np.uint64) * count + other.astype(np.uint64))
    codes = np.unique(np.concatenate(found))
    return np.stack([codes // count, codes % count], axis=1).astype(np.int64) if len(codes) else np.empty((0, 2), int)


def _neighbours(keys: Hashes) -> Iterator[tuple[Positions, Positions]]:
    """Within a run of equal keys: all pairs where it is short, else each with the first and with its neighbour."""
    order = np.argsort(keys, kind="stable")
    begins = np.flatnonzero(np.concatenate(([True], np.diff(keys[order]) != 0))) if len(keys) else np.empty(0, int)
    lengths = np.diff(np.append(begins, len(keys)))
    first, length = np.repeat(begins, lengths), np.repeat(lengths, lengths)
    place = np.arange(len(keys)) - first
    long = length > _ALL_PAIRS_UP_TO
    yield order[first[long & (place > 0)]], order[long & (place > 0)]
    yield order[np.flatnonzero(long & (place > 1)) - 1], order[long & (place > 1)]
    for distance in range(1, min(int(lengths.max(initial=1)), _ALL_PAIRS_UP_TO)):
        later = np.flatnonzero(~long & (place >= distance))
        yield order[later - distance], order[later]


def _shingles_of(found: Positions, ids: Sequence[str], read: Reader, settings: Similarity) -> dict[int, Hashes]:
    """The sets of shingles of all texts that are in a pair."""
    wanted = {ids[at]: int(at) for at in np.unique(found)}
    shingles: dict[int, Hashes] = {}
    for batch in read() if wanted else ():
        places = [wanted.get(name) for name in batch.column("id").to_pylist()]
        chosen = batch.filter(pa.array([place is not None for place in places]))
        texts = [normalised(text) for text in chosen.column("text").to_pylist()]
        sets = shingle_sets(words_of(texts), settings.shingle_words)
        shingles.update(zip((place for place in places if place is not None), sets, strict=True))
    return shingles


def _refuse_equal_ids(ids: Sequence[str]) -> None:
    for one, next_one in pairwise(ids):
        if one == next_one:
            raise InvalidInput(f"two documents have the id {one!r}; put the step validate before this one")
