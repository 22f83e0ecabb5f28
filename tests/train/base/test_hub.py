from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import torch
from safetensors.torch import load

from components.core.attempt import Attempt
from components.core.canonical import sha256
from components.core.errors import Failed, InvalidInput
from components.core.manifest import file_name
from components.train.base.base import base
from components.train.base.pin import record_key
from components.train.base.settings import Base, Hub
from tests.contract.fake_hub import FakeHub, running_hub

MODEL, COMMIT = "acme/tiny-chat", "0123456789" * 4


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running_hub() as running:
        yield running


@pytest.fixture
def bring(hub, store, conversations):
    """Runs the step against the fake hub: ``bring()``, ``bring(token=…)``, ``bring(allow_pickle=True)``."""

    def run(token: str | None = None, **settings):
        named = Hub(id=MODEL, revision=COMMIT, endpoint=hub.address, token=token)
        return base(Attempt(store, "base"), conversations, Base(hub=named, **settings)).manifests["model"]

    return run


def test_a_model_is_brought_and_pinned_by_digest(hub, bring, model_files) -> None:
    hub.publish(MODEL, COMMIT, model_files | {"README.md": b"not a part of the model", "onnx/model.onnx": b"neither"})
    model = bring()
    assert {file_name(shard): shard.sha256 for shard in model.shards} == {
        name: sha256(data) for name, data in model_files.items()
    }
    assert (model.model.base, model.model.revision) == (MODEL, COMMIT)
    (source,) = model.sources
    assert (source.uri, source.generation, source.licence) == (f"hub://{MODEL}", COMMIT, "apache-2.0")
    assert source.sha256 == model.content_digest


def test_it_is_downloaded_once_for_all_steps(hub, bring, model_files) -> None:
    hub.publish(MODEL, COMMIT, model_files)
    first = bring()
    asked = hub.requests.total()
    hub.down = True
    second = bring()
    assert hub.requests.total() == asked
    assert second.content_digest == first.content_digest


def test_a_step_that_died_while_downloading_leaves_no_record(hub, bring, store, model_files) -> None:
    hub.publish(MODEL, COMMIT, model_files)
    hub.corrupt = {"model.safetensors"}
    with pytest.raises(Failed, match="arrived with SHA-256"):
        bring()
    assert not store.exists(record_key(Hub(id=MODEL, revision=COMMIT), allow_pickle=False))
    hub.corrupt = set()
    assert bring().content_digest


def test_weights_in_many_files_are_those_that_the_index_names(hub, bring, model_files) -> None:
    files = dict(model_files)
    files["model-00001-of-00001.safetensors"] = files.pop("model.safetensors")
    index = {"metadata": {}, "weight_map": {"model.embed_tokens.weight": "model-00001-of-00001.safetensors"}}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    hub.publish(MODEL, COMMIT, files | {"stray.safetensors": b"not named"})
    assert {file_name(shard) for shard in bring().shards} == set(files)


def test_the_address_of_the_hub_may_come_from_the_environment(
    hub, store, conversations, model_files, monkeypatch
) -> None:
    hub.publish(MODEL, COMMIT, model_files)
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    outcome = base(Attempt(store, "base"), conversations, Base(hub=Hub(id=MODEL, revision=COMMIT)))
    assert outcome.manifests["model"].model.revision == COMMIT


def test_a_template_of_the_tokenizers_configuration_becomes_a_file_of_its_own(hub, bring, store, model_files) -> None:
    files = dict(model_files)
    template = files.pop("chat_template.jinja").decode()
    configuration = json.loads(files["tokenizer_config.json"]) | {"chat_template": template}
    hub.publish(MODEL, COMMIT, files | {"tokenizer_config.json": json.dumps(configuration).encode()})
    model = bring()
    written = next(shard for shard in model.shards if file_name(shard) == "chat_template.jinja")
    assert store.read(written.uri).decode() == template
    assert model.model.template_digest == sha256(template)


def test_a_model_without_weights_is_refused(hub, bring, model_files) -> None:
    hub.publish(MODEL, COMMIT, {k: v for k, v in model_files.items() if k != "model.safetensors"})
    with pytest.raises(InvalidInput, match="has no weights"):
        bring()


def test_an_adapter_is_no_base(hub, bring) -> None:
    hub.publish(MODEL, COMMIT, {"adapter_config.json": b"{}", "adapter_model.safetensors": b""})
    with pytest.raises(InvalidInput, match="is an adapter"):
        bring()


def test_an_index_that_names_a_missing_file_is_refused(hub, bring, model_files) -> None:
    index = {"weight_map": {"a": "model-00002-of-00002.safetensors"}}
    hub.publish(MODEL, COMMIT, model_files | {"model.safetensors.index.json": json.dumps(index).encode()})
    with pytest.raises(InvalidInput, match=r"has no weights model-00002-of-00002\.safetensors"):
        bring()


def _pickled(model_files: dict[str, bytes]) -> dict[str, bytes]:
    files = dict(model_files)
    buffer = io.BytesIO()
    torch.save(load(files.pop("model.safetensors")), buffer)
    return files | {"pytorch_model.bin": buffer.getvalue()}


def test_a_pickle_is_refused_before_it_is_downloaded(hub, bring, model_files) -> None:
    hub.publish(MODEL, COMMIT, _pickled(model_files))
    with pytest.raises(InvalidInput, match=r"only as a pickle .* can run code"):
        bring()
    assert not any("pytorch_model" in request for request in hub.requests)


def test_an_allowed_pickle_is_kept_as_safetensors_with_the_same_weights(hub, bring, store, model_files) -> None:
    hub.publish(MODEL, COMMIT, _pickled(model_files))
    model = bring(allow_pickle=True)
    kept = {file_name(shard): shard.uri for shard in model.shards}
    assert "pytorch_model.bin" not in kept
    before, after = load(model_files["model.safetensors"]), load(store.read(kept["model.safetensors"]))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    with pytest.raises(InvalidInput, match="only as a pickle"):
        bring()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_refused_before_anything_large_is_downloaded(file: str, hub, bring, model_files) -> None:
    changed = json.loads(model_files[file]) | {"auto_map": {"AutoConfig": "code.Configuration"}}
    hub.publish(MODEL, COMMIT, model_files | {file: json.dumps(changed).encode(), "code.py": b"raise SystemExit"})
    with pytest.raises(InvalidInput, match=f"brings code of its own .auto_map in {file}"):
        bring()
    assert not any("safetensors" in request for request in hub.requests)


def test_code_of_another_repository_is_refused_even_where_code_is_allowed(hub, bring, model_files) -> None:
    changed = json.loads(model_files["config.json"]) | {"auto_map": {"AutoConfig": "other/repo--code.Configuration"}}
    hub.publish(MODEL, COMMIT, model_files | {"config.json": json.dumps(changed).encode()})
    with pytest.raises(InvalidInput, match="which no commit pins"):
        bring(allow_remote_code=True)


def test_what_was_allowed_once_is_refused_when_it_is_allowed_no_more(hub, bring, model_files) -> None:
    code = b"from transformers import LlamaConfig\nclass Configuration(LlamaConfig):\n    pass\n"
    changed = json.loads(model_files["config.json"]) | {"auto_map": {"AutoConfig": "code.Configuration"}}
    hub.publish(MODEL, COMMIT, model_files | {"config.json": json.dumps(changed).encode(), "code.py": code})
    assert "code.py" in {file_name(shard) for shard in bring(allow_remote_code=True).shards}
    with pytest.raises(InvalidInput, match="brings code"):
        bring()


def test_a_tokenizer_larger_than_the_embedding_does_not_fit(hub, bring, model_files) -> None:
    changed = json.loads(model_files["config.json"]) | {"vocab_size": 300}
    hub.publish(MODEL, COMMIT, model_files | {"config.json": json.dumps(changed).encode()})
    with pytest.raises(InvalidInput, match=r"does not fit: it makes token .* 300 rows"):
        bring()


def test_a_model_without_a_fast_tokenizer_is_refused(hub, bring, model_files) -> None:
    hub.publish(MODEL, COMMIT, {k: v for k, v in model_files.items() if k != "tokenizer.json"})
    with pytest.raises(InvalidInput, match=r"has no tokenizer\.json"):
        bring()


def test_a_model_without_a_template_is_refused_unless_the_recipe_gives_one(hub, bring, model_files) -> None:
    hub.publish(MODEL, COMMIT, {k: v for k, v in model_files.items() if k != "chat_template.jinja"})
    with pytest.raises(InvalidInput, match=r"has no chat template; give one in base\.chat_template"):
        bring()
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    assert bring(chat_template=template).model.template_digest == sha256(template)


def test_an_overridden_template_does_not_change_what_is_pinned(hub, bring, model_files) -> None:
    hub.publish(MODEL, COMMIT, model_files)
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    assert bring(chat_template=template).model.template_digest == sha256(template)
    assert bring().model.template_digest == sha256(model_files["chat_template.jinja"])


def test_an_unknown_type_of_model_is_refused(hub, bring, model_files) -> None:
    changed = json.loads(model_files["config.json"]) | {"model_type": "hal9000"}
    hub.publish(MODEL, COMMIT, model_files | {"config.json": json.dumps(changed).encode()})
    with pytest.raises(InvalidInput, match=r"transformers cannot read its config\.json"):
        bring()


def test_an_unknown_model_and_an_unknown_commit_are_told_apart(hub, bring, model_files) -> None:
    with pytest.raises(InvalidInput, match=f"there is no model {MODEL}, or it is not public"):
        bring()
    hub.publish(MODEL, "f" * 40, model_files)
    with pytest.raises(InvalidInput, match=f"has no commit {COMMIT}"):
        bring()


def test_a_private_model_asks_for_a_token_and_takes_it_by_reference(hub, bring, model_files, monkeypatch) -> None:
    hub.publish(MODEL, COMMIT, model_files)
    hub.private = {MODEL: "good"}
    with pytest.raises(InvalidInput, match=r"name a token in base\.hub\.token"):
        bring()
    monkeypatch.setenv("SLUICE_SECRET_HF_TOKEN", "bad")
    with pytest.raises(InvalidInput, match=r"403.*secret://hf-token may not"):
        bring(token="secret://hf-token")
    monkeypatch.setenv("MY_HUB_TOKEN", "good")
    assert bring(token="MY_HUB_TOKEN").content_digest


def test_a_gated_model_says_that_its_terms_must_be_accepted(hub, bring, model_files) -> None:
    hub.publish(MODEL, COMMIT, model_files)
    hub.gated = {MODEL}
    with pytest.raises(InvalidInput, match="is gated: accept its terms"):
        bring()


def test_a_token_that_is_not_there_is_said_before_the_hub_is_asked(hub, bring, monkeypatch) -> None:
    monkeypatch.delenv("SLUICE_SECRET_NO_SUCH", raising=False)
    with pytest.raises(InvalidInput, match="SLUICE_SECRET_NO_SUCH is not set"):
        bring(token="secret://no-such")
    assert not hub.requests


def test_a_hub_that_does_not_answer_is_a_failure_and_not_the_recipes_fault(hub, bring) -> None:
    hub.down = True
    with pytest.raises(Failed, match="does not answer"):
        bring()
