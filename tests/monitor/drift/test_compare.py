from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from components.monitor.describe.features import SCHEMA, Sort, request_features
from components.monitor.describe.settings import Describe
from components.monitor.drift.compare import (
    OTHER,
    Pair,
    categorical_p,
    compare,
    evidently_values,
    holm,
    pairs,
)
from components.monitor.drift.references import Training
from components.monitor.drift.settings import Drift
from tests.monitor.traffic import World, changed, traffic

LANGUAGES = Describe().languages


def table(seed: int, count: int = 400, world: World | None = None) -> pa.Table:
    rows, _ = traffic(count, seed, world)
    return pa.Table.from_pylist([request_features(row, LANGUAGES) for row in rows], schema=SCHEMA)


@pytest.fixture(scope="module")
def usual() -> pa.Table:
    return table(1)


def known(features: pa.Table) -> Training:
    """Training data whose words are those of these rows."""
    words = {word for words in features.column("words").to_pylist() for word in words}
    return Training(None, features, features, frozenset(words))  # type: ignore[arg-type]


def moved(window: pa.Table, usual: pa.Table, **settings) -> set[str]:
    chosen = Drift(**settings)
    found = compare(pairs(window, usual, "release", known(usual), chosen), chosen)
    return {one.pair.feature for one in found if one.shift.drifted}


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_two_samples_of_one_traffic_have_not_drifted(usual, seed) -> None:
    assert moved(table(seed), usual) == set()


@pytest.mark.parametrize(
    ("world", "features"),
    [
        (changed(rambling=12), {"prompt_words", "prompt_tokens"}),
        (changed(slower=2.0), {"latency_ms", "first_token_ms"}),
        (changed(numbers=0.9), {"digits"}),
        (changed(german=0.4), {"language", "unseen_words"}),
        (changed(failed=0.3), {"status"}),
        (changed(cut_short=0.3), {"finish_reason"}),
        (changed(products=("tablet", "scanner", *World().products[2:])), {"answer.product", "unseen_words"}),
        (changed(queues=("devices",) * 2 + World().queues[2:]), {"answer.queue"}),
    ],
)
def test_what_was_changed_is_found(usual, world, features) -> None:
    assert features <= moved(table(2, world=world), usual)


def test_a_shift_needs_both_a_test_and_an_effect(usual) -> None:
    slower = table(2, world=changed(slower=1.3))
    assert "latency_ms" in moved(slower, usual)
    assert "latency_ms" not in moved(slower, usual, least_amount=2.0)
    little = changed(slower=1.15)
    assert "latency_ms" in moved(table(2, 4000, little), usual)
    assert "latency_ms" not in moved(table(2, 60, little), usual)


def test_punctuation_drifts_by_its_share(usual) -> None:
    at = usual.column_names.index("punctuation")
    loud = usual.set_column(at, "punctuation", pa.array(np.array(usual.column("punctuation")) + 0.1))
    assert moved(loud, usual) == {"punctuation"}


def test_answers_that_are_no_objects_any_more_are_found(usual) -> None:
    rows, _ = traffic(400, 2)
    broken = [request_features(row | {"response": "I do not know"}, LANGUAGES) for row in rows]
    window = pa.Table.from_pylist(broken, schema=SCHEMA)
    assert {"answer.product", "answer.queue"} <= moved(window, usual)


def test_plain_answers_are_classes_and_those_that_are_all_different_are_none() -> None:
    def answers(texts: list[str]) -> pa.Table:
        rows, _ = traffic(len(texts), 1)
        made = [request_features(row | {"response": text}, LANGUAGES) for row, text in zip(rows, texts, strict=True)]
        return pa.Table.from_pylist(made, schema=SCHEMA)

    draw = random.Random(1)
    usual = answers(draw.choices(["yes", "no"], k=300))
    assert "answer" in moved(answers(draw.choices(["yes", "no"], [9, 1], k=300)), usual)
    unique = [answers([f"text {draw.random()}" for _ in range(300)]) for _ in range(2)]
    assert moved(*unique) == set()


def test_only_features_of_texts_are_compared_with_training_data(usual) -> None:
    found = pairs(usual, usual, "training", known(usual), Drift())
    assert {pair.feature for pair in found} == {
        "prompt_words", "answer_words", "digits", "punctuation", "language", "unseen_words", "answer.product",
        "answer.queue",
    }  # fmt: skip


def test_fields_of_answers_are_few_and_the_frequent_ones(usual) -> None:
    names = [pair.feature for pair in pairs(usual, usual, "release", None, Drift(fields=1))]
    assert [name for name in names if name.startswith("answer")] == ["answer_words", "answer.product"]
    names = [pair.feature for pair in pairs(usual, usual, "release", None, Drift(fields=0))]
    assert [name for name in names if name.startswith("answer")] == ["answer_words", "answer"]


def number(window, reference, sort: Sort = Sort.AMOUNT, against: str = "release") -> Pair:
    return Pair("x", sort, against, np.asarray(window), np.asarray(reference))


def test_evidently_gives_the_test_of_scipy_and_the_distance_of_two_frequencies() -> None:
    draw = np.random.default_rng(1)
    window, reference = draw.normal(size=80), draw.normal(0.3, size=120)
    words = Pair("w", Sort.CATEGORY, "release", np.array(["a"] * 3 + ["b"], object), np.array(["a", "c"], object))
    p, distance = evidently_values([number(window, reference), words])
    assert p == pytest.approx(ks_2samp(reference, window).pvalue)
    assert distance == pytest.approx(_jensen_shannon([0.75, 0.25, 0], [0.5, 0, 0.5]))
    assert evidently_values([]) == []


def _jensen_shannon(one: list[float], other: list[float]) -> float:
    middle = [(a + b) / 2 for a, b in zip(one, other, strict=True)]
    halves = [sum(a * math.log(a / m) for a, m in zip(side, middle, strict=True) if a) / 2 for side in (one, other)]
    return math.sqrt(sum(halves))


@pytest.mark.parametrize(
    ("window", "reference"),
    [
        ([1.0] * 60, [1.0] * 60),
        ([1.0] * 60, [2.0] * 60),
        ([0.0] * 59 + [math.log1p(1e9)], [0.0] * 60),
        (list(range(60)), [5.0] * 60),
    ],
)
def test_all_numbers_are_finite_whatever_the_values(window, reference) -> None:
    found = compare([number(window, reference), number(window, reference, Sort.SHARE)], Drift())
    assert len(found) == 2
    for one in found:
        assert all(map(math.isfinite, (one.shift.p, one.shift.adjusted, one.shift.effect)))


def test_one_huge_number_does_not_hide_that_the_rest_moved() -> None:
    draw = np.random.default_rng(1)
    reference, window = (np.log1p(draw.lognormal(mean, 0.3, 200)) for mean in (5, 6))
    found = compare([number(np.append(window, math.log1p(1e9)), reference)], Drift())
    assert found[0].shift.drifted


def test_a_feature_with_too_few_values_is_not_compared() -> None:
    few, enough = number([1.0] * 49, [1.0] * 50), number([1.0] * 50, [1.0] * 50)
    assert [one.pair for one in compare([few, enough], Drift())] == [enough]
    assert compare([], Drift()) == []


def test_holm_adjusts_from_the_smallest_on() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_family_wise_error_is_held_over_both_references_together() -> None:
    draw = np.random.default_rng(3)
    made = [number(draw.normal(size=60), draw.normal(size=60), against=side) for side in ("training", "release") * 5]
    made.append(number(draw.normal(0.9, size=60), draw.normal(size=60), against="training"))
    found = compare(made, Drift())
    assert [one.shift.adjusted for one in found] == pytest.approx(holm([one.shift.p for one in found]))
    smallest = min(found, key=lambda one: one.shift.p)
    assert smallest.shift.adjusted == pytest.approx(11 * smallest.shift.p)


def test_a_window_alone_rejects_no_more_often_than_it_says() -> None:
    draw, rejected = random.Random(5), 0
    for _ in range(400):
        window, reference = (draw.choices("abcde", [5, 4, 3, 2, 1], k=size) for size in (200, 300))
        rejected += categorical_p(window, reference) < 0.05
    assert 8 <= rejected <= 32


def test_classes_too_rare_to_be_compared_one_by_one_are_compared_together() -> None:
    usual = ["a"] * 100 + ["b"] * 100
    assert categorical_p([*usual, OTHER], usual * 10) > 0.05
    assert categorical_p(usual + [OTHER] * 30, usual * 10) < 1e-6
    assert categorical_p([OTHER] * 9, [OTHER] * 9) == 1.0
    assert categorical_p(["a"] * 9, ["a"] * 9) == 1.0
    assert categorical_p(["a"] * 60, ["b"] * 60) < 1e-6
    assert categorical_p(["a"] * 60, [OTHER] * 60) < 1e-6
