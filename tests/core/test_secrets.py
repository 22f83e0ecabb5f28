from __future__ import annotations

import pytest

from components.core.errors import InvalidInput
from components.core.secrets import resolve_secret


def test_a_secret_comes_from_the_variable_that_its_name_says(monkeypatch) -> None:
    monkeypatch.setenv("SLUICE_SECRET_HF_TOKEN", "s3")
    assert resolve_secret("secret://hf-token") == "s3"


def test_a_secret_that_is_not_there_is_named_by_its_variable(monkeypatch) -> None:
    monkeypatch.delenv("SLUICE_SECRET_HF_TOKEN", raising=False)
    with pytest.raises(InvalidInput, match="SLUICE_SECRET_HF_TOKEN is not set"):
        resolve_secret("secret://hf-token")


def test_a_literal_is_not_taken_for_a_secret_and_not_repeated() -> None:
    with pytest.raises(InvalidInput) as raised:
        resolve_secret("hunter2")
    assert "hunter2" not in str(raised.value)
