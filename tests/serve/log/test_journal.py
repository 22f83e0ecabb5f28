"""What a journal takes: rows with all their cells, once, redacted; and what it refuses."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from components.core.errors import Failed, InvalidInput, Refused
from components.core.request_log import Table
from components.serve.log import writer as writer_module
from components.serve.log.journal import Journal
from components.serve.settings import LogSettings
from tests.serve.log.place import Place, run, until
from tests.serve.log.rows import ENDPOINT, begun, ended, logged, word

MAIL, PHONE = "jane.doe@example.com", "+44 20 7946 0018"


def test_a_row_is_in_a_partition_once_with_all_its_cells_when_the_journal_is_closed(place: Place) -> None:
    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"))
            await journal.finish(ended("a", prompt_tokens=7, mirrored=False))
            await journal.feedback(word("a", correction="freeze it"))

    run(work)
    (row,) = logged(place.log)
    assert row.items() >= ended("a", prompt_tokens=7, mirrored=False, redactions=0).items()
    assert row["error"] is None
    assert logged(place.log, Table.FEEDBACK)[0]["correction"] == "freeze it"
    assert [path.name for path in place.folder.iterdir()] == ["lock"]


def test_personal_data_never_touches_the_disk_and_is_counted(place: Place) -> None:
    async def work() -> None:
        async with place.running() as journal:
            asked = {
                "text": f"I am {MAIL}, call {PHONE}",
                "parameters": f'{{"metadata":{{"{MAIL}":"x"}},"seed":2025550143,"stop":["{MAIL}"]}}',
                "conversation_id": MAIL,
            }
            journal.begin(begun("a", **asked))
            assert MAIL.encode() not in b"".join(path.read_bytes() for path in place.folder.iterdir())
            await journal.finish({**begun("a", **asked), "status": "answered", "response": f"dear {MAIL}"})
            await journal.feedback(word("a", correction=f"not {MAIL}", comment=f"or {PHONE}"))
            written = b"".join(path.read_bytes() for path in place.folder.iterdir())
            assert MAIL.encode() not in written
            assert PHONE.encode() not in written

    run(work)
    (row,) = logged(place.log)
    assert row["messages"] == [{"role": "user", "content": "I am <EMAIL>, call <PHONE>"}]
    assert row["parameters"] == '{"metadata":{"<EMAIL>":"x"},"seed":2025550143,"stop":["<EMAIL>"]}'
    assert row["response"] == "dear <EMAIL>"
    assert row["conversation_id"] == "<EMAIL>"
    assert row["redactions"] == 6
    (said,) = logged(place.log, Table.FEEDBACK)
    assert (said["correction"], said["comment"], said["redactions"]) == ("not <EMAIL>", "or <PHONE>", 2)


def test_without_redaction_texts_are_written_as_they_are(place: Place) -> None:
    async def work() -> None:
        async with place.running(redact=False) as journal:
            journal.begin(begun("a", MAIL))
            await journal.finish(ended("a", MAIL))

    run(work)
    assert [(row["response"], row["redactions"]) for row in logged(place.log)] == [(MAIL, 0)]


def test_a_long_text_is_redacted_off_the_loop_and_begins_and_ends_in_order(place: Place) -> None:
    long = f"{MAIL} " * 2000

    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a", long))
            journal.begin(begun("b", long))
            await journal.finish(ended("a", long, messages=begun("a", long)["messages"]))
            await until(lambda: all(one.redacting is None for one in journal._open.values()))
            killed = await place.killed()
            assert (killed.ids(), killed.ids("lost")) == (["a"], ["b"])

    run(work)
    assert place.ids() == ["a"]
    rows = {row["request_id"]: row for row in logged(place.log)}
    assert MAIL not in rows["a"]["response"]
    assert rows["a"]["redactions"] == 4000
    assert rows["b"]["status"] == "lost"
    assert rows["b"]["redactions"] == 2000


def test_parameters_that_are_no_json_are_refused_before_anything_is_written(place: Place) -> None:
    async def work() -> None:
        async with place.running() as journal:
            for bad in ("{", "[" * 100_000):
                with pytest.raises(InvalidInput, match="parameters is no JSON"):
                    journal._redaction.look(begun("a", parameters=bad), {})
            with pytest.raises(InvalidInput, match="parameters is no JSON"):
                journal.begin(begun("a", parameters="{"))

    run(work)
    assert logged(place.log) == []


def test_an_end_counts_once_and_needs_a_beginning(place: Place) -> None:
    async def work() -> None:
        async with place.running() as journal:
            with pytest.raises(InvalidInput, match="did not begin"):
                await journal.finish(ended("a"))
            journal.begin(begun("a"))
            with pytest.raises(InvalidInput, match="began before"):
                journal.begin(begun("a"))
            journal.begin(begun("a", attempt=2))
            await journal.finish(ended("a"))
            with pytest.raises(InvalidInput, match="has ended already"):
                await journal.finish(ended("a", status="cut"))
            with pytest.raises(InvalidInput, match="needs request_id and attempt"):
                journal.begin({"request_id": "b"})

    run(work)
    assert sorted((row["attempt"], row["status"]) for row in logged(place.log)) == [(1, "answered"), (2, "lost")]


def test_two_long_ends_of_one_request_at_once_count_once(place: Place) -> None:
    async def work() -> None:
        async with place.running() as journal:
            journal.begin(begun("a"))
            long = "word " * 2000
            both = await asyncio.gather(
                journal.finish(ended("a", long)), journal.finish(ended("a", long)), return_exceptions=True
            )
            assert sorted(type(one).__name__ for one in both) == ["InvalidInput", "NoneType"]

    run(work)
    assert place.ids() == ["a"]


def test_a_row_that_no_partition_could_hold_is_refused_at_the_beginning(place: Place) -> None:
    async def work() -> None:
        async with place.running() as journal:
            with pytest.raises(InvalidInput, match="prompt_tokens"):
                journal.begin(begun("a", prompt_tokens=10**12))
            journal.begin(begun("a"))
            with pytest.raises(InvalidInput, match="colour"):
                await journal.finish(ended("a", colour="red"))
            with pytest.raises(InvalidInput, match="has ended already"):
                await journal.finish(ended("a"))
            with pytest.raises(InvalidInput, match="good"):
                await journal.feedback(word("a", good="yes"))

    run(work)
    assert (place.ids(), place.ids("failed")) == ([], ["a"])


def test_rows_are_sealed_after_a_while_without_any_more_of_them(place: Place) -> None:
    async def work() -> None:
        async with place.running(seal_seconds=0.1) as journal:
            journal.begin(begun("a"))
            await journal.finish(ended("a"))
            await until(lambda: place.ids() == ["a"])

    run(work)


def test_a_segment_of_many_bytes_is_sealed_early(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "SEGMENT_BYTES", 1000)

    async def work() -> None:
        async with place.running(seal_seconds=3600) as journal:
            journal.begin(begun("a"))
            await journal.finish(ended("a", "word " * 300))
            await until(lambda: place.ids() == ["a"])

    run(work)


def test_all_that_wait_share_one_sync(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs, may_go, first = [], threading.Event(), threading.Event()
    real = os.fdatasync

    def slow(file: int) -> None:
        syncs.append(file)
        first.set()
        may_go.wait()
        real(file)

    async def work() -> None:
        async with place.running() as journal:
            for number in range(51):
                journal.begin(begun(str(number)))
            monkeypatch.setattr(os, "fdatasync", slow)
            ends = [asyncio.create_task(journal.finish(ended("0")))]
            await asyncio.to_thread(first.wait)
            ends += [asyncio.create_task(journal.finish(ended(str(number)))) for number in range(1, 51)]
            await asyncio.sleep(0.05)
            assert not any(end.done() for end in ends)  # none returns before it is durable
            may_go.set()
            await asyncio.gather(*ends)
            assert len(syncs) == 2

    run(work)
    assert len(place.ids()) == 51


def test_whoever_stops_waiting_disturbs_nobody(place: Place) -> None:
    async def work() -> None:
        async with place.running() as journal:
            for name in ("a", "b"):
                journal.begin(begun(name))
            one, two = (asyncio.create_task(journal.finish(ended(name))) for name in ("a", "b"))
            await asyncio.sleep(0)
            one.cancel()
            await two

    run(work)
    assert place.ids() == ["a", "b"]


def test_a_second_process_is_refused_until_the_first_has_ended(place: Place) -> None:
    async def work() -> None:
        async with place.running():
            with pytest.raises(Refused, match=f"is written by another process \\({os.getpid()}\\)"):
                place.journal().start()
        async with place.running():
            pass

    run(work)


def test_a_closed_journal_takes_nothing_and_closes_once(place: Place) -> None:
    async def work() -> None:
        journal = place.journal()
        assert not journal.has_room
        await journal.close()
        with pytest.raises(Failed, match="not open"):
            journal.begin(begun("a"))
        journal.start()
        assert journal.has_room
        await journal.close()
        await journal.close()
        assert not journal.has_room
        with pytest.raises(Failed, match="not open"):
            await journal.feedback(word("a"))

    run(work)


def test_a_folder_that_cannot_be_made_is_told_of(place: Place) -> None:
    place.folder.write_text("in the way")

    async def work() -> None:
        with pytest.raises(Failed, match="cannot be written"):
            place.journal().start()

    run(work)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", ".hidden", "é"])
def test_a_name_that_is_no_file_s_name_is_refused(place: Place, name: str) -> None:
    with pytest.raises(InvalidInput, match="names no file"):
        Journal(place.folder, place.log, ENDPOINT, name, LogSettings())
    with pytest.raises(InvalidInput, match="names no file"):
        Journal(place.folder, place.log, name, "gw", LogSettings())
