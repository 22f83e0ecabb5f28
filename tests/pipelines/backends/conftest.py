"""A person's machine before a service in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.compile import Compiled
from tests.pipelines.backends.machine import SPEC, FakeService, Machine


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def machine(tmp_path: Path, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(
        "pipelines.compile.compile_graphs", lambda *_: {"lifecycle": Compiled("lifecycle", "kubeflow", SPEC)}
    )
    monkeypatch.setattr("pipelines.backends.cloud_run.code_digests", lambda: {"core": "c"})
    return Machine(tmp_path / "here", tmp_path, service)
