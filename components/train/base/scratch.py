"""Makes a small Llama from a configuration: a tokenizer trained on the conversations, and fresh weights by a seed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from components.train.base.chat_template import CONTROL_TOKENS, END, PAD, TEMPLATE
from components.train.base.settings import Scratch


def write_model(folder: Path, texts: Iterable[str], settings: Scratch, chat_template: str | None = None) -> int:
    """Writes configuration, weights, tokenizer and chat template into ``folder``; returns the number of weights.

    Texts in whatever order and the same settings give the same bytes.
    """
    tokenizer = train_tokenizer(texts, settings.vocabulary)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=settings.context,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = chat_template or TEMPLATE
    wrapped.save_pretrained(folder)
    model = fresh_model(settings, tokenizer)
    model.save_pretrained(folder)
    return sum(weights.numel() for weights in model.parameters())


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909) of at most ``vocabulary`` tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def fresh_model(settings: Scratch, tokenizer: Tokenizer) -> LlamaForCausalLM:
    """A Llama in float32 whose embedding has a row for each token of ``tokenizer``."""
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=settings.hidden,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.kv_heads,
        intermediate_size=settings.intermediate,
        max_position_embeddings=settings.context,
        tie_word_embeddings=settings.tie_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return LlamaForCausalLM(config)
