"""Two samples of one feature: a test, an effect size, and the family-wise error over all of them.

Numbers: the two-sample Kolmogorov-Smirnov test and the Wasserstein distance. Categories: Pearson's test of two samples
and the Jensen-Shannon distance. Evidently works out the first and the last. Its own test of categories takes the
reference's frequencies for exact, which finds drift in two samples of one traffic; SciPy's takes both for samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.monitor.describe.features import FEATURES, FIELD, UNSEEN, Feature, Sort, meaning
from components.monitor.drift.references import Training, unseen
from components.monitor.drift.settings import Drift
from components.monitor.figures import Shift

OTHER, MISSING = "other", "missing"
LEAST_EXPECTED = 5
"""Rows that a class of its own is expected to have in the smaller sample (Cochran 1954, Biometrics 10:417)."""
_FLOOR = {Sort.AMOUNT: 0.1, Sort.SHARE: 1.0}
_LEAST_FIELD_SHARE = 0.1


@dataclass(frozen=True)
class Pair:
    """The values of one feature in the window and in one reference, without nulls.

    Numbers are as they are compared: an amount x as log(1 + x). Rare classes of a category are ``other``.
    """

    feature: str
    sort: Sort
    against: str
    window: NDArray[Any]
    reference: NDArray[Any]


@dataclass(frozen=True)
class Found:
    """What came of a pair."""

    pair: Pair
    shift: Shift


def pairs(
    window: pa.Table, reference: pa.Table, against: str, training: Training | None, settings: Drift
) -> list[Pair]:
    """All features that both tables have, in their order; ``training`` brings the vocabulary for unseen words.

    Where answers are JSON objects, their fields are features, and the answer as a whole is none.
    """
    text_only = against == "training"
    keys = _keys(window, reference, settings)
    found = []
    for feature in FEATURES:
        # A wrong answer is seldom a combination that training data hold; its fields one by one are.
        if (feature.text or not text_only) and not (keys and feature.name == "answer"):
            new, old = (table.column(feature.name).drop_null().to_pylist() for table in (window, reference))
            found.append(_pair(feature, against, new, old, settings))
    if training is not None:
        other = training.held_back if text_only else reference
        new, old = (list(unseen(table, training.vocabulary)) for table in (window, other))
        found.append(_pair(UNSEEN, against, new, old, settings))
    for key in keys:
        new, old = (_field(table, key) for table in (window, reference))
        name = f"{FIELD}{key}"
        found.append(_pair(Feature(name, Sort.CATEGORY, meaning(name)), against, new, old, settings))
    return found


def compare(found: Sequence[Pair], settings: Drift) -> list[Found]:
    """Tests all pairs that have ``least_rows`` on both sides; their values are finite.

    The family-wise error is held over all of them together, whatever they are compared with (Holm 1979, A simple
    sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6:65).
    """
    enough = [pair for pair in found if min(len(pair.window), len(pair.reference)) >= settings.least_rows]
    measured = _measure(enough)
    adjusted = holm([p for p, _ in measured])
    return [
        Found(pair, _shift(pair, p, one, effect, settings))
        for pair, (p, effect), one in zip(enough, measured, adjusted, strict=True)
    ]


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted so that the family-wise error is held (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    adjusted, largest = [1.0] * len(values), 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[at]))
        adjusted[at] = largest
    return adjusted


def categorical_p(window: Sequence[str], reference: Sequence[str]) -> float:
    """p-value that two samples of classes are drawn alike.

    Pearson's test over all classes but ``other``, and Fisher's exact test of ``other`` against the rest, for there may
    be too few of it for the first; the smaller of the two, doubled.
    """
    from scipy.stats import chi2_contingency, fisher_exact

    counts = [Counter(window), Counter(reference)]
    kept = sorted((counts[0] | counts[1]).keys() - {OTHER})
    table = np.array([[count[name] for name in kept] for count in counts])
    pearson = 1.0
    if len(kept) > 1 and table.sum(axis=1).min() > 0:
        pearson = float(chi2_contingency(table).pvalue)
    rest = [[count[OTHER], count.total() - count[OTHER]] for count in counts]
    if not any(count[OTHER] for count in counts):
        return pearson
    return min(1.0, 2 * min(pearson, float(fisher_exact(rest).pvalue)))


def _pair(feature: Feature, against: str, window: list[Any], reference: list[Any], settings: Drift) -> Pair:
    if feature.sort is Sort.CATEGORY:
        sides = _pooled(window, reference, settings.categories)
    else:
        sides = [np.asarray(values, dtype=float) for values in (window, reference)]
        if feature.sort is Sort.AMOUNT:
            sides = [np.log1p(values) for values in sides]
    return Pair(feature.name, feature.sort, against, *sides)


def _pooled(window: list[str], reference: list[str], most: int) -> list[NDArray[Any]]:
    """Both samples with one name for all classes that are too rare to be compared one by one."""
    together, smaller = Counter(window) + Counter(reference), min(len(window), len(reference))
    least = LEAST_EXPECTED * (len(window) + len(reference)) / max(smaller, 1)
    kept = {name for name, number in together.most_common(most) if number >= least}
    return [
        np.asarray([name if name in kept else OTHER for name in values], dtype=object) for values in (window, reference)
    ]


def _keys(window: pa.Table, reference: pa.Table, settings: Drift) -> list[str]:
    """The most frequent fields of answers that are JSON objects, over both samples."""
    found: list[str] = []
    counts: Counter[str] = Counter()
    for table in (window, reference):
        answers = max(table.num_rows - table.column("answer").null_count, 1)
        rows = (row for row in table.column("fields").to_pylist() if row)
        for key, number in Counter(key for row in rows for key, _ in row).items():
            counts[key] = max(counts[key], round(1_000_000 * number / answers))
    found += [key for key, share in sorted(counts.items(), key=_most) if share >= 1_000_000 * _LEAST_FIELD_SHARE]
    return sorted(found[: settings.fields])


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _field(table: pa.Table, key: str) -> list[str]:
    """A field of each answer; ``missing`` for an answer without it, so that one that stopped to come is seen."""
    rows = zip(table.column("answer").to_pylist(), table.column("fields").to_pylist(), strict=True)
    return [dict(fields or ()).get(key, MISSING) for answer, fields in rows if answer is not None]


def _measure(group: list[Pair]) -> list[tuple[float, float]]:
    """p-value and effect of each pair."""
    from scipy.stats import wasserstein_distance

    by_evidently = evidently_values(group)
    found = []
    for pair, value in zip(group, by_evidently, strict=True):
        if pair.sort is Sort.CATEGORY:
            found.append((categorical_p(list(pair.window), list(pair.reference)), value))
        else:
            scale = 1.0 if pair.sort is Sort.SHARE else max(float(np.std(pair.reference)), _FLOOR[pair.sort])
            found.append((value, float(wasserstein_distance(pair.reference, pair.window)) / scale))
    return found


def evidently_values(group: list[Pair]) -> list[float]:
    """By Evidently: the Kolmogorov-Smirnov p-value of a number, the Jensen-Shannon distance of a category."""
    import pandas as pd  # type: ignore[import-untyped]
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    names = [f"c{at}" for at in range(len(group))]
    category = {name: pair.sort is Sort.CATEGORY for name, pair in zip(names, group, strict=True)}
    definition = DataDefinition(
        numerical_columns=[name for name in names if not category[name]],
        categorical_columns=[name for name in names if category[name]],
    )
    sides = [
        Dataset.from_pandas(
            pd.DataFrame({name: pd.Series(side(pair)) for name, pair in zip(names, group, strict=True)}),
            data_definition=definition,
        )
        for side in (attrgetter("window"), attrgetter("reference"))
    ]
    metrics = [ValueDrift(column=name, method="jensenshannon" if category[name] else "ks") for name in names]
    found = Report(metrics).run(*sides).dict()["metrics"] if names else []
    return [float(metric["value"]) for metric in found]


def _shift(pair: Pair, p: float, adjusted: float, effect: float, settings: Drift) -> Shift:
    least, test, measure = {
        Sort.AMOUNT: (settings.least_amount, "Kolmogorov-Smirnov", "Wasserstein distance / standard deviation"),
        Sort.SHARE: (settings.least_share, "Kolmogorov-Smirnov", "Wasserstein distance"),
        Sort.CATEGORY: (settings.least_category, "Pearson and Fisher", "Jensen-Shannon distance"),
    }[pair.sort]
    return Shift(
        feature=pair.feature,
        against=pair.against,
        test=test,
        p=min(max(p, 0.0), 1.0),
        adjusted=min(max(adjusted, 0.0), 1.0),
        effect=max(effect, 0.0),
        measure=measure,
        least=least,
        n=len(pair.window),
        n_reference=len(pair.reference),
        drifted=adjusted < settings.alpha and effect >= least,
    )
