"""A journal with its request log, and how a test waits for what it does."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from components.core.request_log import RequestLog
from components.serve.log.journal import Journal
from components.serve.settings import LEAST_FREE_BYTES, LogSettings
from tests.serve.log.rows import ENDPOINT, begun, ended, logged


class Place:
    """A folder of journals and a request log."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "journal", RequestLog(str(folder / "log"))

    def journal(self, **settings: object) -> Journal:
        chosen = LogSettings.model_validate({"least_free_bytes": LEAST_FREE_BYTES, **settings})
        return Journal(self.folder, self.log, ENDPOINT, "gw", chosen)

    @asynccontextmanager
    async def running(self, **settings: object) -> AsyncIterator[Journal]:
        journal = self.journal(**settings)
        journal.start()
        try:
            yield journal
        finally:
            await journal.close()

    async def killed(self) -> Place:
        """The same place, had the process been killed at this moment and the next one started."""
        count = len(list(self.folder.parent.iterdir()))
        other = Place(self.folder.parent / f"killed-{count}")
        shutil.copytree(self.folder, other.folder)
        shutil.copytree(self.log.store.uri, other.log.store.uri) if Path(self.log.store.uri).exists() else None
        await other.recover()
        return other

    async def recover(self) -> None:
        async with self.running():
            pass

    def ids(self, status: str = "answered") -> list[str]:
        return sorted(row["request_id"] for row in logged(self.log) if row["status"] == status)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 60))


async def sealed(journal: Journal, place: Place, name: str) -> None:
    """A request, until it is in a partition."""
    journal.begin(begun(name))
    await journal.finish(ended(name))
    await until(lambda: name in place.ids())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


async def settled(journal: Journal) -> None:
    """Waits until the log says of all that could not be logged that it failed."""
    assert journal._settling is not None
    await journal._settling
    assert journal._withheld == []


def broken_sync(_: int) -> None:
    raise OSError(5, "Input/output error")
