from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.core.errors import Failed, InvalidInput, Refused
from components.core.request_log import RequestLog, Table
from components.serve.log import journal as journal_module
from components.serve.log import writer as writer_module
from components.serve.log.journal import Journal
from components.serve.settings import LEAST_FREE_BYTES, LogSettings
from tests.serve.log.rows import ENDPOINT, begun, ended, logged, word

MAIL, PHONE = "jane.doe@example.com", "+44 20 7946 0018"


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


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


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


def broken_sync(_: int) -> None:
    raise OSError(5, "Input/output error")


async def settled(journal: Journal) -> None:
    """Waits until the log says of all that could not be logged that it failed."""
    assert journal._settling is not None
    await journal._settling
    assert journal._withheld == []


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


def test_what_is_no_segment_is_named_and_left_alone(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.folder.mkdir()
    (place.folder / "notes.txt").write_text("mine")
    (place.folder / "000000001.open").write_bytes(b"\xff\x00 half a row, or something else")
    run(place.recover)
    assert "notes.txt is no segment" in caplog.text
    assert {path.name for path in place.folder.iterdir()} == {"lock", "notes.txt"}
    assert logged(place.log) == []


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
