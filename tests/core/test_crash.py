from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from components.core.store import Store
from tests.core.crash_driver import step, unsound


def drive(mode: str, folder: Path) -> dict:
    command = [sys.executable, "-m", "tests.core.crash_driver", mode, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_killed_before_or_after_any_write_there_is_no_manifest_or_a_sound_one(tmp_path: Path) -> None:
    found = drive("every", tmp_path)
    assert found["writes"] >= 10
    assert found["killed"] == 2 * found["writes"]
    assert found["committed_after_kill"] == 1  # only the kill after the last write, the manifest's own
    assert found["unsound"] == []


def test_killed_at_random_moments_and_run_again_the_content_digest_is_the_same(tmp_path: Path) -> None:
    found = drive("random", tmp_path)
    assert found["killed"] >= 10
    assert found["unsound"] == []
    whole, again = (step(Store(str(tmp_path / folder))) for folder in ("whole", "random-0"))
    assert again.content_digest == whole.content_digest
    assert unsound(str(tmp_path / "random-0")) == []
