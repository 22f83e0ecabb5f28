from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.supervisor.case import Case


@pytest.fixture
def make_case(tmp_path: Path) -> Iterator[Callable[..., Case]]:
    """An endpoint nobody serves yet: ``make_case(drain_seconds=1)``. Whatever it started is ended after the test."""
    made: list[Case] = []

    def make(**serving: Any) -> Case:
        made.append(Case(tmp_path, **serving))
        return made[-1]

    yield make
    for case in made:
        case.close()


@pytest.fixture
def case(make_case: Callable[..., Case]) -> Case:
    return make_case()
