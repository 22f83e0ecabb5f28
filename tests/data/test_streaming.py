"""Memory that the data steps need does not grow with the data: neither with many documents, nor with large ones."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.google.server import Server
from tests.contract.google.storage import Storage

TOTAL = 2 * 1024**3
MOST = 500 * 1024**2
WORDS = ("account", "balance", "card", "door", "invoice", "laptop", "monitor", "network", "printer", "router")


def write_documents(folder: Path, size: int, files: int) -> int:
    """JSONL files of ``TOTAL`` bytes of documents of ``size`` characters each; how many documents."""
    draw = random.Random(7)
    text = " ".join(draw.choices(WORDS, k=2_000_000))
    count = TOTAL // size
    for part in range(files):
        with (folder / f"{part:03}.jsonl").open("w") as file:
            for number in range(part, count, files):
                start = draw.randrange(len(text) - size)
                file.write(f'{{"id": "d{number}", "text": "{number} {text[start : start + size]}"}}\n')
    return count


@pytest.mark.long
@pytest.mark.parametrize(("size", "files"), [(4_000, 1), (4_000, 64), (1_000_000, 3)])
def test_two_gigabytes_pass_within_half_a_gigabyte_whatever_the_number_of_shards(
    size: int, files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = write_documents(tmp_path, size, files)
    with Server(Storage("much")).running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        command = [sys.executable, "-m", "tests.data.streaming_driver", str(tmp_path), "gs://much/store"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=290)
    for path in tmp_path.iterdir():
        path.unlink()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(f"{files} files, {found['rows']} documents, {found['shards']} shards: {found['above'] / 2**20:.0f} MiB")
    assert found["rows"] == count
    assert found["above"] <= MOST
