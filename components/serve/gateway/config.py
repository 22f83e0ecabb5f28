"""What a gateway is started with: one JSON file, written by whoever starts it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from components.core.errors import InvalidInput
from components.serve.settings import Limits, LogSettings


class GatewayConfig(BaseModel):
    """One gateway, before one model server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field(min_length=1, description="Name of the endpoint; to clients, the model's name.")
    model: str = Field(description="Digest of the manifest of the model that the server serves.")
    upstream: str = Field(description="Address of the OpenAI-compatible server, such as http://127.0.0.1:9001.")
    upstream_model: str = Field(min_length=1, description="What that server calls the model.")
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    keys: str = Field(description="File of the API keys, hashed; may come later.")
    secret: str = Field(description="File of 32 random bytes, shared by all gateways of the endpoint; made if absent.")
    limits: Limits = Limits()
    log: LogSettings = LogSettings()
    requests: str = Field(description="Address of the request log.")
    journal: str = Field(description="Folder of this gateway's rows that are not yet in the request log.")
    name: str = Field(min_length=1, description="Name of this gateway, for its partitions.")
    drain_seconds: float = Field(default=60, ge=0, description="Longest time that open answers get to end (seconds).")

    @field_validator("upstream")
    @classmethod
    def _is_http(cls, address: str) -> str:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no address of a server; write http://HOST:PORT")
        return address.rstrip("/")


def read_config(path: Path) -> GatewayConfig:
    """The configuration in a file. Raises InvalidInput with all that is wrong with it."""
    try:
        return GatewayConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}; give the path of a gateway's file") from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise InvalidInput(f"{path}: is no gateway's configuration: {'; '.join(wrong)}") from error
