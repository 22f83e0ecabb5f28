"""Rows as a gateway hands them to its journal, and what a request log holds in the end."""

from __future__ import annotations

from typing import Any

from components.core.partitions import batches
from components.core.request_log import RequestLog, Table

ENDPOINT = "helpdesk"


def begun(name: str, text: str = "my card is lost", **cells: Any) -> dict[str, Any]:
    """A request that was accepted."""
    return {
        "request_id": name,
        "attempt": 1,
        "endpoint": ENDPOINT,
        "started": "2026-01-31T09:00:00.000000+00:00",
        "messages": [{"role": "user", "content": text}],
        "parameters": "{}",
        **cells,
    }


def ended(name: str, answer: str = "block it", **cells: Any) -> dict[str, Any]:
    """The same with its answer."""
    return {**begun(name), "status": "answered", "http_status": 200, "response": answer, "latency_ms": 12.5, **cells}


def word(name: str, **cells: Any) -> dict[str, Any]:
    """What somebody said of it."""
    return {"feedback_id": f"f-{name}", "request_id": name, "endpoint": ENDPOINT, "good": True, **cells}


def logged(log: RequestLog, table: Table = Table.REQUESTS) -> list[dict[str, Any]]:
    """All rows of all partitions."""
    keys = log.partitions(ENDPOINT, table)
    return [row for batch in batches(log, keys, table) for row in batch.to_pylist()]
