"""Endpoint states in one SQLite file: every generation is a row that is only ever inserted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from components.core.endpoint import EndpointState
from components.core.errors import Conflict, Failed

BUSY_SECONDS = 30.0
"""How long a writer waits for the others."""

_TABLE = """
create table if not exists generations (
    endpoint text not null,
    generation integer not null check (generation > 0),
    decision text not null unique,
    state text not null,
    primary key (endpoint, generation)
) strict
"""


class SqliteEndpoints:
    """Endpoint states in the file at ``path``; the file is made by the first change."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def read(self, endpoint: str) -> EndpointState:
        """The newest generation; generation 0 where there is none."""
        found = self._states(
            "select state from generations where endpoint = ? order by generation desc limit 1", endpoint
        )
        return found[0] if found else EndpointState(endpoint=endpoint)

    def history(self, endpoint: str) -> Sequence[EndpointState]:
        """All generations that were written, the first one first."""
        return self._states("select state from generations where endpoint = ? order by generation", endpoint)

    def names(self) -> Sequence[str]:
        """The endpoints that there are, sorted."""
        if not self.path.exists():
            return ()
        with self._connected() as connection:
            rows = connection.execute("select distinct endpoint from generations order by endpoint").fetchall()
        return [name for (name,) in rows]

    def compare_and_set(self, new: EndpointState) -> None:
        """Writes ``new``, if the newest generation is the one before it and no generation names its decision yet."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            connection.execute(_TABLE)
            connection.execute("begin immediate")
            try:
                self._insert(connection, new)
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    def _insert(self, connection: sqlite3.Connection, new: EndpointState) -> None:
        query = "select max(generation) from generations where endpoint = ?"
        newest = connection.execute(query, (new.endpoint,)).fetchone()[0] or 0
        if new.generation != newest + 1:
            raise Conflict(
                f"endpoint {new.endpoint}: somebody changed it meanwhile (generation {newest}, and this change was made"
                f" for {new.generation - 1}); nothing was changed: look at what serves now and decide again"
            )
        if connection.execute("select 1 from generations where decision = ?", (new.decision,)).fetchone():
            raise Conflict(f"decision {new.decision[:12]}: was used already; a decision counts once: decide again")
        row = (new.endpoint, new.generation, new.decision, new.to_bytes().decode())
        connection.execute("insert into generations values (?, ?, ?, ?)", row)

    def _states(self, query: str, endpoint: str) -> list[EndpointState]:
        if not self.path.exists():
            return []
        with self._connected() as connection:
            rows = connection.execute(query, (endpoint,)).fetchall()
        return [EndpointState.read(state, f"{self.path}: {endpoint}") for (state,) in rows]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection that waits for other writers, and whose commits are on the disk when they return."""
        try:
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                connection.execute("pragma synchronous = full")
                yield connection
        except sqlite3.Error as error:
            raise Failed(f"endpoint states {self.path}: {error}; nothing was changed, look at the file") from error
