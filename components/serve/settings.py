"""How an endpoint is served on a machine: an environment file says it under ``serving``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LEAST_FREE_BYTES = 64 * 1024**2
"""Of the disk, besides what is reserved for open requests and for a partition of what they leave: for the files of new
segments, for what the processes say, and for whoever else writes there without asking."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Part):
    """What a client may ask of the gateway."""

    body_bytes: int = Field(default=1024 * 1024, ge=1024, description="Longest body (bytes); 413 above it.")
    body_seconds: float = Field(default=10, gt=0, description="Longest time in which a body arrives (seconds).")
    request_seconds: float = Field(default=60, gt=0, description="Longest time that an answer takes (seconds).")
    max_tokens: int = Field(default=1024, ge=1, description="Most tokens that an answer may be asked to have (tokens).")
    per_minute: int = Field(default=600, ge=1, description="Requests a minute of one key that has no limit of its own.")
    burst: int = Field(default=60, ge=1, description="Requests of one key that may come at once.")
    in_flight: int = Field(default=256, ge=1, description="Requests that are worked on at once; 503 above it.")


class LogSettings(_Part):
    """The request log's writer on this machine."""

    seal_seconds: float = Field(default=30, gt=0, description="Longest time until a row is in a partition (seconds).")
    seal_rows: int = Field(default=20_000, ge=1, description="Most rows of a partition.")
    most_bytes: int = Field(
        default=2 * 1024**3,
        ge=1024 * 1024,
        description="Most bytes that what is not yet a partition may take here; new requests get 503 above it.",
    )
    least_free_bytes: int = Field(
        default=256 * 1024**2,
        ge=LEAST_FREE_BYTES,
        description="Free space on the disk below which new requests get 503 (bytes).",
    )
    redact: bool = Field(default=True, description="Whether personal data is taken out before anything is written.")


class Serving(_Part):
    """One router, and for each model a gateway and a model server, on this machine."""

    host: str = Field(default="127.0.0.1", description="Address that the router listens on.")
    port: int = Field(default=8080, ge=1, le=65535, description="Port that the router listens on.")
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port on 127.0.0.1 where Prometheus asks for `/metrics`; 1000 above `port` where it is not given.",
    )
    folder: str = Field(default="./.sluice/serving", description="Folder of the models' files, journals and logs.")
    keys: str = Field(default="./.sluice/api-keys.json", description="File of the API keys, hashed.")
    server: Literal["auto", "vllm", "transformers"] = Field(
        default="auto",
        description="What serves a model; auto: vLLM on a GPU, `transformers serve` elsewhere.",
    )
    ready_seconds: float = Field(default=300, gt=0, description="Longest time until a model answers (seconds).")
    drain_seconds: float = Field(default=60, ge=0, description="Longest time that open answers get to end (seconds).")
    keep_previous: bool = Field(default=True, description="Whether what served before stays ready for a rollback.")
    limits: Limits = Limits()
    log: LogSettings = LogSettings()
