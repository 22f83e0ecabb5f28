"""Long rows are redacted beside the event loop: in which order, and what becomes of one that takes too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from components.core.columns import Row
from components.core.request_log import RequestLog, Table
from components.serve.log.journal import ON_THE_LOOP, Journal
from components.serve.log.redaction import Known, Redaction
from components.serve.log.redactor import SHORT, Redactor
from components.serve.settings import LEAST_FREE_BYTES, LogSettings
from tests.serve.log.rows import ENDPOINT, begun, ended, logged, word


class Held:
    """Redacts nothing, and not before it may; ``order`` is who came in which order."""

    def __init__(self) -> None:
        self.may, self.order = threading.Event(), list[str]()

    def look(self, row: Row, known: Known) -> Known:
        self.order.append(row["request_id"])
        assert not row["request_id"].startswith("held") or self.may.wait(20)
        return {}


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.may.set()


def asked(redactor: Redactor, name: str, key: str, characters: int) -> asyncio.Task[Known]:
    row = {"request_id": name, "key": key, "response": "x" * characters}
    return asyncio.create_task(redactor.look(row, {}))


async def until_begun(held: Held, name: str) -> None:
    async with asyncio.timeout(20):
        while name not in held.order:
            await asyncio.sleep(0.005)


def test_a_short_row_does_not_wait_for_a_long_one(held: Held) -> None:
    async def play() -> None:
        redactor = Redactor(cast(Redaction, held))
        long = asked(redactor, "held", "a", SHORT + 1)
        await until_begun(held, "held")
        async with asyncio.timeout(20):
            await asked(redactor, "short", "b", SHORT)
        assert not long.done()
        held.may.set()
        await long
        redactor.close()

    asyncio.run(play())


@pytest.mark.parametrize("characters", [SHORT, SHORT + 1])
def test_one_keys_rows_do_not_hold_up_another_keys(held: Held, characters: int) -> None:
    async def play() -> None:
        redactor = Redactor(cast(Redaction, held))
        tasks = [asked(redactor, "held", "a", characters)]
        await until_begun(held, "held")
        tasks += [asked(redactor, f"a{number}", "a", characters) for number in range(3)]
        await asyncio.sleep(0)
        tasks.append(asked(redactor, "b", "b", characters))
        await asyncio.sleep(0)
        held.may.set()
        await asyncio.gather(*tasks)
        redactor.close()

    asyncio.run(play())
    assert held.order == ["held", "b", "a0", "a1", "a2"]


def test_what_nobody_waits_for_is_not_redacted(held: Held) -> None:
    async def play() -> None:
        redactor = Redactor(cast(Redaction, held))
        first = asked(redactor, "held", "a", 10)
        await until_begun(held, "held")
        left = asked(redactor, "left", "a", 10)
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        held.may.set()
        await first
        await asked(redactor, "next", "a", 10)
        redactor.close()

    asyncio.run(play())
    assert held.order == ["held", "next"]


def test_a_row_that_takes_too_long_is_in_the_log_without_its_texts(tmp_path: Path, held: Held) -> None:
    log = RequestLog(str(tmp_path / "log"))
    text = "jane@example.com " * ON_THE_LOOP

    async def play() -> None:
        journal = Journal(tmp_path / "journal", log, ENDPOINT, "gw", LogSettings(least_free_bytes=LEAST_FREE_BYTES))
        journal.start()
        journal._redactor._redaction = cast(Redaction, held)
        journal.begin(begun("held", text))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await journal.look(ended("held", text))
        texts: dict[str, Any] = dict.fromkeys(("messages", "parameters", "response"))
        await journal.finish(ended("held", status="failed", http_status=504) | texts)
        with pytest.raises(TimeoutError):
            await journal.feedback(word("held", comment=text), 0.05)
        held.may.set()
        await journal.close()

    asyncio.run(play())
    (row,) = logged(log)
    assert (row["status"], row["http_status"], row["messages"], row["response"]) == ("failed", 504, None, None)
    assert logged(log, Table.FEEDBACK) == []
    assert b"jane@example.com" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
