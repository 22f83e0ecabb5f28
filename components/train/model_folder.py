"""A model as a folder of files: how this stage loads one and writes one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Manifest, ModelFacts

ADAPTER_CONFIG = "adapter_config.json"
_WRITTEN_WITH_THE_WEIGHTS = ("config.json", "generation_config.json", "model.safetensors.index.json")

logging.disable_progress_bar()


def facts_of(model: Manifest) -> ModelFacts:
    """What a model's manifest says about it. Raises InvalidInput for a manifest of something else."""
    if model.model is None:
        raise InvalidInput(f"{model.key}: this is no model but {model.kind}; give what base or finetune made")
    return model.model


def load_folder(
    attempt: Attempt, model: Manifest, folder: Path, dtype: torch.dtype | str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Downloads a full model into ``folder`` and loads it with its tokenizer, on the CPU."""
    attempt.download(model, folder)
    code = brings_code(folder)
    weights = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=code, use_safetensors=True)
    return weights, AutoTokenizer.from_pretrained(folder, trust_remote_code=code)


def brings_code(folder: Path) -> bool:
    """Whether a model runs code of its own; the step base let it in, or it would not be in the store."""
    return "auto_map" in json.loads((folder / "config.json").read_bytes())


def write_folder(model: PreTrainedModel | PeftModel, base: Path, target: Path, facts: ModelFacts) -> Path:
    """Saves weights (or an adapter) into ``target``, with tokenizer and template as they are in the folder ``base``.

    Nothing in it names a place on this machine or a moment, so equal weights are equal files.
    """
    model.save_pretrained(target)
    (target / "README.md").unlink(missing_ok=True)
    if (target / ADAPTER_CONFIG).exists():
        _name_the_base(target / ADAPTER_CONFIG, facts)
    for path in sorted(base.iterdir()):
        if path.is_file() and path.suffix != ".safetensors" and path.name not in _WRITTEN_WITH_THE_WEIGHTS:
            shutil.copyfile(path, target / path.name)
    return target


def _name_the_base(path: Path, facts: ModelFacts) -> None:
    """PEFT writes the local path of the base, and sets in the order of the day."""
    configuration = json.loads(path.read_bytes())
    configuration |= {"base_model_name_or_path": facts.base, "revision": facts.revision or None}
    for name, value in configuration.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            configuration[name] = sorted(value)
    path.write_text(json.dumps(configuration, indent=2, sort_keys=True) + "\n")
