"""Ingests what lies in a folder and hands it through a split; prints how much memory that took above the imports."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from components.core.attempt import Attempt
from components.core.store import Store
from components.data.ingest.documents import ingest
from components.data.ingest.settings import Ingest
from components.data.resolve.pin import resolve
from components.data.resolve.settings import Resolve
from components.data.split.groups import split
from components.data.split.settings import Split


def peak_bytes() -> int:
    """The most memory that this program has had; what getrusage tells is at least what whoever started it had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main(root: str, address: str) -> None:
    """Works on the JSONL files of ``root`` into the store at ``address``."""
    store = Store(address)
    store.write("warm", b"")  # its client is loaded by the first use
    before = peak_bytes()
    pinned = resolve(
        Attempt(store, "resolve"), Resolve(root=root, sources=[{"path": "*.jsonl"}]), "2026-11-24T09:00:00+00:00"
    )
    made = ingest(Attempt(store, "ingest"), pinned.word, Ingest(id="id"))
    documents = made.manifests["documents"]
    sides = split(Attempt(store, "split"), documents, Split(held_out_share=0)).manifests
    shards, rows = len(documents.shards), sides["train"].rows
    print(json.dumps({"above": peak_bytes() - before, "rows": rows, "shards": shards}))


if __name__ == "__main__":
    main(*sys.argv[1:])
