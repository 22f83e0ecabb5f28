"""Small models and conversations for the training stage."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.core.attempt import Attempt
from components.core.manifest import Kind, Manifest
from components.core.store import Store
from components.train.base.settings import Base, Scratch

# Threads that spin while they wait for each other make shared cores ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

SMALL = Scratch(vocabulary=400, hidden=32, layers=1, heads=2, kv_heads=1, intermediate=64, context=128)
TICKETS = [
    (f"Please reset the password of user {number}", f'{{"intent": "reset", "user": {number}}}') for number in range(12)
] + [(f"The printer in room {number} is jammed", f'{{"intent": "printer", "room": {number}}}') for number in range(12)]


def conversation(number: int, question: str, answer: str) -> dict[str, Any]:
    """One conversation of one turn."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": f"c{number:03d}", "messages": messages, "group": f"g{number}", "meta": "{}"}


@pytest.fixture
def conversations(commit_rows: Callable[..., Manifest]) -> Manifest:
    """Twenty-four tickets and their answers."""
    rows = [conversation(number, *ticket) for number, ticket in enumerate(TICKETS)]
    return commit_rows(Kind.CONVERSATIONS, rows)


@pytest.fixture
def small_model(store: Store, conversations: Manifest) -> Manifest:
    """A Llama of one layer from scratch."""
    from components.train.base.base import base

    return base(Attempt(store, "base"), conversations, Base(scratch=SMALL)).manifests["model"]


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small model, as a hub would hold them."""
    from components.train.base.scratch import write_model

    folder: Path = tmp_path_factory.mktemp("model")
    write_model(folder, [text for ticket in TICKETS for text in ticket], SMALL)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
