"""What a journal leaves behind: segments, and what the next start makes of them after a kill."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from components.core.errors import Failed
from components.core.request_log import Table
from components.serve.log import writer as writer_module
from tests.serve.log.place import Place, run, sealed, until
from tests.serve.log.rows import begun, ended, logged, word

MAIL = "jane.doe@example.com"


def test_what_finish_returned_for_stands_in_the_log_after_a_kill_and_what_had_begun_is_lost(place: Place) -> None:
    async def work() -> None:
        async with place.running() as journal:
            for name in ("a", "b", "c"):
                journal.begin(begun(name))
            await journal.finish(ended("a"))
            await journal.feedback(word("a"))
            killed = await place.killed()
            assert killed.ids() == ["a"]
            assert killed.ids("lost") == ["b", "c"]
            assert len(logged(killed.log, Table.FEEDBACK)) == 1
            await killed.recover()  # nothing is left to do
            rows = {row["request_id"]: row for row in logged(killed.log)}
            assert len(logged(killed.log)) == len(rows) == 3
            assert rows["b"]["messages"] == begun("b")["messages"]
            assert rows["b"]["error"] == "the gateway ended before the answer did"

    run(work)
    assert (place.ids(), place.ids("lost")) == (["a"], ["b", "c"])


def test_killed_while_it_recovers_the_next_start_loses_and_doubles_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.serve.log import recovery

    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"))
            journal.begin(begun("b"))
            await journal.finish(ended("a"))

            def kill(path: Path, gateway: str) -> Path:
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(recovery, "closed_name", kill)
                with pytest.raises(KeyboardInterrupt):
                    await place.killed()
            again = Place(place.folder.parent / "killed-1")
            assert len(list(again.folder.glob("*.open"))) == 2
            await again.recover()
            assert (again.ids(), again.ids("lost")) == (["a"], ["b"])
            assert len(logged(again.log)) == 2

    run(work)


def test_an_open_request_outlives_the_segments_before_its_end(place: Place) -> None:
    async def work() -> None:
        async with place.running(seal_rows=1) as journal:
            journal.begin(begun("slow"))
            journal.begin(begun("never"))
            for name in "abc":
                journal.begin(begun(name))
                await journal.finish(ended(name))
            await until(lambda: place.ids() == ["a", "b", "c"])
            await journal.finish(ended("slow"))
            await until(lambda: "slow" in place.ids())
            killed = await place.killed()
            assert (killed.ids(), killed.ids("lost")) == (["a", "b", "c", "slow"], ["never"])

    run(work)
    assert place.ids("lost") == ["never"]  # closed with it open


def test_a_closed_segment_that_keeps_its_name_has_its_rows_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(path: Path, gateway: str) -> Path:
        raise Failed(f"{path} cannot be renamed")

    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"))
            with monkeypatch.context() as patch:
                patch.setattr(writer_module, "closed_name", stuck)
                journal._writer._turning = True  # what comes now is made durable by the turn itself
                end = asyncio.create_task(journal.finish(ended("a")))
                await asyncio.sleep(0)
                await journal._writer._turn_over()
                await end

    run(work)
    run(place.recover)
    assert [row["status"] for row in logged(place.log)] == ["answered"]


def test_a_long_request_is_in_the_log_though_the_process_was_killed_before_it_was_redacted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go = threading.Event()

    async def work() -> None:
        async with place.running() as journal:
            monkeypatch.setattr(journal._redaction, "look", lambda row, known: may_go.wait() and {})
            journal.begin(begun("a", f"{MAIL} " * 2000))
            killed = await place.killed()
            may_go.set()
            assert killed.ids("lost") == ["a"]
            assert [row["messages"] for row in logged(killed.log)] == [None]

    run(work)
    assert place.ids("lost") == ["a"]


def test_what_is_open_is_not_written_again_with_each_segment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "SEGMENT_BYTES", 20_000)
    written, real = [], os.write

    def write(file: int, data: bytes) -> int:
        written.append(len(data))
        return real(file, data)

    async def work() -> None:
        async with place.running(redact=False, seal_seconds=0.05) as journal:
            monkeypatch.setattr(os, "write", write)
            names = [f"open-{number}" for number in range(20)]
            for name in names:
                journal.begin(begun(name, "word " * 800))
            for number in range(5):
                await sealed(journal, place, str(number))
            assert len(list(place.folder.glob("*.kept"))) > 1
            for name in names:
                await journal.finish(ended(name, messages=begun(name, "word " * 800)["messages"]))
            await until(lambda: len(place.ids()) == 25 and not list(place.folder.glob("*.kept")))

    run(work)
    assert sum(written) < 2.5 * 20 * 4000


def test_what_was_open_when_its_segment_was_sealed_is_lost_once_whenever_the_process_is_killed(place: Place) -> None:
    async def work() -> None:
        async with place.running(seal_rows=1) as journal:
            for name in ("open", "ends"):
                journal.begin(begun(name))
            for name in ("a", "b"):
                await sealed(journal, place, name)
            await journal.finish(ended("ends"))
            await until(lambda: "ends" in place.ids())
            killed = await place.killed()
            for _ in range(2):
                assert (killed.ids(), killed.ids("lost")) == (["a", "b", "ends"], ["open"])
                assert [path.name for path in killed.folder.iterdir()] == ["lock"]
                await killed.recover()

    run(work)
    assert (place.ids(), place.ids("lost")) == (["a", "b", "ends"], ["open"])


def test_a_segment_that_gets_no_name_is_handed_over_later_and_none_before_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = writer_module.closed_name, []

    def stuck(path: Path, gateway: str) -> Path:
        tries.append(path.name)
        if len(tries) < 3:
            raise Failed(f"{path} cannot be renamed")
        return real(path, gateway)

    monkeypatch.setattr(writer_module, "closed_name", stuck)

    async def work() -> None:
        async with place.running(seal_rows=1, seal_seconds=0.1) as journal:
            for name in ("a", "b"):
                journal.begin(begun(name))
                await journal.finish(ended(name))
            await until(lambda: place.ids() == ["a", "b"])

    run(work)
    assert set(tries[:3]) == {"000000001.open"}


def test_what_is_no_segment_is_named_and_left_alone(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.folder.mkdir()
    (place.folder / "notes.txt").write_text("mine")
    (place.folder / "000000001.open").write_bytes(b"\xff\x00 half a row, or something else")
    run(place.recover)
    assert "notes.txt is no segment" in caplog.text
    assert {path.name for path in place.folder.iterdir()} == {"lock", "notes.txt"}
    assert logged(place.log) == []
