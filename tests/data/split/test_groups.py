from __future__ import annotations

import json
import random

import pytest

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.rows import read_batches
from components.data.near_duplicates import near_duplicate_pairs
from components.data.similarity import Similarity
from components.data.split.groups import split
from components.data.split.settings import Split

WORDS = [f"word{number}" for number in range(3000)]


def a_text(seed: int, words: int = 30) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def document(name: str, text: str, group: str | None = None) -> dict:
    meta = json.dumps({} if group is None else {"group": group})
    return {"id": name, "text": text, "source": "test", "licence": "", "created": None, "meta": meta}


@pytest.fixture
def sides(store, commit_rows):
    """Splits documents and says which ids are on which side."""

    def make(rows: list[dict], **settings) -> tuple[set[str], set[str]]:
        outcome = split(Attempt(store, "split"), commit_rows(Kind.DOCUMENTS, rows), Split(**settings))
        assert sum(outcome.report.rows.out.values()) == len(rows)
        return tuple(
            {row["id"] for batch in read_batches(store, outcome.manifests[role].shards) for row in batch.to_pylist()}
            for role in ("train", "held_out")
        )

    return make


def some_rows(count: int = 400) -> list[dict]:
    """Documents with groups of four, and every tenth with a near-duplicate in another group."""
    rows = [document(f"d{at:04d}", a_text(at), f"g{at // 4}") for at in range(count)]
    rows += [document(f"e{at:04d}", a_text(at) + " and more", f"h{at}") for at in range(0, count, 10)]
    return rows


def test_about_the_share_that_is_asked_for_is_held_out(sides) -> None:
    train, held_out = sides([document(f"d{at}", a_text(at)) for at in range(2000)], held_out_share=0.2)
    assert 330 < len(held_out) < 470  # 400 with a deviation of 18
    assert len(train) + len(held_out) == 2000


def test_no_group_lies_astride(sides) -> None:
    train, held_out = sides(some_rows(), held_out_share=0.3)
    groups = {row["id"]: json.loads(row["meta"])["group"] for row in some_rows()}
    assert {groups[name] for name in train} & {groups[name] for name in held_out} == set()


def test_no_near_duplicates_lie_astride(sides, commit_rows, store) -> None:
    rows = some_rows()
    train, held_out = sides(rows, held_out_share=0.3)
    texts = commit_rows(Kind.DOCUMENTS, rows).shards
    pairs = near_duplicate_pairs(
        lambda: read_batches(store, texts, ["id", "text"]), Similarity(bands=64, threshold=0.7)
    )
    assert len(pairs) == 40
    assert all({first, second} <= train or {first, second} <= held_out for first, second, _ in pairs)
    assert held_out


def test_a_chain_of_groups_and_near_duplicates_stays_together(sides) -> None:
    rows = [
        document("a", a_text(1), "one"),
        document("b", a_text(1) + " more", "two"),
        document("c", a_text(2), "two"),
        document("d", a_text(2) + " more"),
        *(document(f"x{at}", a_text(100 + at)) for at in range(20)),
    ]
    for seed in range(12):
        train, held_out = sides(rows, held_out_share=0.5, seed=seed)
        assert {"a", "b", "c", "d"} <= train or {"a", "b", "c", "d"} <= held_out


def test_the_sides_do_not_depend_on_the_order_of_rows(sides) -> None:
    rows = some_rows()
    expected = sides(rows)
    random.Random(5).shuffle(rows)
    assert sides(rows) == expected


def test_new_rows_leave_the_old_ones_where_they_are(sides) -> None:
    old = some_rows()
    train, held_out = sides(old)
    new = [document(f"n{at}", a_text(9000 + at)) for at in range(200)]
    new += [document(f"z{at}", a_text(at) + " once more") for at in range(0, 50, 5)]  # nearly equal to old ones
    train_now, held_out_now = sides(old + new)
    assert train <= train_now
    assert held_out <= held_out_now


def test_another_seed_sets_others_aside(sides) -> None:
    assert sides(some_rows(), seed=1)[1] != sides(some_rows(), seed=2)[1]


def test_a_share_of_nothing_holds_nothing_out(sides) -> None:
    train, held_out = sides(some_rows(40), held_out_share=0)
    assert (len(train), held_out) == (44, set())


def test_a_group_and_an_id_of_one_name_are_two_things(sides) -> None:
    rows = [
        row
        for at in range(40)
        for row in (document(f"k{at}", a_text(at)), document(f"m{at}", a_text(at + 500), f"k{at}"))
    ]
    train, held_out = sides(rows, held_out_share=0.5)
    assert any((f"k{at}" in train) != (f"m{at}" in train) for at in range(40))
    assert held_out


def test_nothing_left_to_train_on_is_refused(sides) -> None:
    with pytest.raises(InvalidInput, match=r"all 5 rows were held out; lower split\.held_out_share"):
        sides([document(f"d{at}", a_text(at), "one") for at in range(5)], held_out_share=0.999)
