"""What a journal says of requests that it could not write down."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from components.core.errors import Failed
from components.serve.log import writer as writer_module
from tests.serve.log.place import Place, broken_sync, run, settled, until
from tests.serve.log.rows import begun, ended, logged

MAIL = "jane.doe@example.com"


def test_an_answer_that_cannot_be_made_durable_is_not_in_the_log_which_says_that_it_failed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with place.running() as journal:
            for name in ("good", "bad", "open"):
                journal.begin(begun(name))
            await journal.finish(ended("good"))
            with monkeypatch.context() as patch:
                patch.setattr(os, "fdatasync", broken_sync)
                with pytest.raises(Failed, match="Input/output error; free some space"):
                    await journal.finish(ended("bad"))
            at_once = await place.killed()
            assert (at_once.ids(), at_once.ids("lost")) == (["good"], ["bad", "open"])
            await settled(journal)
            killed = await place.killed()
            assert (killed.ids(), killed.ids("failed"), killed.ids("lost")) == (["good"], ["bad"], ["open"])

    run(work)
    assert (place.ids(), place.ids("failed"), place.ids("lost")) == (["good"], ["bad"], ["open"])
    (row,) = [row for row in logged(place.log) if row["status"] == "failed"]
    assert (row["http_status"], row["response"]) == (503, None)
    assert row["messages"] == begun("bad")["messages"]


def test_what_could_not_be_logged_is_settled_while_the_journal_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with place.running(seal_seconds=0.1) as journal:
            journal.begin(begun("a"))
            with monkeypatch.context() as patch:
                patch.setattr(os, "fdatasync", broken_sync)
                with pytest.raises(Failed):
                    await journal.finish(ended("a"))
            await until(lambda: place.ids("failed") == ["a"])  # in a partition
            assert journal._open == {}
            journal.begin(begun("a"))  # its number is nobody's
            await journal.finish(ended("a"))

    run(work)
    assert sorted(row["status"] for row in logged(place.log)) == ["answered", "failed"]


def test_what_could_not_be_logged_when_the_journal_closes_is_its_last(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"))
            with monkeypatch.context() as patch:
                patch.setattr(writer_module.Writer, "_turn_over", lambda self: asyncio.sleep(0.01))
                patch.setattr(os, "fdatasync", broken_sync)
                with pytest.raises(Failed):
                    await journal.finish(ended("a"))
            await asyncio.sleep(0)
            assert len(journal._withheld) == 1

    run(work)
    assert [row["status"] for row in logged(place.log)] == ["failed"]


@pytest.mark.parametrize("text", ["short", "long " * 2000])
def test_a_request_that_cannot_be_redacted_ends_and_its_words_are_never_written(
    place: Place, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    words = f"{MAIL} {text}"

    def broken(*_: object) -> None:
        raise RuntimeError("the numbering plans broke")

    async def work() -> None:
        async with place.running() as journal:
            if text == "short":
                journal.begin(begun("a", words))
                monkeypatch.setattr(journal._redaction, "look", broken)
            else:
                monkeypatch.setattr(journal._redaction, "look", broken)
                journal.begin(begun("a", words))
            with pytest.raises(RuntimeError, match="numbering plans"):
                await journal.finish(ended("a", words))
            await settled(journal)
            assert MAIL.encode() not in b"".join(path.read_bytes() for path in place.folder.iterdir())

    run(work)
    assert (place.ids("failed"), place.ids("lost")) == (["a"], [])
    assert MAIL not in str(logged(place.log))


def test_while_no_new_segment_can_be_made_there_is_no_room(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise Failed("the disk is full")

    async def work() -> None:
        async with place.running(seal_seconds=0.1) as journal:
            journal.begin(begun("a"))
            with monkeypatch.context() as patch:
                patch.setattr(os, "fdatasync", broken_sync)
                patch.setattr(writer_module, "Segment", full)
                with pytest.raises(Failed):
                    await journal.finish(ended("a"))
                await until(lambda: journal.trouble == "the disk is full" or not journal.has_room)
                assert not journal.has_room
            await until(lambda: journal.has_room)
            await settled(journal)

    run(work)
    assert (place.ids(), place.ids("failed")) == ([], ["a"])


def test_a_half_written_row_is_taken_away_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"))
            with monkeypatch.context() as patch:
                patch.setattr(os, "write", lambda file, data: real(file, data[: len(data) // 2]))
                with pytest.raises(Failed, match="bytes could be written"):
                    await journal.finish(ended("a"))
                with pytest.raises(Failed):
                    journal.begin(begun("b"))
            killed = await place.killed()
            assert (killed.ids(), killed.ids("lost")) == ([], ["a"])
            await until(lambda: journal.has_room)
            journal.begin(begun("b"))

    run(work)
    assert (place.ids("failed"), place.ids("lost")) == (["a"], ["b"])


def test_a_long_request_whose_texts_could_not_be_noted_can_still_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    async def work() -> None:
        async with place.running() as journal:
            with monkeypatch.context() as patch:
                journal.begin(begun("a", "word " * 2000))
                patch.setattr(os, "write", lambda file, data: real(file, b""))
                await until(lambda: journal._open[("a", 1)].redacting is None)
            assert (await place.killed()).ids("lost") == ["a"]
            await journal.finish(ended("a"))

    run(work)
    assert place.ids() == ["a"]
