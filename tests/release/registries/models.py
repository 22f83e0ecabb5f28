"""Small models in the store: a file stands for the weights."""

from __future__ import annotations

from pathlib import Path

from components.core.attempt import Attempt, Draft
from components.core.endpoint import EndpointState
from components.core.manifest import Kind, Manifest, ModelFacts
from components.core.settings import StepSettings
from components.core.store import Store


def model_of(store: Store, folder: Path, weights: str) -> Manifest:
    """A model in the store whose weights are this text."""
    place = folder / weights
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.safetensors").write_text(weights)
    attempt = Attempt(store, "export")
    facts = ModelFacts(
        base="scratch",
        tokenizer_digest="t" * 64,
        template_digest="c" * 64,
        data_digest="d" * 64,
        recipe_digest="e" * 64,
    )
    draft = Draft(Kind.MODEL, attempt.upload("exported", place), model=facts)
    return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]


def state_of(endpoint: str, generation: int = 1, **roles: Manifest | None) -> EndpointState:
    """What should serve, by role."""
    named = {role: model.named for role, model in roles.items() if model}
    return EndpointState(endpoint=endpoint, generation=generation, **named)
