"""One at a time: whoever comes meanwhile waits, or is told who is there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from components.core.alone import alone, held
from components.core.errors import Conflict

HOLD = """
import pathlib, sys
from components.core.alone import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def taken(holder: str) -> Conflict:
    return Conflict(f"process {holder} is there")


def test_whoever_waits_comes_in_when_the_other_has_left(tmp_path: Path) -> None:
    path, inside, order = tmp_path / "trust.json", threading.Event(), []

    def second() -> None:
        inside.wait()
        with alone(path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with alone(path):
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert [(one.name, one.stat().st_mode & 0o777) for one in tmp_path.iterdir()] == [(".trust.json.lock", 0o600)]


def test_whoever_does_not_wait_is_told_who_is_there_until_that_process_has_ended(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdin=-1, stdout=-1)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Conflict, match=f"process {holder.pid} is there"), held(lock, taken):
            pass
    finally:
        holder.kill()
        holder.wait()
    with held(lock, taken):
        assert lock.read_text() == str(os.getpid())


def test_a_lock_whose_holder_has_not_signed_yet_is_held_by_another(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with held(lock):
        lock.write_bytes(b"")
        with pytest.raises(Conflict, match="process another is there"), held(lock, taken):
            pass
