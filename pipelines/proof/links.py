"""What came after a decision and can therefore not be named by it: its output, the model card, the transition."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from components.core.canonical import sha256
from components.core.decision import ENVELOPE, payload_of
from components.core.manifest import Manifest, Reference
from components.core.report import Report
from components.core.store import Store
from pipelines.models import stored_manifests
from pipelines.proof.ledger import DAMAGE


@dataclass(frozen=True)
class Links:
    """Found by reading the outputs of three steps; what is damaged there links nothing, and is missed then."""

    decided: dict[str, list[Reference]] = field(default_factory=lambda: defaultdict(list))
    """Outputs of the step decide, by the id of the decision."""
    endpoints: dict[str, str] = field(default_factory=dict)
    """The endpoint that a decision is about, by its id."""
    cards: dict[str, list[Reference]] = field(default_factory=lambda: defaultdict(list))
    """Model cards, by the digest of the output of decide that they describe."""
    transitions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Keys of the reports of transitions that were made, by the same digest."""

    @classmethod
    def of(cls, store: Store) -> Links:
        """The links in a store."""
        links = cls()
        for manifest in stored_manifests(store, "decide", DAMAGE):
            for shard in manifest.shards:
                if shard.uri.endswith(f"/{ENVELOPE}"):
                    links._decided(store, shard.uri, manifest)
        for manifest in stored_manifests(store, "card", DAMAGE):
            for parent in manifest.parents:
                if parent.role == "decision":
                    links.cards[parent.digest].append(manifest.named)
        for key, report in _reports(store, "transition"):
            for given in report.inputs if report.error is None else ():
                if given.role == "decision":
                    links.transitions[given.digest].append(key)
        return links

    def _decided(self, store: Store, key: str, output: Manifest) -> None:
        try:
            payload = payload_of(store.read(key), key)
            endpoint = json.loads(payload)["predicate"]["endpoint"]
        except DAMAGE:
            return
        self.decided[sha256(payload)].append(output.named)
        self.endpoints[sha256(payload)] = endpoint

    def cards_of(self, decision: str) -> list[Reference]:
        """The model cards that describe a decision."""
        return [card for output in self.decided.get(decision, ()) for card in self.cards.get(output.digest, ())]

    def transitions_of(self, decision: str) -> list[str]:
        """The reports of the transitions that were made on a decision."""
        return [key for output in self.decided.get(decision, ()) for key in self.transitions.get(output.digest, ())]


def _reports(store: Store, step: str) -> Iterator[tuple[str, Report]]:
    for key in store.list(step):
        if key.endswith("/report.json"):
            try:
                yield key, Report.read(store.read(key), key)
            except DAMAGE:
                continue
