from __future__ import annotations

import numpy as np

from components.train.finetune.order import EpochOrder


def _order(epoch: int, group: int = 0, seed: int = 1, rows: int = 1003) -> list[int]:
    lengths = np.random.default_rng(0).integers(1, 200, rows)
    order = EpochOrder(np.arange(rows), lengths, seed, group)
    order.set_epoch(epoch)
    return list(order)


def test_every_row_is_read_once_an_epoch() -> None:
    for group in (0, 8):
        assert sorted(_order(3, group)) == list(range(1003))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    for group in (0, 8):
        assert _order(3, group) == _order(3, group)
        assert _order(3, group) != _order(4, group)
        assert _order(3, group) != _order(3, group, seed=2)


def test_places_of_the_rows_do_not_matter_only_their_ids_do() -> None:
    moved = np.random.default_rng(5).permutation(50)  # moved[i]: where the row with the i-th id lies
    lengths = np.arange(50)
    here = list(EpochOrder(np.arange(50), lengths, seed=1, group=4))
    there = list(EpochOrder(moved, lengths[np.argsort(moved)], seed=1, group=4))
    assert [int(moved[row]) for row in here] == there


def test_batches_of_one_length_need_a_fraction_of_the_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 1003)

    def padding(order: list[int]) -> int:
        batches = [lengths[order[start : start + 8]] for start in range(0, len(order), 8)]
        return sum(int((batch.max() - batch).sum()) for batch in batches)

    assert padding(_order(0, group=8)) < 0.1 * padding(_order(0))


def test_long_batches_do_not_come_first() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 1003)
    means = lengths[_order(0, group=8)[:320]].reshape(-1, 8).mean(axis=1)
    assert not np.all(np.diff(means) <= 0)
