"""Endpoint states in a PostgreSQL database: every generation is a row that is only ever inserted.

The tables are made by the first change, in the schema that the connection's search path names first. Passwords are
never in the address: libpq reads ``PGPASSWORD``, ``~/.pgpass`` or a certificate.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg

from components.core.endpoint import EndpointState, Observed, check_next
from components.core.errors import Failed, InvalidInput

FORM = "postgresql://USER@HOST:PORT/DATABASE"
WAIT_SECONDS = 30.0
"""How long a caller waits for the other writers, and for a server that is starting or has no connection left."""

_TABLES = """
create table if not exists sluice_generations (
    endpoint text not null,
    generation bigint not null check (generation > 0),
    decision text not null unique,
    state text not null,
    primary key (endpoint, generation)
);
create table if not exists sluice_observations (
    endpoint text not null primary key,
    observed text not null
)
"""
_LOCK = 7_835_264_901
"""Number of the advisory lock that a change holds: a decision counts once over all endpoints, so changes queue."""
_BUSY = ("53300", "57P03")
"""Codes of a server that has no connection left, and of one that is starting (PostgreSQL, appendix A)."""
_REMEDY = {
    "28": "see that the user may log in and that PGPASSWORD or ~/.pgpass has its password",
    "3D": "create the database, or correct its name in `endpoints` of the environment file",
    "42": "give the user the right to create and use tables there (GRANT USAGE, CREATE ON SCHEMA)",
    "53": "free space, memory or connections on the server and run again",
    "55": "another writer holds it; run again when that is done",
}


class PostgresEndpoints:
    """Endpoint states in the database at ``address`` (``postgresql://USER@HOST:PORT/DATABASE``)."""

    def __init__(self, address: str) -> None:
        """Raises InvalidInput for an address with a password, or of no database."""
        try:
            parts = urlsplit(address)
            host, password, database = parts.hostname, parts.password, parts.path.strip("/")
        except ValueError as error:
            raise InvalidInput(f"endpoints: the address cannot be read: {error}; write {FORM}") from error
        self.place = f"{parts.scheme}://{host or 'localhost'}/{database}"
        if password is not None or "password=" in parts.query:
            raise InvalidInput(
                f"endpoints {self.place}: a password is never written; take it out of the address and set PGPASSWORD"
                " or ~/.pgpass"
            )
        if not database:
            raise InvalidInput(f"endpoints {self.place}: names no database; write {FORM}")
        self._address = address

    def read(self, endpoint: str) -> EndpointState:
        """The newest generation; generation 0 where there is none."""
        found = self._states("where endpoint = %s order by generation desc limit 1", endpoint)
        return found[0] if found else EndpointState(endpoint=endpoint)

    def history(self, endpoint: str) -> Sequence[EndpointState]:
        """All generations that were written, the first one first."""
        return self._states("where endpoint = %s order by generation", endpoint)

    def names(self) -> Sequence[str]:
        """The endpoints that there are, sorted."""
        return sorted(self._texts("sluice_generations", "select distinct endpoint from sluice_generations"))

    def compare_and_set(self, new: EndpointState) -> None:
        """Writes ``new``, if the newest generation is the one before it and no generation names its decision yet."""
        with self._changing() as connection:
            _insert(connection, new)

    def observed(self, endpoint: str) -> Observed | None:
        """What was observed last; None where nobody has looked yet."""
        query = "select observed from sluice_observations where endpoint = %s"
        found = self._texts("sluice_observations", query, endpoint)
        return Observed.read(found[0], f"{self.place}: what was observed of {endpoint}") if found else None

    def observe(self, observed: Observed) -> None:
        """Writes what was observed, in place of what was before."""
        with self._changing() as connection:
            connection.execute(
                "insert into sluice_observations values (%s, %s)"
                " on conflict (endpoint) do update set observed = excluded.observed",
                (observed.endpoint, observed.to_bytes().decode()),
            )

    def _states(self, which: str, endpoint: str) -> list[EndpointState]:
        texts = self._texts("sluice_generations", f"select state from sluice_generations {which}", endpoint)
        return [EndpointState.read(text, f"{self.place}: {endpoint}") for text in texts]

    def _texts(self, table: str, query: str, *parameters: str) -> list[str]:
        """What a query gives; nothing where the table is not made yet, for looking makes nothing."""
        with self._connected() as connection:
            if _one(connection, "select to_regclass(%s)::text", table) is None:
                return []
            return [text for (text,) in connection.execute(query.encode(), parameters)]

    @contextmanager
    def _changing(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction that no other change runs beside; it is on the server's disk when the block ends well."""
        with self._connected() as connection:
            # Made under the lock: of two that say `if not exists` at once, one would fail.
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            connection.execute(_TABLES)
            yield connection
            connection.execute("set local synchronous_commit = on")

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            # Leaving the block commits; leaving it by an error undoes all.
            with self._connect() as connection:
                connection.execute(f"set lock_timeout = {int(WAIT_SECONDS * 1000)}".encode())
                yield connection
        except psycopg.Error as error:
            code = error.sqlstate or ""
            reason = " ".join(str(error).split()) or type(error).__name__
            remedy = _REMEDY.get(code[:2], "see that the server answers, look what serves now, and run again")
            lost = "" if code else "; whether a change was made is not known"
            raise Failed(f"endpoint states {self.place}: {reason}{lost}: {remedy}") from error

    def _connect(self) -> psycopg.Connection[Any]:
        """A connection; waits for a server that is busy, and asks one that is not there only once."""
        last = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return psycopg.connect(self._address, connect_timeout=10, application_name="sluice")
            except psycopg.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > last:
                    raise
                time.sleep(random.uniform(0.02, 0.2))


def _is_busy(error: psycopg.OperationalError) -> bool:
    # libpq gives no code for what happens before a session is there, so the words count as well.
    return error.sqlstate in _BUSY or any(said in str(error) for said in ("too many clients", "is starting up"))


def _one(connection: psycopg.Connection[Any], query: str, *parameters: object) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    return row[0] if row else None


def _insert(connection: psycopg.Connection[Any], new: EndpointState) -> None:
    newest = _one(connection, "select max(generation) from sluice_generations where endpoint = %s", new.endpoint) or 0
    used = _one(connection, "select 1 from sluice_generations where decision = %s", new.decision)
    check_next(new, newest, used is not None)
    row = (new.endpoint, new.generation, new.decision, new.to_bytes().decode())
    connection.execute("insert into sluice_generations values (%s, %s, %s, %s)", row)
