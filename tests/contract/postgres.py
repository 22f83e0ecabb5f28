"""A real PostgreSQL on loopback, started for the tests that ask for one, as a user without rights.

It is looked for where Debian's packages put it. Not imitated: TLS, passwords, replicas and fail-over.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

ABSENT = "there is no PostgreSQL server here (Debian: apt-get install postgresql)"


def binaries() -> Path | None:
    """The folder of the newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    other = shutil.which("initdb")
    return found[-1].parent if found else Path(other).parent if other else None


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a new server, without the database's name; skips where there is none."""
    programs = binaries()
    if programs is None:
        pytest.skip(ABSENT)
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="sluice-postgres-"))
    if user:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=60"
    data, control = str(folder / "data"), str(programs / "pg_ctl")
    try:
        _as(
            user,
            folder,
            str(programs / "initdb"),
            "-D",
            data,
            "-U",
            "sluice",
            "-E",
            "UTF8",
            "--locale=C",
            "-A",
            "trust",
        )
        _as(user, folder, control, "-D", data, "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql://sluice@127.0.0.1:{port}"
        finally:
            _as(user, folder, control, "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database(server: str) -> str:
    """A new, empty database; its address."""
    import psycopg

    name = f"d{uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    return f"{server}/{name}"


def _user() -> str | None:
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _as(user: str | None, folder: Path, *command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    extra = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    with (folder / "told").open("ab") as told:
        # A file, not a pipe: the server inherits it and would hold a pipe open.
        done = subprocess.run(command, cwd=folder, stdout=told, stderr=told, env=environment, check=False, **extra)
    assert done.returncode == 0, (folder / "told").read_text(errors="replace")
