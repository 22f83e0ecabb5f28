"""The order in which rows are read: a function of seed and epoch alone, whatever shard or attempt they come from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

POOL = 50
"""Batches that are sorted by length together; as in transformers' LengthGroupedSampler."""

Ints = npt.NDArray[np.int64]


class EpochOrder(Sampler[int]):
    """Places of rows, shuffled anew each epoch; ``set_epoch`` is what Accelerate calls, also on resuming.

    transformers' own samplers draw from the global generator, so a resumed epoch would have another order.
    """

    def __init__(self, canonical: Ints, lengths: Ints, seed: int, group: int = 0) -> None:
        """``canonical``: places of the rows sorted by id; ``lengths``: of the rows by place; ``group``: rows a step."""
        self._canonical, self._lengths, self._seed, self._group = canonical, lengths, seed, group
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose order is next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._canonical)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng([self._seed, self._epoch])
        order = self._canonical[random.permutation(len(self._canonical))]
        if self._group:
            order = grouped(order, self._lengths, self._group, random)
        return iter(order.tolist())


def grouped(order: Ints, lengths: Ints, group: int, random: np.random.Generator) -> Ints:
    """``order`` with rows of about one length side by side, ``group`` at a time, and the groups shuffled."""
    pools = [
        _pool(order[start : start + POOL * group], lengths, group, random)
        for start in range(0, len(order), POOL * group)
    ]
    return np.concatenate(pools) if pools else order


def _pool(pool: Ints, lengths: Ints, group: int, random: np.random.Generator) -> Ints:
    by_length = pool[np.argsort(-lengths[pool], kind="stable")]
    whole = len(pool) // group
    shuffled = by_length[: whole * group].reshape(whole, group)[random.permutation(whole)].reshape(-1)
    # What fills no group stays last, so that every other group is still one batch.
    return np.concatenate([shuffled, by_length[whole * group :]])
