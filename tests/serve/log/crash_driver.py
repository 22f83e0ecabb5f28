"""Writes rows from many tasks until it is killed; says each id once ``finish`` has returned. Run by ``test_crash``.

    python -m tests.serve.log.crash_driver FOLDER PREFIX SEAL_ROWS
    python -m tests.serve.log.crash_driver FOLDER recover MOMENT

The second takes up what was left, and kills itself at a moment of sealing. Lines: ``ready``, then ids; a line that was
not ended was not said. Feedback has the id ``f-…``.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

from components.core.request_log import RequestLog
from components.serve.log import sealing
from components.serve.log.journal import Journal
from components.serve.settings import LogSettings
from tests.serve.log.rows import ENDPOINT, begun, ended, word

TASKS = 16


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def write(journal: Journal, prefix: str, task: int) -> None:
    for number in itertools.count():
        name = f"{prefix}-{task}-{number}"
        journal.begin(begun(name))
        await asyncio.sleep(0)
        # Some are long enough to be redacted in a thread.
        await journal.finish(ended(name, "answer " * (1000 if number % 7 == 0 else 5)))
        say(name)
        if number % 3 == 0:
            await journal.feedback(word(name))
            say(f"f-{name}")


def journal_of(folder: Path, settings: LogSettings, log: RequestLog | None = None) -> Journal:
    return Journal(folder / "journal", log or RequestLog(str(folder / "log")), ENDPOINT, "gw", settings)


def recover(folder: Path, log: RequestLog | None = None) -> None:
    """Takes up what the killed ones left, and seals it."""

    async def work() -> None:
        journal = journal_of(folder, LogSettings(), log)
        journal.start()
        await journal.close()

    asyncio.run(work())


def recover_and_die(folder: Path, moment: str) -> None:
    """Recovers, and kills itself at the moment."""
    log = RequestLog(str(folder / "log"))
    write = log.store.write

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def dying_write(key: str, data: bytes) -> None:
        if moment == "half a partition":
            path = folder / "log" / f"{key}.00000000.part"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data[: len(data) // 2])
        if moment != "after the segment is gone":
            if moment == "after it":
                write(key, data)
            die()
        write(key, data)

    log.store.write = dying_write
    sealing.sync_folder = lambda _: die()
    recover(folder, log)


async def main(folder: Path, prefix: str, seal_rows: int) -> None:
    journal = journal_of(folder, LogSettings(seal_rows=seal_rows, seal_seconds=0.05))
    journal.start()
    say("ready")
    await asyncio.gather(*(write(journal, prefix, task) for task in range(TASKS)))


if __name__ == "__main__":
    where, first, second = Path(sys.argv[1]), *sys.argv[2:]
    if first == "recover":
        recover_and_die(where, second)
    else:
        asyncio.run(main(where, first, int(second)))
