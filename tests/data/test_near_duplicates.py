from __future__ import annotations

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import InvalidInput
from components.data.near_duplicates import clusters, near_duplicate_pairs
from components.data.normalise import normalised
from components.data.similarity import Similarity

WORDS = [f"word{number}" for number in range(5000)]


def reader(rows: dict[str, str], batch_rows: int = 1000):
    items = list(rows.items())

    def read():
        for start in range(0, len(items), batch_rows):
            names, texts = zip(*items[start : start + batch_rows], strict=True)
            yield pa.RecordBatch.from_pydict({"id": list(names), "text": list(texts)})

    return read


def planted(similarity: float, pairs: int, words: int = 200, seed: int = 0) -> tuple[dict[str, str], set]:
    """Pairs of texts of a known Jaccard similarity: each shares its first words, and thus its first shingles."""
    random_ = random.Random(seed)
    shingles = words - 4
    shared = round(2 * shingles * similarity / (1 + similarity))
    rows, expected = {}, set()
    for number in range(pairs):
        head = random_.choices(WORDS, k=shared + 4)
        for side in "ab":
            tail = [f"{side}{word}" for word in random_.choices(WORDS, k=words - len(head))]
            rows[f"{number:04d}{side}"] = " ".join(head + tail)
        expected.add((f"{number:04d}a", f"{number:04d}b"))
    return rows, expected


@pytest.mark.parametrize(
    ("similarity", "least"), [(0.95, 1.0), (0.9, 0.995), (0.85, 0.97), (0.81, 0.92)]
)  # the probability of 16 bands of 8 at 0.81 is 0.96, with a deviation of 0.01 in 400 pairs
def test_planted_pairs_of_known_similarity_are_found_at_the_recall_of_the_method(similarity, least) -> None:
    rows, expected = planted(similarity, pairs=400)
    found = near_duplicate_pairs(reader(rows), Similarity())
    recall = len({(pair.first, pair.second) for pair in found} & expected) / len(expected)
    assert recall >= least
    assert all(abs(pair.similarity - similarity) < 0.005 for pair in found)


def test_no_pair_below_the_threshold_is_called_a_near_duplicate() -> None:
    rows, _ = planted(0.78, pairs=300)
    assert near_duplicate_pairs(reader(rows), Similarity()) == []


def test_thirty_two_bands_find_practically_all_pairs_of_seven_tenths() -> None:
    rows, expected = planted(0.71, pairs=400)
    assert len(near_duplicate_pairs(reader(rows), Similarity(threshold=0.7, bands=32))) == len(expected)


def test_the_similarity_is_that_of_the_sets_of_shingles() -> None:
    rows = {"a": "one two three four", "b": "zero one two three four", "c": "Nothing of it here at all"}
    found = near_duplicate_pairs(reader(rows), Similarity(shingle_words=2, bands=64, threshold=0.5))
    assert found == [("a", "b", 3 / 4)]


def test_punctuation_and_case_do_not_hide_a_copy_but_signs_that_mean_something_do() -> None:
    assert normalised("“Hello,  WORLD!”") == normalised("hello world")
    assert normalised("What is 3 + 4?") != normalised("What is 3 - 4?")
    assert normalised("?!") != normalised("...")
    assert normalised("ﬁne") == normalised("Fine.")


def test_texts_shorter_than_a_shingle_are_one_shingle() -> None:
    rows = {"a": "thank you", "b": "Thank you!", "c": "thank him", "d": "thank you very much indeed"}
    assert near_duplicate_pairs(reader(rows), Similarity()) == [("a", "b", 1.0)]


def test_a_crowd_of_equal_texts_ends_in_one_cluster() -> None:
    rows = {f"{number:03d}": "the very same text for every one of them" for number in range(200)}
    pairs = near_duplicate_pairs(reader(rows), Similarity())
    joined = clusters((pair.first, pair.second) for pair in pairs)
    assert set(joined.values()) == {"000"}
    assert len(joined) == 200
    assert len(pairs) < 400  # each with the first and with its neighbour, not all 19,900


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 50))
def test_pairs_do_not_depend_on_the_order_of_rows_or_on_batches(random_, batch_rows) -> None:
    rows, _ = planted(0.85, pairs=15, words=40)
    shuffled = list(rows.items())
    random_.shuffle(shuffled)
    given_, expected = Similarity(bands=32), near_duplicate_pairs(reader(rows), Similarity(bands=32))
    assert expected
    assert near_duplicate_pairs(reader(dict(shuffled), batch_rows), given_) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=40), st.randoms(use_true_random=False))
def test_clusters_are_the_connected_components_whatever_the_order_of_links(links, random_) -> None:
    named = [(f"{one:02d}", f"{other:02d}") for one, other in links]
    expected = clusters(named)
    random_.shuffle(named)
    assert clusters(named) == expected
    assert all(expected[one] == expected[other] for one, other in named)
    assert all(root == min(name for name, its in expected.items() if its == root) for root in expected.values())


def test_no_texts_give_no_pairs() -> None:
    assert near_duplicate_pairs(lambda: iter(()), Similarity()) == []
    assert near_duplicate_pairs(reader({"a": "only one"}), Similarity()) == []


def test_two_documents_with_one_id_are_refused() -> None:
    batch = pa.RecordBatch.from_pydict({"id": ["a", "a"], "text": ["one", "two"]})
    with pytest.raises(InvalidInput, match="two documents have the id 'a'"):
        near_duplicate_pairs(lambda: [batch], Similarity())


def test_bands_that_do_not_divide_the_permutations_are_refused() -> None:
    with pytest.raises(ValueError, match="does not divide"):
        Similarity(bands=15)
