from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from components.train.base.settings import Base

HUB = {"id": "org/model", "revision": "a" * 40}


def test_a_branch_is_no_revision_because_it_moves() -> None:
    with pytest.raises(ValidationError, match="a branch or a tag moves"):
        Base.model_validate({"hub": HUB | {"revision": "main"}})


def test_a_token_in_clear_is_refused() -> None:
    with pytest.raises(ValidationError, match="never written here"):
        Base.model_validate({"hub": HUB | {"token": "hf_" + "abcdef"}})


def test_a_base_is_of_a_hub_or_from_scratch_but_not_both() -> None:
    with pytest.raises(ValidationError, match="one of them"):
        Base.model_validate({"hub": HUB, "scratch": {}})
    assert Base().scratch is not None
    assert Base.model_validate({"hub": HUB}).scratch is None


@pytest.mark.parametrize("wrong", [{"hidden": 100, "heads": 3}, {"heads": 4, "kv_heads": 3}])
def test_heads_that_do_not_fit_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="no multiple"):
        Base.model_validate({"scratch": wrong})


def test_what_a_recipe_or_a_compiler_imports_brings_no_torch() -> None:
    faces = [
        f"components.train.{step}.{file}"
        for step in ("base", "finetune", "export")
        for file in ("settings", "component")
    ]
    faces += ["components.data.tokenise.settings", "components.data.tokenise.component"]
    heavy = "[module for module in ('torch', 'transformers', 'tokenizers') if module in sys.modules]"
    code = f"import {', '.join(faces)}, sys; print({heavy})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
