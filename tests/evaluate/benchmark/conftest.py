"""A tiny model that has learned a few answers, and suites to ask it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.core.attempt import Attempt, Draft
from components.core.canonical import sha256
from components.core.manifest import Kind, Manifest, ModelFacts, Shard
from components.core.settings import StepSettings
from components.core.store import Store
from components.core.suites import HEADS, Generation, Scorer, Suite, question_digest, suite_digest, write_heads

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
INTENTS = ["card lost", "card stolen", "top up failed", "pin blocked", "cash withdrawal fee", "exchange rate"]
PHRASES = ["help me with", "I have a problem, it is about", "please look into this thing, my", "question on"]
LEARNED = [(f"{phrase} {intent}", intent) for phrase in PHRASES for intent in INTENTS]
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 50k parameters that ends its answers with `<|end|>`, which is not its end-of-text token."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("model")
    tokenizer = _tokenizer()
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    network = LlamaForCausalLM(config)
    _teach(network, tokenizer)
    tokenizer.save_pretrained(folder)
    network.save_pretrained(folder)
    rude = {"do_sample": True, "temperature": 5.0, "repetition_penalty": 9.0, "eos_token_id": tokenizer.eos_token_id}
    (folder / "generation_config.json").write_text(json.dumps(rude))
    return folder


@pytest.fixture
def commit_model(store: Store, model_folder: Path) -> Callable[..., Manifest]:
    """Puts the tiny model into the store: ``commit_model(suites=[digest, …])``."""

    def commit(suites: list[str], folder: Path = model_folder) -> Manifest:
        attempt = Attempt(store, "export")
        facts = ModelFacts(base="scratch", tokenizer_digest="", template_digest="")
        files = attempt.upload("exported", folder)
        draft = Draft(Kind.MODEL, files, suites=tuple(suites), model=facts)
        return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]

    return commit


@pytest.fixture
def commit_suites(store: Store) -> Callable[..., tuple[Manifest, list[Suite]]]:
    """Puts suites into the store: ``commit_suites(intents=[(prompt, reference, choices), …], …)``."""

    def commit(
        stop: tuple[str, ...] = (), max_new_tokens: int = 12, slices: list[str] | None = None, **suites: list[Any]
    ) -> tuple[Manifest, list[Suite]]:
        attempt, heads = Attempt(store, "suites"), []
        with attempt.rows(Kind.SUITES, "suites") as writer:
            for name, questions in suites.items():
                rows = [_question(name, *question, slices=slices or []) for question in questions]
                for row in rows:
                    writer.append(row)
                heads.append(
                    Suite(
                        id=name,
                        content_digest=suite_digest([row["question"] for row in rows]),
                        questions=len(rows),
                        scorer=Scorer.MULTIPLE_CHOICE if rows[0]["choices"] else Scorer.EXACT_MATCH,
                        generation=Generation(max_new_tokens=max_new_tokens, stop=stop),
                    )
                )
        data, key = write_heads(heads), f"{attempt.folder}/suites/{HEADS}"
        store.write(key, data)
        writer.shards.append(Shard(uri=key, sha256=sha256(data), rows=0, bytes=len(data)))
        draft = Draft(Kind.SUITES, writer)
        outcome = attempt.commit({"suites": draft}, settings=StepSettings(), created=writer.rows)
        return outcome.manifests["suites"], heads

    return commit


@pytest.fixture
def commit_overlap(store: Store) -> Callable[..., Manifest]:
    """Says which questions have a near-duplicate on the training side: ``commit_overlap(digest, …)``."""

    def commit(*questions: str) -> Manifest:
        attempt = Attempt(store, "decontaminate")
        with attempt.rows(Kind.REPORT, "overlap") as writer:
            for question in questions:
                writer.append({"id": question, "name": "near_duplicate", "value": "1"})
        draft = Draft(Kind.REPORT, writer)
        return attempt.commit({"overlap": draft}, settings=StepSettings()).manifests["overlap"]

    return commit


def _question(suite: str, prompt: str, reference: str, choices: list[str], slices: list[str]) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {
        "suite": suite,
        "question": question_digest(messages, reference, choices),
        "group": prompt,
        "slices": slices or [reference],
        "messages": messages,
        "reference": reference,
        "choices": choices,
    }


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|eos|>", "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([f"{question}\n{answer}" for question, answer in LEARNED], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|eos|>", pad_token="<|pad|>")
    fast.chat_template = TEMPLATE
    return fast


def _teach(network: Any, tokenizer: Any) -> None:
    """A few steps over what is to be learned; not enough to get everything right."""
    import torch

    turns = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in LEARNED
    ]
    texts = [tokenizer.apply_chat_template(turn, tokenize=False) for turn in turns]
    batch = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    answer = (batch["input_ids"] == tokenizer.convert_tokens_to_ids("<|assistant|>")).cumsum(1) > 0
    labels = batch["input_ids"].masked_fill((batch["attention_mask"] == 0) | ~answer, -100)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(45):
        loss = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
