"""SIGKILL, then the same step again: it ends as if nothing had happened, to every digit."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.core.attempt import Attempt, Outcome
from components.core.manifest import Manifest
from components.core.store import Store
from components.train.finetune.finetune import finetune
from components.train.finetune.settings import Finetune, Lora
from tests.train.finetune.conftest import QUICK

FULL = QUICK.model_copy(update={"epochs": 10, "save_every_steps": 7, "gradient_accumulation": 2, "logging_steps": 5})
ADAPTER = FULL.model_copy(update={"method": "lora", "lora": Lora(r=4, dropout=0.2)})
CASES: dict[str, tuple[Finetune, dict[str, float]]] = {
    "while the first checkpoint is written": (FULL, {"upload": 2}),
    "while a later checkpoint is written": (FULL, {"upload": 17}),
    "before a checkpoint is committed": (FULL, {"marker": 2}),
    "twice, in adapters with dropout": (ADAPTER, {"marker": 2}),
}


def _killed(case: dict[str, Any], *more: dict[str, Any]) -> list[int]:
    command = [sys.executable, "-m", "tests.train.finetune.crashing"]
    found = subprocess.run(command, input=json.dumps([case, *more]), capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.fixture
def copied(store: Store, tokens: Manifest, small_model: Manifest, tmp_path: Path):
    """A case for the crashing process, on a copy of the store: ``copied(settings, die)``."""

    def copy(settings: Finetune, die: dict[str, float]) -> dict[str, Any]:
        target = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(store.uri, target)
        return {
            "store": str(target),
            "tokens": tokens.key,
            "model": small_model.key,
            "settings": settings.encode(),
            "die": die,
        }

    return copy


def _again(case: dict[str, Any], tokens: Manifest, model: Manifest) -> Outcome:
    store = Store(case["store"])
    outcome = finetune(Attempt(store, "finetune"), tokens, model, "", Finetune.decode(case["settings"]))
    assert store.list("checkpoints") == []
    return outcome


def _committed(case: dict[str, Any]) -> bool:
    return any(key.endswith("trained/manifest.json") for key in Store(case["store"]).list("finetune"))


def _assert_same(outcome: Outcome, unbroken: Outcome) -> None:
    assert outcome.report.figures["final_loss"] == unbroken.report.figures["final_loss"]
    assert outcome.report.series == unbroken.report.series
    assert outcome.manifests["trained"].content_digest == unbroken.manifests["trained"].content_digest


def test_a_killed_training_ends_as_the_unbroken_one(store, tokens, small_model, copied) -> None:
    cases = [copied(settings, die) for settings, die in CASES.values()]
    # The last one is killed again when it has just gone on.
    assert _killed(*cases, cases[-1]) == [-signal.SIGKILL] * (len(cases) + 1)
    assert not any(map(_committed, cases))
    unbroken = {
        settings.method: finetune(Attempt(store, "finetune"), tokens, small_model, "", settings)
        for settings in (FULL, ADAPTER)
    }
    resumed = []
    for case in cases:
        outcome = _again(case, tokens, small_model)
        _assert_same(outcome, unbroken[Finetune.decode(case["settings"]).method])
        resumed.append(outcome.report.figures["resumed_from"].value)
    assert resumed == [0, 14, 7, 14]


@pytest.mark.long
def test_at_twenty_random_moments_the_end_is_the_same(store, tokens, small_model, copied) -> None:
    often = FULL.model_copy(update={"save_every_steps": 1})
    unbroken = finetune(Attempt(store, "finetune"), tokens, small_model, "", often)
    moments = random.Random(0)
    half = int(unbroken.report.figures["steps"].value) // 2
    plans = [{"marked": moments.randint(1, half), "seconds": moments.uniform(0, 0.1)} for _ in range(20)]
    cases = [copied(often, plan) for plan in plans]
    assert _killed(*cases) == [-signal.SIGKILL] * len(cases)
    for case, plan in zip(cases, plans, strict=True):
        outcome = _again(case, tokens, small_model)
        _assert_same(outcome, unbroken)
        assert outcome.report.figures["resumed_from"].value >= plan["marked"]
