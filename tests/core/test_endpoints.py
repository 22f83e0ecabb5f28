"""One suite for every place where endpoint states may lie: add yours to ``PLACES`` and ``address``."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.core import endpoint_sqlite
from components.core.endpoint import Endpoints, EndpointState, Observed, Phase, open_endpoints
from components.core.errors import Conflict, Failed, InvalidInput
from tests.contract.google.server import Server
from tests.contract.google.storage import Storage
from tests.contract.postgres import database, postgres
from tests.core.keyring import MODEL, moment

PLACES = ("sqlite", "gcs", "postgres")


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with postgres() as server:
        yield server


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Storage]]:
    """A fake Cloud Storage with the bucket ``states``."""
    service = Storage("states")
    with Server(service).running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server, service


@pytest.fixture(params=PLACES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place that nobody has used; add a place of another kind here."""
    if request.param == "gcs":
        request.getfixturevalue("cloud")
        return "gs://states/some/prefix"
    if request.param == "postgres":
        return database(request.getfixturevalue("postgres_server"))
    return f"sqlite:///{tmp_path}/states/endpoints.db"


@pytest.fixture
def endpoints(address: str) -> Endpoints:
    return open_endpoints(address)


def state(generation: int, decision: str = "", endpoint: str = "helpdesk", **fields) -> EndpointState:
    given = {"champion": MODEL, "weights": {"champion": 1.0}, "changed": moment()}
    return EndpointState(
        endpoint=endpoint, generation=generation, decision=decision or f"d{generation}", **given | fields
    )


def written(endpoints: Endpoints, endpoint: str = "helpdesk") -> list[tuple[int, str]]:
    return [(found.generation, found.decision) for found in endpoints.history(endpoint)]


# What every implementation keeps.


def test_an_endpoint_that_nobody_has_used_is_generation_0_and_looking_makes_nothing(
    endpoints: Endpoints, tmp_path: Path
) -> None:
    assert endpoints.read("helpdesk") == EndpointState(endpoint="helpdesk")
    assert list(endpoints.history("helpdesk")) == []
    assert list(endpoints.names()) == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_read_back_whole_by_whoever_opens_it(endpoints: Endpoints, address: str) -> None:
    new = state(1, previous=MODEL, shadow=MODEL, challenger=MODEL, weights={"champion": 0.9, "challenger": 0.1})
    endpoints.compare_and_set(new)
    assert open_endpoints(address).read("helpdesk").to_bytes() == new.to_bytes()


def test_generations_rise_by_one_and_all_are_kept(endpoints: Endpoints) -> None:
    for generation in (1, 2, 3):
        endpoints.compare_and_set(state(generation))
    assert written(endpoints) == [(1, "d1"), (2, "d2"), (3, "d3")]
    assert endpoints.read("helpdesk").generation == 3


@pytest.mark.parametrize("generation", [0, 1, 2, 4, 100])
def test_who_looked_at_another_generation_is_told_and_changes_nothing(endpoints: Endpoints, generation: int) -> None:
    endpoints.compare_and_set(state(1))
    endpoints.compare_and_set(state(2))
    with pytest.raises(Conflict, match="helpdesk: somebody changed it meanwhile") as error:
        endpoints.compare_and_set(state(generation, "late"))
    assert error.value.exit_code == 5
    assert written(endpoints) == [(1, "d1"), (2, "d2")]


@pytest.mark.parametrize("generation", [0, 2])
def test_the_first_generation_is_1(endpoints: Endpoints, generation: int) -> None:
    with pytest.raises(Conflict):
        endpoints.compare_and_set(state(generation))
    assert written(endpoints) == []


@pytest.mark.parametrize(("endpoint", "generation"), [("helpdesk", 2), ("payments", 1)])
def test_a_decision_is_used_once_for_whichever_endpoint(endpoints: Endpoints, endpoint: str, generation: int) -> None:
    endpoints.compare_and_set(state(1, "once"))
    with pytest.raises(Conflict, match="was used already"):
        endpoints.compare_and_set(state(generation, "once", endpoint))
    assert written(endpoints) == [(1, "once")]
    assert written(endpoints, "payments") == []


def test_endpoints_have_generations_of_their_own_and_are_listed_by_name(endpoints: Endpoints) -> None:
    for name in ("payments", "helpdesk", "a" * 100, "mit Leerzeichen/é'\";--"):
        endpoints.compare_and_set(state(1, f"d-{name}", name))
    endpoints.compare_and_set(state(2, "second"))
    assert list(endpoints.names()) == sorted(["payments", "helpdesk", "a" * 100, "mit Leerzeichen/é'\";--"])
    assert (endpoints.read("payments").generation, endpoints.read("helpdesk").generation) == (1, 2)


def test_of_many_threads_that_saw_the_same_generation_one_wins(endpoints: Endpoints) -> None:
    def attempt(number: int) -> int:
        try:
            endpoints.compare_and_set(state(1, f"d{number}"))
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(attempt, range(16))) == 1
    assert len(written(endpoints)) == 1


def storm(address: str, tmp_path: Path, writers: int, changes: int, victims: int) -> None:
    """Generations without gap, none lost, none double, however many write and die."""
    command = [sys.executable, "-m", "tests.core.endpoint_driver", address, str(tmp_path / "told")]
    command += [str(writers), str(changes), str(victims)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    found = json.loads(done.stdout)
    print(f"{writers} writers, {found['killed']} more killed: {len(found['generations'])} generations")
    assert (found["killed"], found["failed"], done.stderr) == (victims, 0, "")
    assert found["generations"] == list(range(1, len(found["generations"]) + 1))
    assert len(set(found["decisions"])) == len(found["decisions"])
    expected = {f"writer{writer}-{number}" for writer in range(writers) for number in range(changes)}
    assert expected <= set(found["told"]) <= set(found["decisions"])
    # A victim may have written what it did not live to tell: at most its last.
    untold = [decision.split("-")[0] for decision in set(found["decisions"]) - set(found["told"])]
    assert len(set(untold)) == len(untold) <= victims


def test_many_writers_some_killed_leave_no_gap_and_lose_nothing(address: str, tmp_path: Path) -> None:
    storm(address, tmp_path, writers=10, changes=3, victims=6)


@pytest.mark.long
def test_a_hundred_writers_and_fifty_killed_leave_no_gap_and_lose_nothing(address: str, tmp_path: Path) -> None:
    storm(address, tmp_path, writers=100, changes=5, victims=50)


# What was observed.


def observed(endpoint: str = "helpdesk", generation: int = 1, **fields) -> Observed:
    given = {"phase": Phase.STEADY, "champion": MODEL.digest, "heartbeat": moment(), "since": moment()}
    return Observed(endpoint=endpoint, generation=generation, **{**given, **fields})


def test_what_was_observed_is_read_back_by_whoever_opens_it_and_replaces_what_was_before(
    endpoints: Endpoints, address: str
) -> None:
    endpoints.observe(observed())
    new = observed(generation=2, phase=Phase.FAILED, champion="", reason="no memory")
    endpoints.observe(new)
    assert open_endpoints(address).observed("helpdesk").to_bytes() == new.to_bytes()


def test_before_anybody_looked_nothing_was_observed(endpoints: Endpoints, tmp_path: Path) -> None:
    assert endpoints.observed("helpdesk") is None
    assert list(tmp_path.iterdir()) == []
    endpoints.compare_and_set(state(1))
    assert endpoints.observed("helpdesk") is None
    endpoints.observe(observed())
    assert endpoints.observed("payments") is None


def test_what_is_observed_makes_no_endpoint_and_changes_no_state(endpoints: Endpoints) -> None:
    endpoints.observe(observed(generation=7))
    assert list(endpoints.names()) == []
    assert endpoints.read("helpdesk").generation == 0
    endpoints.compare_and_set(state(1))
    assert written(endpoints) == [(1, "d1")]
    assert endpoints.observed("helpdesk").generation == 7


# What is SQLite's own.


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints.db"
    open_endpoints(f"sqlite:///{path}").compare_and_set(state(1))
    return path


def opened(place: Path) -> Endpoints:
    return open_endpoints(f"sqlite:///{place}")


def test_a_file_that_an_older_sluice_wrote_takes_what_is_observed(place: Path) -> None:
    with sqlite3.connect(place) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    assert tables == ["generations"]
    assert opened(place).observed("helpdesk") is None
    opened(place).observe(observed())
    assert opened(place).observed("helpdesk") == observed()
    assert written(opened(place)) == [(1, "d1")]


def test_a_writer_killed_between_insert_and_commit_changes_nothing(place: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from components.core import endpoint_sqlite\n"
        "from tests.core.test_endpoints import opened, state, Path\n"
        "insert = endpoint_sqlite._insert\n"
        "def killed(*given):\n"
        "    insert(*given)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "endpoint_sqlite._insert = killed\n"
        "opened(Path(sys.argv[1])).compare_and_set(state(2, 'never'))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(place)], cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL
    opened(place).compare_and_set(state(2))
    assert written(opened(place)) == [(1, "d1"), (2, "d2")]


def test_a_writer_that_another_holds_up_too_long_gets_a_sentence(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_sqlite, "BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(place, isolation_level=None)
    holder.execute("begin exclusive")
    for use in (lambda: opened(place).compare_and_set(state(2)), lambda: opened(place).read("helpdesk")):
        with pytest.raises(Failed, match=r"endpoints.db: database is locked; nothing was changed: another process"):
            use()
    holder.execute("rollback")
    holder.close()
    assert written(opened(place)) == [(1, "d1")]


def test_a_writer_waits_for_another_that_is_done_soon(place: Path) -> None:
    holder = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    holder.execute("begin immediate")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(opened(place).compare_and_set, state(2))
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.1)
        holder.execute("rollback")
        waiting.result()
    holder.close()
    assert written(opened(place)) == [(1, "d1"), (2, "d2")]


def test_a_file_that_may_not_be_written_is_read_and_a_change_gets_a_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(
        endpoint_sqlite.sqlite3, "connect", lambda place, **given: connect(place.replace("mode=rw", "mode=ro"), **given)
    )
    assert written(opened(place)) == [(1, "d1")]
    with pytest.raises(Failed, match="readonly database; nothing was changed: give this user the right to write"):
        opened(place).compare_and_set(state(2))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b""), "no such table"),
        (lambda path: path.write_bytes(b"no database at all, but long enough to be looked at" * 20), "not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "malformed|disk I/O"),
        (lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 20480), "malformed"),
    ],
    ids=["emptied", "another file", "cut off", "overwritten"],
)
def test_a_damaged_file_is_never_taken_for_an_endpoint_that_nobody_has_used(
    place: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(place)
    for use in (
        lambda: opened(place).read("helpdesk"),
        lambda: opened(place).history("helpdesk"),
        lambda: opened(place).names(),
        lambda: opened(place).compare_and_set(state(1, "again")),
    ):
        with pytest.raises(Failed, match=rf"endpoints.db: .*({said}).*damaged: bring it back from a copy"):
            use()


def test_a_state_that_was_overwritten_by_hand_gets_a_sentence(place: Path) -> None:
    with sqlite3.connect(place) as connection:
        connection.execute("update generations set state = '{}'")
    with pytest.raises(InvalidInput, match=r"endpoints.db: helpdesk: not a EndpointState"):
        opened(place).read("helpdesk")


def test_a_folder_in_the_files_place_or_a_file_in_the_folders_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match=r"cannot be made: .*; choose another place"):
        opened(tmp_path / "file" / "endpoints.db").compare_and_set(state(1))
    with pytest.raises(Failed, match="unable to open database file"):
        opened(tmp_path).compare_and_set(state(1))


def test_first_use_that_is_cut_short_leaves_no_file_that_looks_used(tmp_path: Path, monkeypatch) -> None:
    place = tmp_path / "endpoints.db"
    monkeypatch.setattr(endpoint_sqlite.os, "link", lambda part, path: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(Failed, match="cannot be made"):
        opened(place).compare_and_set(state(1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "a?mode=memory", "a#b", "ä%20"])
def test_a_path_with_odd_characters_is_the_path_that_was_meant(tmp_path: Path, name: str) -> None:
    opened(tmp_path / f"{name}.db").compare_and_set(state(1))
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.db"]
    assert written(opened(tmp_path / f"{name}.db")) == [(1, "d1")]


@pytest.mark.parametrize(
    "address", ["", "sqlite:///", "sqlite://", "endpoints.db", "postgresql://", "gs://", "mysql://h/d"]
)
def test_an_address_of_no_known_place_is_invalid(address: str) -> None:
    with pytest.raises(InvalidInput, match="write sqlite:///PATH"):
        open_endpoints(address)
