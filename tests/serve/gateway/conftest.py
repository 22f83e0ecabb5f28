from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.gateway.case import Case, running


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A gateway before the stub model, with wide limits."""
    with running(tmp_path) as case:
        yield case
