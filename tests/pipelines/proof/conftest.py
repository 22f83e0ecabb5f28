"""A chain that is built once, and a copy of it for each test that damages one."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest

from components.core.endpoint_sqlite import SqliteEndpoints
from components.core.store import Store
from tests.pipelines.proof.chain import Chain


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The chain; only for tests that change nothing."""
    return Chain(tmp_path_factory.mktemp("chain")).build()


@pytest.fixture
def chain(whole: Chain, tmp_path: Path) -> Chain:
    """A copy of the chain, to be damaged."""
    folder = tmp_path / "chain"
    shutil.copytree(whole.folder, folder)
    mine = copy.copy(whole)
    mine.folder, mine.store = folder, Store(str(folder / "store"))
    mine.database = folder / "endpoints.db"
    mine.endpoints = SqliteEndpoints(str(mine.database))
    mine.keys = copy.copy(whole.keys)
    mine.keys.folder = folder / "keys"
    return mine
