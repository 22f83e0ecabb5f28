"""A model's tokenizer and template, read from its files in the store: no torch, no weights."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from components.core.errors import InvalidInput
from components.core.manifest import Manifest, file_name
from components.core.store import Store
from components.data.tokenise.chat_template import ChatTemplate, Span

_NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


@dataclass(frozen=True)
class ModelText:
    """What a model makes of text."""

    tokenizer: Tokenizer
    template: ChatTemplate
    context: int | None
    control: re.Pattern[str]


def read_model_text(store: Store, model: Manifest) -> ModelText:
    """Reads tokenizer, template and context length. Raises InvalidInput where one is missing or cannot be read."""
    files = {file_name(shard): shard for shard in model.shards}

    def read(name: str) -> bytes:
        if name not in files:
            raise InvalidInput(f"{model.key}: the model has no {name}; make it with the step base")
        return store.read_verified(files[name].uri, files[name].sha256)

    text = read("tokenizer.json").decode()
    named = _special_tokens(json.loads(read("tokenizer_config.json"))) if "tokenizer_config.json" in files else {}
    configuration = json.loads(read("config.json"))
    return ModelText(
        tokenizer=_tokenizer(text),
        template=ChatTemplate(read("chat_template.jinja").decode(), named),
        context=(configuration.get("text_config") or configuration).get("max_position_embeddings"),
        control=_control_tokens(json.loads(text)),
    )


def _tokenizer(text: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _special_tokens(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The tokens that a template may name; a token is text, or an object that holds it."""
    tokens = {name: configuration.get(name) for name in _NAMED_TOKENS}
    return {name: token["content"] if isinstance(token, dict) else token for name, token in tokens.items() if token}


def _control_tokens(tokenizer: Mapping[str, Any]) -> re.Pattern[str]:
    special = [token["content"] for token in tokenizer.get("added_tokens", []) if token.get("special")]
    longest_first = sorted(special, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def loss_mask(encoding: Encoding, spans: Sequence[Span]) -> npt.NDArray[np.int8]:
    """1 for each token that reaches into a span, 0 elsewhere; shape (tokens,)."""
    mask = np.zeros(len(encoding.ids), dtype=np.int8)
    offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
    for begin, end in spans:
        first = np.searchsorted(offsets[:, 1], begin, side="right")
        last = np.searchsorted(offsets[:, 0], end, side="left")
        mask[first:last] = 1
    return mask
