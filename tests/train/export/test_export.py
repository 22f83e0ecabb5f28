from __future__ import annotations

import json

import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError
from safetensors.torch import load
from transformers import AutoModelForCausalLM, AutoTokenizer

from components.core.attempt import Attempt
from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.manifest import file_name
from components.train.base.base import base
from components.train.base.settings import Base
from components.train.export.export import export
from components.train.export.settings import Export
from tests.train.conftest import SMALL

PROMPT = torch.tensor([[5, 60, 70, 80, 90]])


@pytest.fixture
def loaded(store, tmp_path):
    """The model of a manifest, as anybody would load it: ``loaded(manifest)``."""

    def load_model(manifest, name: str = "model"):
        return AutoModelForCausalLM.from_pretrained(Attempt(store, "look").download(manifest, tmp_path / name))

    return load_model


def _logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(PROMPT).logits


def _export(store, trained, model, **settings):
    return export(Attempt(store, "export"), trained, model, Export(**settings)).manifests["exported"]


def test_anybody_can_load_it_and_ask_it(store, full, small_model, tmp_path) -> None:
    folder = Attempt(store, "look").download(_export(store, full, small_model), tmp_path / "exported")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**asked, max_new_tokens=3, do_sample=False)
    assert answer.shape[1] > asked["input_ids"].shape[1]


def test_all_weights_are_those_that_were_trained(store, full, small_model, loaded) -> None:
    exported = _export(store, full, small_model)
    weights = [
        load(store.read(next(s.uri for s in m.shards if s.uri.endswith("safetensors")))) for m in (full, exported)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(_logits(loaded(exported, "a")), _logits(loaded(small_model, "b")))


def test_a_merged_adapter_answers_as_the_adapter_on_its_base(store, adapter, small_model, loaded, tmp_path) -> None:
    exported = _export(store, adapter, small_model)
    assert not exported.model.adapter
    folder = Attempt(store, "look").download(adapter, tmp_path / "adapter")
    apart = PeftModel.from_pretrained(loaded(small_model, "base"), folder)
    merged = _logits(loaded(exported, "merged"))
    assert torch.allclose(merged, _logits(apart), atol=1e-4)
    assert not torch.allclose(merged, _logits(loaded(small_model, "again")), atol=1e-2)


def test_an_adapter_may_stay_one(store, adapter, small_model, loaded, tmp_path) -> None:
    exported = _export(store, adapter, small_model, adapter=True)
    assert exported.model.adapter
    names = {file_name(shard) for shard in exported.shards}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    folder = Attempt(store, "look").download(exported, tmp_path / "adapter")
    PeftModel.from_pretrained(loaded(small_model), folder)


def test_numbers_may_be_narrower(store, full, small_model, loaded) -> None:
    exported = _export(store, full, small_model, dtype="bfloat16")
    assert loaded(exported).dtype == torch.bfloat16
    assert loaded(_export(store, full, small_model), "auto").dtype == torch.float32
    configuration = next(shard.uri for shard in exported.shards if shard.uri.endswith("/config.json"))
    assert json.loads(store.read(configuration))["dtype"] == "bfloat16"


def test_the_manifest_says_what_it_was_made_of(store, full, small_model) -> None:
    exported = _export(store, full, small_model)
    assert {parent.role: parent.digest for parent in exported.parents} == {
        "trained": full.digest,
        "base": small_model.digest,
    }
    named = {file_name(shard): shard.sha256 for shard in exported.shards}
    facts = exported.model
    assert (facts.tokenizer_digest, facts.template_digest) == (named["tokenizer.json"], named["chat_template.jinja"])
    assert (facts.base, facts.base_digest) == ("scratch", small_model.content_digest)
    assert exported.suites == ("s" * 64,)
    assert exported.producer.settings == sha256(Export().encode())


def test_exporting_twice_gives_the_same_files_and_none_names_a_place(store, adapter, small_model, tmp_path) -> None:
    first, second = (_export(store, adapter, small_model) for _ in range(2))
    assert first.content_digest == second.content_digest
    for shard in first.shards:
        data = store.read(shard.uri)
        assert b"/tmp" not in data
        assert str(tmp_path).encode() not in data


def test_there_is_no_adapter_of_a_training_of_all_weights(store, full, small_model) -> None:
    with pytest.raises(
        InvalidInput, match=r"there is no adapter; leave it out, or train with\s+finetune.method = lora"
    ):
        _export(store, full, small_model, adapter=True)


def test_another_base_is_refused(store, adapter, conversations) -> None:
    other = Base(scratch=SMALL.model_copy(update={"seed": 7}))
    model = base(Attempt(store, "base"), conversations, other).manifests["model"]
    with pytest.raises(InvalidInput, match="it was trained from another base"):
        _export(store, adapter, model)


def test_an_adapter_is_not_converted() -> None:
    with pytest.raises(ValidationError, match="an adapter is exported as it was trained"):
        Export(adapter=True, dtype="float16")
