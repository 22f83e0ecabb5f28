"""What a window is compared with: what its model was trained on, and the model's first windows after its release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from components.core.attempt import Attempt
from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, Parent, Reference, read_manifest
from components.core.store import Store
from components.monitor.describe.features import SCHEMA, exchange_of, text_features
from components.monitor.describe.profile import drawn
from components.monitor.describe.summary import read_features, read_profile
from components.monitor.drift.serving import Champion
from components.monitor.drift.settings import Drift
from components.monitor.figures import Score, pooled
from components.monitor.observe.records import Compared, comparisons, figures_of

FIRST = "release_"
"""How the roles begin of a model's first windows, among what a comparison was made from."""
REFERENCE_GONE = "reference_gone"
"""The fault of a comparison some of whose first windows could not be read."""
_DEPTH = 20
"""Steps from a model to its data, at most: export, some stages of training, tokens, conversations."""


@dataclass
class Training:
    """What a model was trained on."""

    data: Manifest
    features: pa.Table
    held_back: pa.Table
    """Half of the conversations, of which no word went into the vocabulary."""
    vocabulary: frozenset[int] = frozenset()


@dataclass
class Release:
    """A model's first windows after its release."""

    profiles: list[Manifest] = field(default_factory=list)
    features: pa.Table = field(default_factory=SCHEMA.empty_table)
    quality: Score = field(default_factory=Score)
    gone: list[str] = field(default_factory=list)
    """Windows that cannot be read any more, and why."""

    def is_enough(self, settings: Drift) -> bool:
        """Whether later windows can be compared with these."""
        return len(self.profiles) >= settings.reference_windows and self.features.num_rows >= settings.least_rows

    def add(self, store: Store, profile: Reference | Parent, model: str) -> None:
        """Takes a window in, where the model was asked in it. Raises InvalidInput where it is gone or changed."""
        output = read_manifest(store, profile)
        quality = read_profile(store, output).models.get(model)
        if quality is not None:
            features = of_model(read_features(store, output), model)
            self.profiles.append(output)
            self.features = pa.concat_tables([self.features, features])
            self.quality = pooled([self.quality, quality.quality])


def training(attempt: Attempt, model: Reference, settings: Drift, languages: tuple[str, ...]) -> Training:
    """What ``model`` was trained on: up to ``training_rows`` conversations, the same ones each time.

    Half of them make the vocabulary, and the other half is what unseen words are counted in: a text always knows its
    own words. Raises InvalidInput where no training data can be found by the parents of the model's manifest.
    """
    data = conversations_of(attempt.store, model)
    names = (name for batch in attempt.read(data, ["id"]) for name in batch.column(0).to_pylist() if name)
    chosen = drawn(names, settings.training_rows)
    halves: list[list[dict[str, object]]] = [[], []]
    for batch in attempt.read(data, ["id", "messages"]):
        for row in batch.to_pylist():
            # A row without a name cannot be drawn the same way each time: data from elsewhere may hold such rows.
            if row["id"] and (chosen is None or row["id"] in chosen):
                half = hashlib.sha256(row["id"].encode()).digest()[-1] & 1
                features = text_features(*exchange_of(row["messages"] or []), languages)
                halves[half].append({"request_id": row["id"], **features})
    first, second = (pa.Table.from_pylist(half, schema=SCHEMA) for half in halves)
    words = frozenset(pc.unique(pc.list_flatten(first.column("words"))).to_pylist())
    return Training(data, pa.concat_tables([first, second]), second, words)


def conversations_of(store: Store, model: Reference) -> Manifest:
    """The conversations that a model was last trained on: the nearest ones among what its manifest was made from.

    Raises InvalidInput where there are none, or a manifest between is gone or changed.
    """
    level: list[Reference | Parent] = [model]
    seen: set[str] = set()
    for _ in range(_DEPTH):
        manifests = [read_manifest(store, one) for one in level if one.key and one.digest not in seen]
        seen |= {one.digest for one in level}
        found = [manifest for manifest in manifests if manifest.kind is Kind.CONVERSATIONS]
        if found:
            return found[0]
        level = [parent for manifest in manifests for parent in manifest.parents]
    raise InvalidInput(
        f"{model.key}: no conversations that it was trained on are among what it was made from; serve a model of the"
        " lifecycle, or set drift.against_training to false"
    )


def release(store: Store, endpoint: str, champion: Champion, until: datetime, settings: Drift) -> Release:
    """The model's first ``reference_windows`` windows after its release, or as many as hold ``least_rows`` of it.

    Windows that end from ``until`` on are none of them: a window is not compared with itself. The comparison before
    this one has found them, but for its own window; all are gone through only where it does not tell.
    """
    return _found_before(store, endpoint, champion, until, settings) or _from_the_release_on(
        store, endpoint, champion, until, settings
    )


def _found_before(store: Store, endpoint: str, champion: Champion, until: datetime, settings: Drift) -> Release | None:
    """The windows that the comparison before this one was made from, and its own where these are too few.

    None where it was another model's, made with other settings or from windows some of which were gone, or damaged.
    """
    found = Release()
    for record in comparisons(store, endpoint, {}, until, champion.released_at, last=1):
        if not _is_of(record, champion):
            return None
        try:
            evidence = read_manifest(store, record.evidence)
            faults = {fault.code for fault in figures_of(store, record.evidence).faults}
            if evidence.producer.settings != sha256(settings.encode()) or REFERENCE_GONE in faults:
                return None
            profiles: list[Reference | Parent] = [one for one in evidence.parents if one.role.startswith(FIRST)]
            for profile in [*profiles, record.profile]:
                if not found.is_enough(settings):
                    found.add(store, profile, champion.model.digest)
        except InvalidInput:
            return None
        return found
    return None


def _from_the_release_on(store: Store, endpoint: str, champion: Champion, until: datetime, settings: Drift) -> Release:
    found = Release()
    damaged: dict[str, str] = {}
    for record in comparisons(store, endpoint, damaged, until, champion.released_at):
        if not _is_of(record, champion):
            continue
        if found.is_enough(settings):
            break
        try:
            found.add(store, record.profile, champion.model.digest)
        except InvalidInput as error:
            found.gone.append(f"{record.until}: {error}")
    found.gone += damaged.values()
    return found


def _is_of(record: Compared, champion: Champion) -> bool:
    return (record.model, record.released) == (champion.model.digest, champion.released)


def of_model(features: pa.Table, model: str) -> pa.Table:
    """The rows of one model."""
    return features.filter(pc.equal(features.column("model"), model))


def unseen(features: pa.Table, vocabulary: frozenset[int]) -> Iterator[float]:
    """The share of each prompt's words that the vocabulary does not hold; prompts without words are left out."""
    for words in features.column("words").to_pylist():
        if words:
            yield sum(word not in vocabulary for word in words) / len(words)
