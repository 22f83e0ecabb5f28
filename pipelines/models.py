"""Finds a model in the store by what a person types."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.core.errors import InvalidInput, did_you_mean
from components.core.manifest import MANIFEST, Kind, Manifest, check_whole
from components.core.store import Store

FEWEST_DIGITS = 6


def find_model(store: Store, name: str) -> Manifest:
    """The model whose manifest has this key, or whose digest or content digest begins so, every byte of it checked.

    Of several with the same content it is the first that is whole. Raises InvalidInput when there is none, when
    several different ones begin so, and when bytes are gone or were changed.
    """
    found = [Manifest.read(store.read(name), name)] if _is_key(store, name) else list(_beginning(store, name))
    models = [manifest for manifest in found if manifest.kind is Kind.MODEL]
    contents = sorted({model.content_digest for model in models})
    if len(contents) > 1:
        raise InvalidInput(f"model {name}: {len(contents)} models begin so; write more of it: {', '.join(contents)}")
    if not models:
        said = f"is the key of {found[0].kind}" if found else f"is no model in {store.uri}{_nearest(store, name)}"
        raise InvalidInput(
            f"model {name}: {said}; give the key of a model's manifest, or at least {FEWEST_DIGITS} first digits of its"
            " digest or content digest"
        )
    return _first_whole(store, models)


def _is_key(store: Store, name: str) -> bool:
    """Whether a name is the key of a manifest that is there."""
    return name.endswith(f"/{MANIFEST}") and store.exists(name)


def _beginning(store: Store, digits: str) -> Iterator[Manifest]:
    if re.fullmatch(rf"[0-9a-f]{{{FEWEST_DIGITS},64}}", digits):
        for manifest in _models(store):
            if manifest.digest.startswith(digits) or manifest.content_digest.startswith(digits):
                yield manifest


def _models(store: Store) -> Iterator[Manifest]:
    # A damaged manifest names no model; whoever types its key is told.
    return (manifest for manifest in stored_manifests(store) if manifest.kind is Kind.MODEL)


def stored_manifests(
    store: Store, below: str = "", damage: tuple[type[Exception], ...] = (InvalidInput,)
) -> Iterator[Manifest]:
    """Every manifest below a place in the store but those that are damaged: their reading raises one of ``damage``."""
    for key in store.list(below):
        if key.endswith(f"/{MANIFEST}"):
            try:
                manifest = Manifest.read(store.read(key), key)
            except damage:
                continue
            yield manifest


def _nearest(store: Store, name: str) -> str:
    return did_you_mean(name, [model.key for model in _models(store)])


def _first_whole(store: Store, models: list[Manifest]) -> Manifest:
    damaged: InvalidInput | None = None
    for model in models:
        try:
            check_whole(store, model)
        except InvalidInput as error:
            damaged = damaged or error
        else:
            return model
    assert damaged
    raise damaged
