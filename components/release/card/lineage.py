"""What a model was made from: its ancestors by digest, as far back as the first documents."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, Parent, Source, read_manifest
from components.core.store import Store

MADE_FROM = (Kind.DOCUMENTS, Kind.CONVERSATIONS, Kind.PREFERENCES, Kind.TOKENS, Kind.MODEL)
"""What training reads. Suites are named by what was cleaned against them, and nothing is made from them."""


@dataclass(frozen=True)
class Lineage:
    """A model, its ancestors (the nearest first), and what of them cannot be read any more (a sentence each)."""

    model: Manifest
    ancestors: tuple[Manifest, ...]
    gaps: tuple[str, ...] = ()

    @property
    def training_sources(self) -> tuple[Source, ...]:
        """The files that the training data came from."""
        return self.model.sources

    @property
    def base_sources(self) -> tuple[Source, ...]:
        """Where the base model came from; none for one from scratch."""
        found = {source for one in self.ancestors if one.kind is Kind.MODEL for source in one.sources}
        return tuple(sorted(found - set(self.model.sources), key=lambda source: source.uri))


def trace(store: Store, model: Manifest) -> Lineage:
    """Walks from a model to all that it was made from, checking each manifest against the digest that names it."""
    found: dict[str, Manifest] = {}
    gaps: list[str] = []
    seen: set[str] = set()
    waiting = deque(model.parents)
    while waiting:
        parent = waiting.popleft()
        if parent.digest in seen:
            continue
        seen.add(parent.digest)
        try:
            manifest = _read(store, parent)
        except InvalidInput as error:
            gaps.append(str(error))
            continue
        if manifest.kind in MADE_FROM:
            found[parent.digest] = manifest
            waiting.extend(manifest.parents)
    return Lineage(model, tuple(found.values()), tuple(gaps))


def _read(store: Store, parent: Parent) -> Manifest:
    if not parent.key:
        raise InvalidInput(
            f"{parent.role} {parent.digest[:12]}…: an older Sluice wrote down no place for it; run the lifecycle again"
        )
    return read_manifest(store, parent)
