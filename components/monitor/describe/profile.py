"""Describes a window: lengths, languages, latency, errors, answers, and what people said of them."""

from __future__ import annotations

import hashlib
import heapq
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.core.attempt import Attempt, Draft, Outcome
from components.core.manifest import Kind, Manifest, read_beside
from components.core.report import Figure
from components.core.request_log import Status
from components.core.rows import Row
from components.core.wilson import wilson_interval
from components.monitor.describe.features import FEATURES, SCHEMA, Sort, request_features
from components.monitor.describe.quality import Quality, quality
from components.monitor.describe.settings import Describe
from components.monitor.describe.summary import PROFILE, ROWS, OfModel, Profile
from components.monitor.observe.records import HEAD, Head

_COUNTED = ["model", "status", "http_status", "unit", "started"]
_FEATURED = [
    "request_id", "model", "status", "finish_reason", "prompt_tokens", "completion_tokens", "latency_ms",
    "first_token_ms", "messages", "response",
]  # fmt: skip
QUANTILES = (0.05, 0.5, 0.95)


@dataclass
class Counts:
    """What is counted over all rows of a window."""

    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    newest: str = ""


def describe(attempt: Attempt, window: Manifest, labelled: Manifest, settings: Describe) -> Outcome:
    """Counts all rows of ``window`` and measures the features of up to ``most_rows``. Output: ``profile``.

    Beside the output's rows, which hold quantiles and counts by name, lie the ``Profile`` and the features of each
    request. ``labelled`` is what was said since the last window, whichever request it is about.
    """
    head = Head.read(read_beside(attempt.store, window, HEAD, "window of the log", "observe"), window.key)
    with attempt.timed("count"):
        counts = count(attempt, window)
        said = quality(attempt.read_rows(labelled))
    with attempt.timed("features"):
        features = pa.Table.from_pylist(list(_featured(attempt, window, settings)), schema=SCHEMA)
        features = features.sort_by("request_id")
    found = _profile(head, counts, said, features.num_rows, settings.languages)
    _tell(attempt, found)
    with attempt.rows(Kind.REPORT, "profile") as listed:
        for row in _listed(attempt, features, settings):
            listed.append(row)
    buffer = io.BytesIO()
    pq.write_table(features, buffer, compression="zstd")
    beside = (
        attempt.attach("profile", PROFILE, found.to_bytes()),
        attempt.attach("profile", ROWS, buffer.getvalue()),
    )
    inputs = {"window": window, "labelled": labelled}
    return attempt.commit({"profile": Draft(Kind.REPORT, listed, extra=beside)}, settings=settings, inputs=inputs)


def count(attempt: Attempt, window: Manifest) -> Counts:
    """Counts requests by status, HTTP error, model and user."""
    counts = Counts()
    for batch in attempt.read(window, _COUNTED):
        for row in batch.to_pylist():
            model = row["model"] or ""
            counts.statuses[row["status"] or "unknown"] += 1
            counts.models[model] += 1
            counts.answered[model] += row["status"] == Status.ANSWERED
            counts.units.update([row["unit"]] if row["unit"] else [])
            counts.newest = max(counts.newest, row["started"])
            if row["status"] == Status.FAILED:
                counts.errors[str(row["http_status"] or "none")] += 1
    return counts


def drawn(names: Iterable[str], most: int) -> set[str] | None:
    """``most`` of the names, the same ones each time; None for all of them where there are no more."""
    ranked = heapq.nsmallest(most + 1, ((hashlib.sha256(name.encode()).digest(), name) for name in names))
    return None if len(ranked) <= most else {name for _, name in ranked[:most]}


def _featured(attempt: Attempt, window: Manifest, settings: Describe) -> Iterator[Row]:
    names = (name for batch in attempt.read(window, ["request_id"]) for name in batch.column(0).to_pylist())
    chosen = drawn(names, settings.most_rows) if window.rows > settings.most_rows else None
    for batch in attempt.read(window, _FEATURED):
        for row in batch.to_pylist():
            if chosen is None or row["request_id"] in chosen:
                yield request_features(row, settings.languages)


def _profile(head: Head, counts: Counts, said: Quality, rows: int, languages: tuple[str, ...]) -> Profile:
    models = sorted(set(counts.models) | set(said.scores))
    return Profile(
        endpoint=head.endpoint,
        since=head.since,
        until=head.until,
        faults=head.faults,
        statuses=dict(sorted(counts.statuses.items())),
        errors=dict(sorted(counts.errors.items())),
        models={
            model: OfModel(
                requests=counts.models[model],
                answered=counts.answered[model],
                quality=said.scores.get(model, OfModel().quality),
                corrections=said.corrections.get(model, 0),
            )
            for model in models
        },
        units=len(counts.units),
        of_one_unit=max(counts.units.values(), default=0),
        words=said.voices.total(),
        of_one_voice=max(said.voices.values(), default=0),
        newest=counts.newest,
        languages=languages,
        rows=rows,
    )


def _tell(attempt: Attempt, found: Profile) -> None:
    numbers = {"requests": (found.requests, "requests"), "users": (found.units, "users")}
    numbers |= {status: (count, "requests") for status, count in found.statuses.items() if status in set(Status)}
    attempt.figures |= {name: Figure(value=value, unit=unit) for name, (value, unit) in numbers.items()}
    for model, one in found.models.items():
        if one.quality.labelled:
            attempt.figures[f"accuracy {model[:12] or 'unknown'}"] = accuracy(one)


def accuracy(one: OfModel) -> Figure:
    """The share of right answers with its interval (Wilson 1927)."""
    low, high = wilson_interval(one.quality.correct, one.quality.labelled)
    share = one.quality.correct / one.quality.labelled
    return Figure(value=share, unit="share", low=low, high=high, n=one.quality.labelled)


def _listed(attempt: Attempt, features: pa.Table, settings: Describe) -> Iterator[Row]:
    """Quantiles of numbers and the most frequent classes, one a row; the medians also as figures."""
    units = {"latency_ms": "ms", "first_token_ms": "ms"}
    for feature in FEATURES:
        values = features.column(feature.name).drop_null()
        if feature.sort is Sort.CATEGORY:
            ranked = Counter(values.to_pylist()).most_common()
            rare = sum(number for _, number in ranked[settings.classes :])
            for name, number in ranked[: settings.classes] + ([("other", rare)] if rare else []):
                yield {"id": feature.name, "name": name, "value": str(number)}
        elif len(values):
            for share, value in zip(QUANTILES, np.quantile(values.to_numpy(), QUANTILES), strict=True):
                yield {"id": feature.name, "name": f"p{100 * share:02.0f}", "value": f"{value:.6g}"}
            median = float(np.median(values.to_numpy()))
            attempt.figures[feature.name] = Figure(value=round(median, 6), unit=units.get(feature.name, ""))
