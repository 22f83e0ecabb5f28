"""Asks a process over HTTP whether it is ready, and what it is at; no answer is an answer, never an error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import aiohttp

AT_MOST = 2.0
"""How long a look takes at most (seconds)."""


async def status(address: str, seconds: float = AT_MOST) -> int:
    """The status that an address answers with; 0 for no answer."""
    found, _ = await _get(address, seconds)
    return found


async def document(address: str, seconds: float = AT_MOST) -> dict[str, Any]:
    """The JSON object that an address answers with; empty for anything else."""
    code, body = await _get(address, seconds)
    with contextlib.suppress(ValueError):
        found = json.loads(body) if code == 200 else {}
        return found if isinstance(found, dict) else {}
    return {}


async def text(address: str, seconds: float = AT_MOST) -> str:
    """The text that an address answers with; empty for no answer and for an error."""
    code, body = await _get(address, seconds)
    return body.decode(errors="replace") if code == 200 else ""


async def _get(address: str, seconds: float) -> tuple[int, bytes]:
    limit = aiohttp.ClientTimeout(total=seconds)
    try:
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(address) as answer:
            return answer.status, await answer.read()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return 0, b""
