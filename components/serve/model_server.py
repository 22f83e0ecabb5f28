"""The command lines of the model servers, in one place: vLLM where there is a GPU, `transformers serve` elsewhere.

Both are OpenAI-compatible and listen on loopback; only the gateway before them talks to clients.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from components.core.errors import InvalidInput

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""A server loads what the store holds and nothing else."""

SHARE_OF_GPU = 0.45
"""Of its memory: two fit, for what served before stays warm beside the champion (vLLM would take 0.9 itself)."""
SHARE_OF_MEMORY = 0.05
"""Of a machine's free memory, for keys and values of `transformers serve`, which would take most of it for any model
and needs as long again to begin. Two servers and a training have room beside each other."""


def _same_name(_folder: Path, name: str) -> str:
    return name


def _its_folder(folder: Path, _name: str) -> str:
    return str(folder)


@dataclass(frozen=True)
class ModelServer:
    """How a model in a folder is served under a name."""

    command: Callable[[Path, int, str], list[str]]
    """Folder, port and name to a command line."""
    asked_as: Callable[[Path, str], str] = _same_name
    """What a request must call the model."""
    environment: Mapping[str, str] = field(default_factory=dict)


def vllm(folder: Path, port: int, name: str) -> list[str]:
    """https://docs.vllm.ai/en/stable/cli/serve; it logs no requests unless it is told to."""
    place = ["--host", "127.0.0.1", "--port", str(port)]
    share = ["--gpu-memory-utilization", str(SHARE_OF_GPU)]
    return [_program("vllm"), "serve", str(folder), "--served-model-name", name, *place, *share]


def transformers(folder: Path, port: int, _name: str) -> list[str]:
    """`transformers serve`; with continuous batching it answers three times as many requests a second at eight."""
    place = ["--host", "127.0.0.1", "--port", str(port)]
    batching = ["--continuous-batching", "--cb-max-memory-percent", str(SHARE_OF_MEMORY)]
    return [_program("transformers"), "serve", str(folder), *batching, *place]


VLLM = ModelServer(vllm, environment={**OFFLINE, "VLLM_NO_USAGE_STATS": "1"})
# It is pinned to the folder, and refuses a request that calls the model otherwise. Threads that spin while they
# wait take the cores from whatever else is on the machine.
TRANSFORMERS = ModelServer(transformers, _its_folder, {**OFFLINE, "OMP_WAIT_POLICY": "PASSIVE"})


def model_server(chosen: Literal["auto", "vllm", "transformers"]) -> ModelServer:
    """The server that an environment chose. Raises InvalidInput where it is not installed."""
    if chosen == "auto":
        chosen = "vllm" if _has_gpu() and _is_there("vllm") else "transformers"
    if not _is_there(chosen):
        raise InvalidInput(
            f"serving.server {chosen}: there is no command {chosen} here; install it beside Sluice, or choose the other"
        )
    return VLLM if chosen == "vllm" else TRANSFORMERS


def _has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()


def _is_there(name: str) -> bool:
    beside = Path(sys.executable).parent / name
    return beside.exists() or shutil.which(name) is not None


def _program(name: str) -> str:
    """The command beside this interpreter, else the one on the path."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name
