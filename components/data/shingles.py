"""Word n-grams of many texts at once, as arrays of 64-bit hashes; no Python object for each n-gram.

Of n different n-grams, two share a hash with probability n²/2^65: in a million texts of 250 words, about once in
six hundred tries. Where a wrong match would cost a row, the caller compares the words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Hashes: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.int64]
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing


@dataclass(frozen=True)
class Words:
    """The words of some texts: a hash a word, and where each text begins."""

    hashes: Hashes
    starts: Positions  # one more than there are texts

    @property
    def lengths(self) -> Positions:
        """Words in each text."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class Grams:
    """The n-grams of some texts: a hash each, the text that it stands in, and the word that it begins with."""

    hashes: Hashes
    texts: Positions
    words: Positions


def words_of(texts: Sequence[str]) -> Words:
    """The words of normalised texts, which single spaces divide; an empty text has one empty word."""
    split = pc.split_pattern(pa.array(texts, pa.large_string()), " ")
    coded = split.flatten().dictionary_encode()
    known = np.array([_hash(word) for word in coded.dictionary.to_pylist()], dtype=np.uint64)
    return Words(known[coded.indices.to_numpy()], split.offsets.to_numpy().astype(np.int64))


def grams(words: Words, size: int) -> Grams:
    """All runs of ``size`` words inside a text."""
    owner = np.repeat(np.arange(len(words.starts) - 1), words.lengths)
    last = max(len(owner) - size + 1, 0)
    begins = np.flatnonzero(owner[:last] == owner[size - 1 : size - 1 + last])
    return Grams(_hash_of_runs(words.hashes, begins, size), owner[begins], begins)


def shingle_sets(words: Words, size: int) -> Iterator[Hashes]:
    """For each text the sorted set of its shingles; a text shorter than a shingle is one shingle."""
    runs = grams(words, size)
    bounds = np.searchsorted(runs.texts, np.arange(len(words.starts)))
    for text, length in enumerate(words.lengths):
        if length < size:
            whole = _hash_of_runs(words.hashes, words.starts[text : text + 1], int(length))
            yield whole
        else:
            yield np.unique(runs.hashes[bounds[text] : bounds[text + 1]])


def jaccard(one: Hashes, other: Hashes) -> float:
    """The similarity of two sorted sets: shared members over all members."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _hash_of_runs(hashes: Hashes, begins: Positions, size: int) -> Hashes:
    """A polynomial over ``size`` hashes from each beginning on, then mixed so that every bit depends on every word."""
    total = np.full(len(begins), size, dtype=np.uint64)
    for offset in range(size):
        total = total * _FACTOR + hashes[begins + offset]
    total ^= total >> np.uint64(32)
    total *= _FACTOR
    return total ^ (total >> np.uint64(29))
