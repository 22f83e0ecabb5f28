"""Processes are known again after a supervisor's death, ended whole, and nobody else's is touched."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from components.core.errors import Conflict, Failed, InvalidInput
from components.serve.processes import MARK, Processes, check_free, free_port, sole_supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    " print(child.pid, flush=True); time.sleep(600)",
]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "endpoint")
    yield made
    made.recorded.clear()
    made.end_strays()


def until_gone(pid: int) -> bool:
    for _ in range(500):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


def test_a_successor_knows_what_still_runs_and_forgets_what_does_not(processes: Processes) -> None:
    kept = processes.start("server", SLEEP, made="m", port=1234, note="0")
    gone = processes.start("gateway", [sys.executable, "-c", ""], made="m")
    assert until_gone(gone.pid)
    assert not processes.alive("gateway")
    successor = Processes(processes.folder)
    successor.resume()
    assert successor.recorded == {"server": kept}
    assert successor.alive("server")
    assert asyncio.run(successor.end("server", 5.0)) is True
    assert until_gone(kept.pid)


def test_a_number_that_is_another_processs_by_now_is_not_taken_for_ours(processes: Processes) -> None:
    record = processes.start("server", SLEEP, made="m")
    processes.replace(record.model_copy(update={"pid": os.getpid()}))
    successor = Processes(processes.folder)
    successor.resume()
    assert successor.recorded == {}
    assert asyncio.run(processes.end("server", 0.1))
    assert until_gone(record.pid)  # in no record any more: a stray


def test_what_was_started_in_the_moment_of_death_is_ended_and_others_are_not(processes: Processes) -> None:
    marked = {**os.environ, MARK: str(processes.folder)}
    stray = subprocess.Popen(SLEEP, env=marked, start_new_session=True)
    foreign = subprocess.Popen(SLEEP, env={**os.environ, MARK: str(processes.folder.parent)}, start_new_session=True)
    try:
        kept = processes.start("server", STUBBORN, made="m")
        child = int(wait_for_line(processes.log("server")))
        Processes(processes.folder).resume()
        assert until_gone(stray.pid)
        assert psutil.pid_exists(child)
        assert processes.alive("server")
        assert foreign.poll() is None
        assert asyncio.run(processes.end("server", 0.2)) is False
        assert until_gone(child)
        assert until_gone(kept.pid)
    finally:
        for process in (stray, foreign):
            process.kill()
            process.wait()


def wait_for_line(path: Path) -> str:
    for _ in range(1000):
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} says nothing")


def test_what_cannot_be_started_is_a_sentence(processes: Processes) -> None:
    with pytest.raises(Failed, match="server: /nowhere/at-all cannot be started: No such file"):
        processes.start("server", ["/nowhere/at-all"], made="m")
    assert processes.recorded == {}


def test_the_last_words_are_the_last_lines_and_those_of_the_one_before_are_kept(processes: Processes) -> None:
    for word in ("first", "second"):
        script = f"print('{word}'); [print(n) for n in range(9)]"
        record = processes.start("server", [sys.executable, "-c", script], made="m")
        assert until_gone(record.pid)
        assert not processes.alive("server")
    assert processes.last_words("server") == "4 | 5 | 6 | 7 | 8"
    assert "first" in (processes.folder / "logs" / "server.log.1").read_text()
    assert processes.last_words("nobody") == ""


def test_of_two_supervisors_the_second_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with (
        sole_supervisor(tmp_path, "helpdesk"),
        pytest.raises(Conflict, match=f"endpoint helpdesk: process {os.getpid()} serves it already"),
        sole_supervisor(tmp_path, "helpdesk"),
    ):
        pass
    with sole_supervisor(tmp_path, "helpdesk"):
        pass


def test_a_free_port_is_the_wanted_one_unless_somebody_has_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert free_port(wanted=taken) != taken
        with pytest.raises(InvalidInput, match=rf"port {taken} on 127.0.0.1: is taken by .*process {os.getpid()}"):
            check_free("127.0.0.1", taken)
    assert free_port(wanted=taken) == taken
    check_free("127.0.0.1", taken)


def test_two_processes_with_one_seed_take_other_ports() -> None:
    taken = set()
    for _ in range(8):
        random.seed(7)
        taken.add(free_port())
    assert len(taken) > 1


def test_an_address_of_another_machine_is_a_sentence() -> None:
    with pytest.raises(InvalidInput, match=r"serving.host 203.0.113.7: is no address of this machine"):
        check_free("203.0.113.7", 1024)


LISTENER = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('!', flush=True)"
FORKING = "import os; os.fork() and os.wait(); "


@pytest.mark.parametrize("first", ["", FORKING])
def test_it_is_known_whether_a_process_or_one_that_it_started_listens_on_its_port(
    processes: Processes, first: str
) -> None:
    port, other = free_port(), free_port()
    wait = "; time.sleep(600)"
    processes.start("server", [sys.executable, "-c", first + LISTENER + wait, str(port)], made="m", port=port)
    wait_for_line(processes.log("server"))
    assert processes.listens("server")
    processes.replace(processes.recorded["server"].model_copy(update={"port": other}))
    assert not processes.listens("server")
    processes.start("gateway", SLEEP, made="m", port=port)
    assert not processes.listens("gateway")
    asyncio.run(processes.end("server", 0.1))
    assert not processes.listens("server")
