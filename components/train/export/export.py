"""Writes the trained model as a folder that transformers loads: configuration, safetensors, tokenizer, template.

By digest the manifest names base, tokenizer and template, the tokens that it was trained on, the recipe, and the suites
that the data was decontaminated against; its parents are ``trained`` and the model that the last stage started from.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from components.core.attempt import Attempt, Draft, Outcome
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest
from components.core.report import Figure
from components.train.export.settings import Export
from components.train.model_folder import facts_of, load_folder, write_folder


def export(attempt: Attempt, trained: Manifest, base: Manifest, settings: Export, recipe: str = "") -> Outcome:
    """Output: ``exported``, full weights, or the adapter of a LoRA training where ``settings.adapter`` asks for it.

    ``base`` is the model that the last stage of training started from, ``recipe`` the recipe's digest. Raises
    InvalidInput for another base, and where an adapter is asked for of a training of all weights.
    """
    facts = facts_of(trained)
    _check_belongs(trained, base)
    if settings.adapter and not facts.adapter:
        raise InvalidInput(
            "export.adapter: this training changed all weights, there is no adapter; leave it out, or train with"
            " finetune.method = lora"
        )
    with TemporaryDirectory(prefix="sluice-export-") as place:
        folder = _written(attempt, trained, base, settings, Path(place))
        files = attempt.upload("exported", folder)
    facts = facts.model_copy(update={"adapter": settings.adapter, "recipe_digest": recipe})
    attempt.figures["model_size"] = Figure(value=sum(shard.bytes for shard in files.shards), unit="bytes")
    draft = Draft(Kind.MODEL, files, sources=trained.sources, suites=trained.suites, model=facts)
    return attempt.commit({"exported": draft}, settings=settings, inputs={"trained": trained, "base": base})


def _check_belongs(trained: Manifest, base: Manifest) -> None:
    expected = facts_of(trained).base_digest
    if expected != base.content_digest:
        raise InvalidInput(
            f"{trained.key}: it was trained from another base ({expected[:12]}…, not {base.content_digest[:12]}…);"
            " give the one that finetune had"
        )


def _written(attempt: Attempt, trained: Manifest, base: Manifest, settings: Export, place: Path) -> Path:
    """Loads what was trained, which shows that it loads, and writes it in the form that is asked for."""
    if settings.adapter:
        return attempt.download(trained, place / "exported")
    if facts_of(trained).adapter:
        weights, _ = load_folder(attempt, base, place / "base", torch.float32)
        adapter = PeftModel.from_pretrained(weights, attempt.download(trained, place / "adapter"))
        model: PreTrainedModel = adapter.merge_and_unload()
        origin = place / "base"
    else:
        attempt.download(base, place / "base")
        model, _ = load_folder(attempt, trained, place / "trained", torch.float32)
        origin = place / "trained"
    model.to(_dtype(settings, place / "base"))
    return write_folder(model, origin, place / "exported", facts_of(trained))


def _dtype(settings: Export, base: Path) -> torch.dtype:
    """The numbers asked for, or those of the base's configuration (float32 where it does not say)."""
    configuration: dict[str, Any] = json.loads((base / "config.json").read_bytes())
    name = (
        settings.dtype if settings.dtype != "auto" else configuration.get("dtype") or configuration.get("torch_dtype")
    )
    dtype: torch.dtype = getattr(torch, str(name or "float32"))
    return dtype
