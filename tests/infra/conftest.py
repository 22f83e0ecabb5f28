"""Terraform, prepared once for all tests of a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.infra.terraform import Terraform, planned, prepared


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform on a copy of ``infra/terraform``."""
    return prepared(tmp_path_factory.mktemp("infra"))


@pytest.fixture(scope="session")
def plan_of(terraform: Terraform) -> Callable[[str], dict[str, Any]]:
    """The plan of an environment by its name; each is made once."""
    return cache(lambda name: planned(terraform, name))
