from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from components.core.request_log import RequestLog, Table
from tests.serve.log.crash_driver import recover
from tests.serve.log.rows import logged


def killed(folder: Path, prefix: str, seconds: float, seal_rows: int) -> list[str]:
    """Lets the driver write for a while after it is ready, kills it, and returns the ids that it said."""
    command = [sys.executable, "-m", "tests.serve.log.crash_driver", str(folder), prefix, str(seal_rows)]
    said = folder / f"{prefix}.said"
    with said.open("wb") as out:
        process = subprocess.Popen(command, stdout=out)
        try:
            while b"ready" not in said.read_bytes():
                assert process.poll() is None
                time.sleep(0.005)
            time.sleep(seconds)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    return said.read_text().rpartition("\n")[0].split("\n")[1:]


def check(folder: Path, said: list[str], times: int) -> None:
    log = RequestLog(str(folder / "log"))
    recover(folder)
    assert len(said) > times
    requests = logged(log)
    answered = Counter(row["request_id"] for row in requests if row["status"] == "answered")
    feedback = Counter(row["feedback_id"] for row in logged(log, Table.FEEDBACK))
    missing = [name for name in said if not (feedback if name.startswith("f-") else answered)[name]]
    assert missing == []
    # Once each, the lost ones too: no id stands there as answered and as lost.
    assert max(Counter(row["request_id"] for row in requests).values()) == 1
    assert max(feedback.values()) == 1
    assert {row["status"] for row in requests} <= {"answered", "lost"}
    assert [path.name for path in (folder / "journal").iterdir()] == ["lock"]


def test_killed_at_random_moments_every_row_that_was_acknowledged_is_there_once(tmp_path: Path) -> None:
    chance, said = random.Random(3), []
    for number in range(4):
        said += killed(tmp_path, f"p{number}", chance.uniform(0, 0.4), seal_rows=50)
    check(tmp_path, said, 4)


@pytest.mark.long
def test_killed_twenty_times_every_row_that_was_acknowledged_is_there_once(tmp_path: Path) -> None:
    chance, said = random.Random(11), []
    for number in range(20):
        said += killed(tmp_path, f"p{number}", chance.uniform(0, 0.6), seal_rows=chance.choice([20, 200, 20_000]))
    check(tmp_path, said, 20)


@pytest.mark.parametrize(
    "moment", ["before the partition", "half a partition", "after it", "after the segment is gone"]
)
def test_killed_while_it_seals_no_partition_is_torn_and_no_row_is_there_twice(tmp_path: Path, moment: str) -> None:
    said = killed(tmp_path, "p", 0.3, seal_rows=10**6 if moment == "before the partition" else 30)
    died = subprocess.run([sys.executable, "-m", "tests.serve.log.crash_driver", str(tmp_path), "recover", moment])
    assert died.returncode == -signal.SIGKILL
    check(tmp_path, said, 1)
