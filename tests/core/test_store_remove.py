from __future__ import annotations

import uuid

import pytest

from components.core.store import Store


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_what_is_removed_is_gone_and_its_neighbours_stay(kind: str, tmp_path) -> None:
    store = Store(str(tmp_path) if kind == "folder" else f"memory://{uuid.uuid4().hex}")
    for key in ("a/1/x", "a/1/y", "a/10/x"):
        store.write(key, b"x")
    store.remove("a/1")
    store.remove("never/there")
    assert store.list("a") == ["a/10/x"]
