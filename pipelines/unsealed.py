"""Rows that a gateway of this machine has logged, and that no window can take yet: they are in no partition."""

from __future__ import annotations

from pathlib import Path

from components.serve.log.segment import TABLES, Name, read
from pipelines.environment import LocalEnvironment


def unsealed(environment: LocalEnvironment, endpoint: str) -> str:
    """Says how many rows of an endpoint are not sealed, and when they will be; empty where all of them are."""
    serving = environment.serving
    names = {path: Name.of(path) for path in (Path(serving.folder) / endpoint / "journals").glob("*/*")}
    records = [read(path).of for path, name in names.items() if name and not name.kept]
    rows = sum(len(record[mark]) for record in records for mark in TABLES)
    if not rows:
        return ""
    what = "row of {}'s log is" if rows == 1 else "rows of {}'s log are"
    return (
        f"{rows:,} {what.format(endpoint)} not sealed yet, and no part of this window: `sluice serve` seals within"
        f" {serving.log.seal_seconds:g} s while it runs, and when it is started again; then the next window has them"
    )
