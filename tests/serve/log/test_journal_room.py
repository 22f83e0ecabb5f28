"""Where a journal puts rows: the room on the disk, and a store that is away."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.core.errors import Failed
from components.core.request_log import RequestLog
from components.serve.log import journal as journal_module
from components.serve.log import writer as writer_module
from components.serve.settings import LEAST_FREE_BYTES, LogSettings
from tests.serve.log.place import Place, run, until
from tests.serve.log.rows import begun, ended


def test_room_is_reserved_before_a_request_is_worked_on_and_given_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(place.folder.parent)
    free = LEAST_FREE_BYTES + 10 * 1024**2

    async def work() -> None:
        async with place.running() as journal:
            file = place.folder / "reserve"
            monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free - file.stat().st_size))
            assert journal.has_room
            with pytest.raises(Failed, match="must stay"):
                journal.begin(begun("big"), answer_bytes=6 * 1024**2)
            journal.begin(begun("a"), answer_bytes=4 * 1024**2)
            assert file.stat().st_size >= 4 * 1024**2
            with pytest.raises(Failed, match="must stay"):
                journal.begin(begun("b"), answer_bytes=4 * 1024**2)
            await journal.finish(ended("a"))
            journal.begin(begun("b"), answer_bytes=4 * 1024**2)
            assert journal._reserve.taken == journal._open["b", 1].reserved

    run(work)
    assert (place.ids(), place.ids("lost")) == (["a"], ["b"])


def test_a_row_that_finds_the_disk_full_gets_what_was_reserved_for_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"), answer_bytes=100_000)
            full = (place.folder / "reserve").stat().st_size

            def write(file: int, data: bytes) -> int:
                return real(file, data if len(data) <= full - (place.folder / "reserve").stat().st_size else b"")

            monkeypatch.setattr(os, "write", write)
            await journal.finish(ended("a", "word " * 10_000))

    run(work)
    assert place.ids() == ["a"]


def test_a_store_that_is_away_keeps_the_rows_here_and_gets_them_later_once(tmp_path: Path) -> None:
    (tmp_path / "mount").write_text("not mounted")
    place = Place(tmp_path / "mount")
    place.folder = tmp_path / "journal"
    finished: list[str] = []

    async def work() -> None:
        async with place.running(seal_rows=1, most_bytes=1024 * 1024, redact=False) as journal:
            number = 0
            while journal.has_room:
                journal.begin(begun(str(number)))
                await journal.finish(ended(str(number), "word " * 20_000))
                number += 1
                await asyncio.sleep(0.02)
            assert "more than most_bytes" in journal.trouble
            (tmp_path / "mount").unlink()
            await until(lambda: journal.has_room)
            finished.extend(map(str, range(number)))

    run(work)
    assert len(finished) > 5
    assert place.ids() == sorted(finished)


def test_what_the_store_does_not_take_at_the_end_the_next_start_hands_in(tmp_path: Path) -> None:
    (tmp_path / "mount").write_text("not mounted")
    place = Place(tmp_path / "mount")
    place.folder = tmp_path / "journal"

    async def first() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"))
            await journal.finish(ended("a"))

    run(first)
    assert len(list(place.folder.glob("*.sealed"))) == 1
    (tmp_path / "mount").unlink()
    run(place.recover)
    assert place.ids() == ["a"]


def test_an_error_of_a_cloud_s_own_is_tried_again_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = place.log.store.write, []

    def write(key: str, data: bytes) -> None:
        calls.append(key)
        if len(calls) == 1:
            raise RuntimeError("the cloud's client broke")
        real(key, data)

    monkeypatch.setattr(place.log.store, "write", write)

    async def work() -> None:
        async with place.running(seal_rows=1) as journal:
            journal.begin(begun("a"))
            await journal.finish(ended("a"))
            await until(lambda: place.ids() == ["a"])

    run(work)
    assert calls[0] == calls[1]


def test_an_object_store_is_a_request_log_too(place: Place) -> None:
    place.log = RequestLog("memory://requests-of-a-test")

    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"))
            await journal.finish(ended("a"))

    run(work)
    assert place.ids() == ["a"]


def test_a_disk_that_is_nearly_full_has_no_room(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "LOOK_SECONDS", 0.0)

    async def work() -> None:
        async with place.running(least_free_bytes=10**18) as journal:
            assert not journal.has_room
            assert "fewer than least_free_bytes" in journal.trouble
            usage = shutil.disk_usage(place.folder)
            monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**18))
            assert journal.has_room

    run(work)


@pytest.mark.parametrize("least", [0, LEAST_FREE_BYTES - 1])
def test_a_disk_that_requests_could_fill_to_the_end_is_refused(least: int) -> None:
    with pytest.raises(ValidationError, match=f"least_free_bytes\n.* greater than or equal to {LEAST_FREE_BYTES} "):
        LogSettings(least_free_bytes=least)
    assert LogSettings(least_free_bytes=LEAST_FREE_BYTES).least_free_bytes >= 2 * writer_module.SEGMENT_BYTES


def test_the_disk_is_not_looked_at_for_every_request(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "LOOK_SECONDS", 3600.0)
    looks = []
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: looks.append(path) or real(path))

    async def work() -> None:
        async with place.running() as journal:
            assert [journal.has_room for _ in range(100)] == [True] * 100

    run(work)
    assert len(looks) == 1
