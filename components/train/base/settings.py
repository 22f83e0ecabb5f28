"""Settings of ``base``."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.core.settings import StepSettings

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOKEN = re.compile(r"secret://[a-z0-9][a-z0-9-]*|[A-Z][A-Z0-9_]*")


class Hub(StepSettings):
    """A model of a Hugging Face hub, pinned."""

    id: str = Field(description="Name of the model, `owner/name`.", pattern=r"^[\w.-]+(/[\w.-]+)?$")
    revision: str = Field(description="Commit of the model, 40 hexadecimal digits; a branch or a tag moves.")
    token: str | None = Field(
        default=None, description="Where the token is: `secret://NAME`, or the name of an environment variable."
    )
    endpoint: str | None = Field(
        default=None, description="Address of the hub; null: the variable HF_ENDPOINT, or the public hub."
    )

    @field_validator("revision")
    @classmethod
    def _is_a_commit(cls, revision: str) -> str:
        if not _COMMIT.fullmatch(revision):
            raise ValueError(
                f"{revision!r} is no commit; a branch or a tag moves, so give the commit's 40 hexadecimal digits"
            )
        return revision

    @field_validator("token")
    @classmethod
    def _is_a_reference(cls, token: str | None) -> str | None:
        if token is not None and not _TOKEN.fullmatch(token):
            raise ValueError("a token is never written here; give secret://NAME, or the name of a variable")
        return token


class Scratch(StepSettings):
    """A small Llama (Touvron et al. 2023, arXiv:2302.13971) with fresh weights and a tokenizer of its own.

    The defaults learn a templated task on two cores in seconds and Banking77 in minutes.
    """

    vocabulary: int = Field(
        default=2000,
        ge=300,
        le=1_000_000,
        description="Most tokens of the byte-level BPE (tokens); 256 bytes and the control tokens are among them.",
    )
    hidden: int = Field(default=128, ge=8, description="Width of the residual stream (numbers).")
    layers: int = Field(default=2, ge=1, description="Transformer layers.")
    heads: int = Field(default=4, ge=1, description="Attention heads; they divide `hidden`.")
    kv_heads: int = Field(
        default=2, ge=1, description="Heads of keys and values (Ainslie et al. 2023, arXiv:2305.13245)."
    )
    intermediate: int = Field(default=384, ge=8, description="Width of the feed-forward layers (numbers).")
    context: int = Field(default=512, ge=16, description="Longest sequence (tokens).")
    tie_embeddings: bool = Field(
        default=True, description="One matrix for input and output embeddings (Press and Wolf 2017, arXiv:1608.05859)."
    )
    rope_theta: float = Field(default=10_000.0, gt=0, description="Base of the rotary positions (arXiv:2104.09864).")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the weights.")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} is no multiple of twice the heads ({self.heads}); change one")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is no multiple of kv_heads {self.kv_heads}; change one")
        return self


class Base(StepSettings):
    """The model that training starts from: one of a hub, or one from scratch (the default)."""

    start: Literal["base", "champion"] = Field(
        default="base",
        description="What training starts from: `base`, or `champion`, the model that serves on the recipe's endpoint;"
        " where nothing serves yet, the base all the same.",
    )
    hub: Hub | None = Field(default=None, description="An existing model.")
    scratch: Scratch | None = Field(default=None, description="A new model; its tokenizer learns the training side.")
    chat_template: str | None = Field(
        default=None, description="Jinja text in place of the model's own chat template; null keeps its own."
    )
    allow_pickle: bool = Field(
        default=False,
        description="Whether weights may come as pickles, which can run code when read; they are kept as safetensors.",
    )
    allow_remote_code: bool = Field(
        default=False, description="Whether the model may bring Python code that runs wherever it is loaded."
    )

    @model_validator(mode="before")
    @classmethod
    def _scratch_unless_hub(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("hub") is None and given.get("scratch") is None:
            return {**given, "scratch": {}}
        return given

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.hub and self.scratch:
            raise ValueError("both hub and scratch are given; a base is one of them: remove the other")
        return self
