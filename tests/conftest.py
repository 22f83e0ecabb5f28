"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.core.attempt import Attempt, Draft
from components.core.manifest import Kind, Manifest
from components.core.settings import StepSettings
from components.core.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store in a folder."""
    return Store(str(tmp_path / "store"))


@pytest.fixture
def commit_rows(store: Store) -> Callable[..., Manifest]:
    """Puts rows into the store as an artifact: ``commit_rows(Kind.DOCUMENTS, [{…}, …])``."""

    def commit(kind: Kind, rows: list[dict[str, Any]]) -> Manifest:
        attempt = Attempt(store, "given")
        with attempt.rows(kind) as writer:
            for row in rows:
                writer.append(row)
        outcome = attempt.commit(
            {"given": Draft(kind, writer)},
            settings=StepSettings(),
            created=writer.rows,
        )
        return outcome.manifests["given"]

    return commit


@pytest.fixture
def commit_texts(commit_rows: Callable[..., Manifest]) -> Callable[..., Manifest]:
    """Puts texts into the store as documents: ``commit_texts("one", "two")``; ids are d0, d1, …"""

    def commit(*texts: str, meta: str = "{}") -> Manifest:
        rows = [
            {"id": f"d{index}", "text": text, "source": "test", "licence": "", "created": None, "meta": meta}
            for index, text in enumerate(texts)
        ]
        return commit_rows(Kind.DOCUMENTS, rows)

    return commit
