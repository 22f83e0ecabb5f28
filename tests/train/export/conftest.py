"""A training of all weights and one of adapters, both short."""

from __future__ import annotations

import pytest

from components.core.attempt import Attempt
from components.core.manifest import Manifest
from components.core.store import Store
from components.train.finetune.finetune import finetune
from components.train.finetune.settings import Lora
from tests.train.finetune.conftest import QUICK, tokens

__all__ = ["tokens"]

FULL = QUICK.model_copy(update={"max_steps": 3})
ADAPTER = FULL.model_copy(update={"method": "lora", "lora": Lora(r=4), "learning_rate": 5e-2})


@pytest.fixture
def full(store: Store, tokens: Manifest, small_model: Manifest) -> Manifest:
    """All weights trained."""
    cleaned = tokens.model_copy(update={"suites": ("s" * 64,)})
    return finetune(Attempt(store, "finetune"), cleaned, small_model, "", FULL).manifests["trained"]


@pytest.fixture
def adapter(store: Store, tokens: Manifest, small_model: Manifest) -> Manifest:
    """A LoRA adapter trained."""
    return finetune(Attempt(store, "finetune"), tokens, small_model, "", ADAPTER).manifests["trained"]
