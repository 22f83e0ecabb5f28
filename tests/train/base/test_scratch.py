from __future__ import annotations

import json

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from components.core.attempt import Attempt
from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.train.base.base import base
from components.train.base.settings import Base
from tests.train.conftest import SMALL, TICKETS, conversation


def test_the_same_conversations_in_another_order_give_the_same_model(store, commit_rows) -> None:
    rows = [conversation(number, *ticket) for number, ticket in enumerate(TICKETS)]
    digests = set()
    for given in (rows, rows[::-1], rows[5:] + rows[:5]):
        outcome = base(Attempt(store, "base"), commit_rows(Kind.CONVERSATIONS, given), Base(scratch=SMALL))
        digests.add(outcome.manifests["model"].content_digest)
    assert len(digests) == 1


def test_another_seed_gives_other_weights_and_the_same_tokenizer(store, conversations, small_model) -> None:
    other = Base(scratch=SMALL.model_copy(update={"seed": 1}))
    model = base(Attempt(store, "base"), conversations, other).manifests["model"]
    assert model.content_digest != small_model.content_digest
    assert model.model.tokenizer_digest == small_model.model.tokenizer_digest


def test_transformers_loads_what_was_made(store, small_model, tmp_path) -> None:
    folder = Attempt(store, "look").download(small_model, tmp_path / "model")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer) <= SMALL.vocabulary
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Zürich 🙂"}], tokenize=False)
    assert text == "<|user|>Zürich 🙂<|end|>"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|end|>")


def test_the_manifest_names_tokenizer_and_template_by_digest(store, small_model, tmp_path) -> None:
    folder = Attempt(store, "look").download(small_model, tmp_path / "model")
    facts = small_model.model
    assert (facts.base, facts.revision, facts.base_digest, facts.adapter) == ("scratch", "", "", False)
    assert facts.tokenizer_digest == sha256((folder / "tokenizer.json").read_bytes())
    assert facts.template_digest == sha256((folder / "chat_template.jinja").read_bytes())


def test_no_file_of_the_model_names_a_place_on_this_machine(store, small_model, tmp_path) -> None:
    for shard in small_model.shards:
        data = store.read(shard.uri)
        assert b"/tmp" not in data
        assert str(tmp_path).encode() not in data


def test_a_template_of_the_recipe_replaces_the_default(store, conversations) -> None:
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    model = base(Attempt(store, "base"), conversations, Base(scratch=SMALL, chat_template=template)).manifests["model"]
    assert model.model.template_digest == sha256(template)


@pytest.mark.parametrize(
    "template", ["{% for m in messages %}", "nothing of what is said", "{{ raise_exception('no') }}"]
)
def test_a_template_that_renders_nothing_useful_is_refused(template: str, store, conversations) -> None:
    with pytest.raises(InvalidInput, match="chat template"):
        base(Attempt(store, "base"), conversations, Base(scratch=SMALL, chat_template=template))


def test_the_default_template_knows_three_roles(store, small_model, tmp_path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(Attempt(store, "look").download(small_model, tmp_path / "model"))
    with pytest.raises(Exception, match="the roles are system, user and assistant, not tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)
    said = [{"role": role, "content": role[0]} for role in ("system", "user", "assistant")]
    rendered = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    assert rendered == "<|system|>s<|end|><|user|>u<|end|><|assistant|>a<|end|><|assistant|>"


def test_the_model_is_written_in_float32(store, small_model) -> None:
    config = next(shard for shard in small_model.shards if shard.uri.endswith("/config.json"))
    assert json.loads(store.read(config.uri))["dtype"] == "float32"
