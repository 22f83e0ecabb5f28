"""Registers a candidate: people find it by name, and everything that it was made from by digest."""

from __future__ import annotations

from components.core.attempt import Attempt, Outcome
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest
from components.core.report import Figure
from components.release.register.settings import Register
from components.release.registries.registry import folder_address, open_registry


def register(attempt: Attempt, model: Manifest, settings: Register, endpoint: str, registry: str) -> Outcome:
    """No output; the word is ``name/version``, or nothing where the environment has no registry (``registry`` empty).

    The same model is the same version, however often it is registered. Raises InvalidInput for what is no model and
    for a name that belongs to another endpoint, Failed when the registry does not answer; run it again then:
    everything before it is cached.
    """
    if model.kind is not Kind.MODEL or model.model is None:
        raise InvalidInput(f"{model.key}: holds {model.kind}, no model; register the output of the step export")
    opened = open_registry(registry)
    word = ""
    if opened:
        name = settings.name or endpoint
        version = opened.register(name, endpoint, model, folder_address(attempt.store, model))
        attempt.figures["version"] = Figure(value=version.version)
        word = version.word
    return attempt.commit({}, settings=settings, inputs={"model": model}, word=word)
