"""What a step asks of the machine that it runs on, in the words of the field; each backend turns it into its own."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

_BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "": 1}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def bytes_of(quantity: str) -> int:
    """A Kubernetes quantity of memory, such as ``512Mi`` or ``2G``, in bytes."""
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]i?)?", quantity)
    if not matched:
        raise ValueError(f"{quantity!r} is no amount of memory; write it as 512Mi or 4Gi")
    return int(float(matched[1]) * _BYTES[matched[2] or ""])


def seconds_of(duration: str) -> int:
    """A duration such as ``90s``, ``30m``, ``12h`` or ``2d``, in seconds."""
    matched = re.fullmatch(r"(\d+)([smhd])", duration)
    if not matched:
        raise ValueError(f"{duration!r} is no duration; write it as 90s, 30m, 12h or 2d")
    return int(matched[1]) * _SECONDS[matched[2]]


class Accelerator(BaseModel):
    """Accelerators of one type."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field(description="As the backend names it, such as NVIDIA_H100_80GB or nvidia.com/gpu.")
    count: int = Field(default=1, ge=1, le=16)


class Resources(BaseModel):
    """What one step needs. Not part of its settings: changing it is no reason to compute anything again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu: float | None = Field(default=None, gt=0, description="Processors (cores).")
    memory: str | None = Field(default=None, description="Most memory, after which the step is ended (512Mi, 4Gi).")
    accelerator: Accelerator | None = None
    timeout: str | None = Field(
        default=None, description="Longest time, after which the step is ended (90s, 30m, 12h)."
    )
    spot: bool = Field(default=False, description="Whether a machine that may be taken away will do.")
    retries: int = Field(default=0, ge=0, le=10, description="How often a failed step is tried again.")

    @field_validator("memory")
    @classmethod
    def _is_memory(cls, text: str | None) -> str | None:
        if text is not None:
            bytes_of(text)
        return text

    @field_validator("timeout")
    @classmethod
    def _is_duration(cls, text: str | None) -> str | None:
        if text is not None:
            seconds_of(text)
        return text
