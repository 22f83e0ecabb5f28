"""The processes that serve one endpoint: started, known again after the supervisor's own death, ended.

Each is in a session of its own, so that the supervisor's end is not theirs, and carries a mark in its environment.
Number, start and configuration of each are in ``supervisor.json``, so a successor adopts what still runs. What carries
the mark and stands in no record is a stray: it was started in the moment in which the supervisor died.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
from pydantic import Field

from components.core.alone import held
from components.core.contract import Contract
from components.core.errors import Conflict, Failed, InvalidInput
from components.core.living import living_process
from components.core.log_lines import message_of
from components.core.manifest import Part
from components.core.whole_file import whole_file

MARK = "SLUICE_SERVING"
"""The environment variable that holds the folder of the endpoint that a process belongs to."""
LOOK_EVERY_SECONDS = 0.05
LAST_LINES = 5

PORTS = (20_000, 32_000)
"""Where servers listen; Linux takes ports of outgoing connections from 32,768 on."""


class Recorded(Part):
    """One process as its supervisor started it."""

    name: str
    pid: int
    started: float = Field(description="When it was started (seconds since 1970).")
    port: int = Field(default=0, description="Port that it listens on; 0 for none of its own.")
    made: str = Field(description="SHA-256 of command and configuration: another one is not adopted.")
    note: str = Field(default="", description="What a successor must know besides.")


class Ledger(Contract):
    """``supervisor.json``: what runs for an endpoint."""

    processes: tuple[Recorded, ...] = ()


class Processes:
    """The processes of the endpoint whose folder is ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.path = self.folder / "supervisor.json"
        self.recorded: dict[str, Recorded] = {}
        self._own: dict[int, subprocess.Popen[bytes]] = {}
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Takes over what a predecessor recorded and still runs, and ends its strays."""
        if self.path.exists():
            ledger = Ledger.read(self.path.read_bytes(), str(self.path))
            living = {_part_of(record) for record in ledger.processes if _lives(record)}
            # A dead server's port is what its living gateway knows of it, and the next one takes it again.
            self.recorded = {record.name: record for record in ledger.processes if _part_of(record) in living}
        self.end_strays()
        self._write()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        made: str,
        port: int = 0,
        note: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Recorded:
        """Starts a process, its output in ``logs/NAME.log``. Raises Failed where it cannot be started at all."""
        log = self.log(name)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        try:
            with log.open("wb") as output:
                process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {}), MARK: str(self.folder)},
                    start_new_session=True,
                )
        except OSError as error:
            raise Failed(f"{name}: {command[0]} cannot be started: {error.strerror}; see that it is there") from error
        self._own[process.pid] = process
        started = psutil.Process(process.pid).create_time()
        record = Recorded(name=name, pid=process.pid, started=started, port=port, made=made, note=note)
        self.recorded[name] = record
        self._write()
        return record

    def alive(self, name: str) -> bool:
        """Whether the recorded process of that name runs."""
        record = self.recorded.get(name)
        return record is not None and self._alive(record)

    def listens(self, name: str) -> bool:
        """Whether the recorded process of that name, or one that it started, is the one that listens on its port."""
        record = self.recorded.get(name)
        process = living_process(record.pid, record.started) if record else None
        if record is None or process is None:
            return False
        with contextlib.suppress(psutil.Error):
            for one in (process, *process.children(recursive=True)):
                listening = (found for found in one.net_connections("tcp") if found.status == psutil.CONN_LISTEN)
                if any(found.laddr.port == record.port for found in listening):
                    return True
        return False

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder / "logs" / f"{name}.log"

    def last_words(self, name: str) -> str:
        """The last lines that a process said, on one line."""
        with contextlib.suppress(OSError), self.log(name).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
            return " | ".join(message_of(line) for line in lines[-LAST_LINES:])
        return ""

    async def end(self, name: str, grace: float) -> bool:
        """Ends a process: politely, and after ``grace`` seconds with all of its session. Whether it went by itself."""
        record = self.recorded.get(name)
        if record is None:
            return True
        polite = await self._gone(record, grace)
        # What it had started goes with it; its number is not given away while its group has members.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(record.pid, signal.SIGKILL)
        await self._gone(record, 5.0)
        self.forget(name)
        return polite

    def forget(self, name: str) -> None:
        """Records no more of a process."""
        self.recorded.pop(name, None)
        self._write()

    def replace(self, record: Recorded) -> None:
        """Changes what is recorded of a process."""
        self.recorded[record.name] = record
        self._write()

    def end_strays(self) -> None:
        """Kills what carries this endpoint's mark and is in no record, nor started by what is."""
        known = {record.pid for record in self.recorded.values()}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                ours = process.pid != os.getpid() and process.environ().get(MARK) == str(self.folder)
                if ours and not known & {process.pid, os.getsid(process.pid)}:
                    process.kill()

    async def _gone(self, record: Recorded, seconds: float) -> bool:
        process, until = living_process(record.pid, record.started), time.monotonic() + seconds
        if process is not None:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        while self._alive(record):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        return True

    def _alive(self, record: Recorded) -> bool:
        own = self._own.get(record.pid)
        if own is not None:
            return own.poll() is None  # which also lays it to rest
        return _lives(record)

    def _write(self) -> None:
        ledger = Ledger(processes=tuple(sorted(self.recorded.values(), key=lambda record: record.name)))
        with whole_file(self.path) as part:
            part.write_bytes(ledger.to_bytes())


def _lives(record: Recorded) -> bool:
    """Whether its process lives, and is no later one with the same number."""
    return living_process(record.pid, record.started) is not None


def _part_of(record: Recorded) -> str:
    """What server and gateway of one model have in common."""
    return record.name.partition("-")[2] or record.name


def sole_supervisor(folder: Path, endpoint: str) -> AbstractContextManager[None]:
    """Holds the endpoint for this process. Raises Conflict where another one serves it from the same folder."""

    def taken(holder: str) -> Conflict:
        return Conflict(
            f"endpoint {endpoint}: process {holder} serves it already from {folder}; end that one first, or let it go"
            " on"
        )

    return held(folder / "supervisor.lock", taken)


def free_port(host: str = "127.0.0.1", wanted: int = 0) -> int:
    """A port that nobody listens on: the wanted one, if it is.

    Raises Failed where there is none below those that the system gives to outgoing connections: among those, a server
    that is started again would find its port taken by a client that had tried to reach it. Which one is the system's
    chance: two processes that a training has given one seed would take the same, one after the other.
    """
    tried = random.SystemRandom().sample(range(*PORTS), 200)
    for port in (wanted, *tried) if wanted else tried:
        if not is_taken(host, port):
            return port
    raise Failed(f"no port between {PORTS[0]} and {PORTS[1]} is free on {host}; end what holds them")


OTHER_PORT = "give another port with --port or as serving.port in the environment file"


def check_free(host: str, port: int, otherwise: str = OTHER_PORT) -> None:
    """Raises InvalidInput where somebody else listens on a port, and says who, and what can be done otherwise."""
    if is_taken(host, port):
        raise InvalidInput(f"port {port} on {host}: is taken{_holder(port)}; end that, or {otherwise}")


def is_taken(host: str, port: int) -> bool:
    """Whether somebody listens on a port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as one:
        # As a server does it, so that connections that were just closed do not count.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except PermissionError as error:
            raise InvalidInput(f"port {port}: this user may not listen on it; take one above 1023") from error
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
                raise InvalidInput(f"serving.host {host}: is no address of this machine; use 127.0.0.1") from error
            return True
    return False


def _holder(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid:
                return f" by {psutil.Process(found.pid).name()} (process {found.pid})"
    return " by a process that this user may not look at"
