"""Tokens of the small model."""

from __future__ import annotations

import pytest

from components.core.attempt import Attempt
from components.core.manifest import Manifest
from components.core.store import Store
from components.data.tokenise.settings import Tokenise
from components.data.tokenise.tokenise import tokenise
from components.train.finetune.settings import Finetune

QUICK = Finetune(learning_rate=1e-2, batch_size=4, epochs=4, logging_steps=4, save_every_seconds=None)


@pytest.fixture
def tokens(store: Store, conversations: Manifest, small_model: Manifest) -> Manifest:
    """The tickets as tokens."""
    return tokenise(Attempt(store, "tokenise"), conversations, small_model, Tokenise()).manifests["tokens"]
