"""Endpoint states in one SQLite file: every generation is a row that is only ever inserted.

What was observed is a table beside them, one row an endpoint; a file that an older Sluice wrote gets it when needed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from components.core.endpoint import EndpointState, Observed, check_next
from components.core.errors import Failed
from components.core.whole_file import beside

BUSY_SECONDS = 30.0
"""How long a writer waits for the others."""

_TABLE = """
create table generations (
    endpoint text not null,
    generation integer not null check (generation > 0),
    decision text not null unique,
    state text not null,
    primary key (endpoint, generation)
) strict
"""
_OBSERVED = """
create table if not exists observations (
    endpoint text not null primary key,
    observed text not null
) strict
"""
_REMEDY = {
    "SQLITE_BUSY": "another process holds it; run again when that is done",
    "SQLITE_READONLY": "give this user the right to write the file and its folder",
    "SQLITE_CANTOPEN": "give this user the right to read the file and its folder",
    "SQLITE_FULL": "free some space",
}
_DAMAGED = "it may be damaged: bring it back from a copy"


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
        return self._texts("select distinct endpoint from generations order by endpoint")

    def compare_and_set(self, new: EndpointState) -> None:
        """Writes ``new``, if the newest generation is the one before it and no generation names its decision yet."""
        self._make()
        # Closing a connection undoes what it has not committed.
        with self._connected() as connection:
            connection.execute("begin immediate")
            _insert(connection, new)
            connection.execute("commit")

    def observed(self, endpoint: str) -> Observed | None:
        """What was observed last; None where nobody has looked yet."""
        if not self._texts("select name from sqlite_master where type = 'table' and name = 'observations'"):
            return None
        found = self._texts("select observed from observations where endpoint = ?", endpoint)
        return Observed.read(found[0], f"{self.path}: what was observed of {endpoint}") if found else None

    def observe(self, observed: Observed) -> None:
        """Writes what was observed, in place of what was before."""
        self._make()
        with self._connected() as connection:
            connection.execute(_OBSERVED)
            row = (observed.endpoint, observed.to_bytes().decode())
            connection.execute("insert or replace into observations values (?, ?)", row)

    def _states(self, query: str, endpoint: str) -> list[EndpointState]:
        states = self._texts(query, endpoint)
        return [EndpointState.read(state, f"{self.path}: {endpoint}") for state in states]

    def _texts(self, query: str, *parameters: str) -> list[str]:
        if not self.path.exists():
            return []
        with self._connected() as connection:
            return [text for (text,) in connection.execute(query, parameters)]

    def _make(self) -> None:
        """Makes the file beside its place, so that nobody ever sees one without its table: such a one is damaged."""
        if self.path.exists():
            return
        part = beside(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(part)) as connection:
                connection.execute(_TABLE)
            with suppress(FileExistsError):
                os.link(part, self.path)
        except (OSError, sqlite3.Error) as error:
            raise Failed(f"endpoint states {self.path}: cannot be made: {error}; choose another place") from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection that waits for other writers, and whose commits are on the disk when they return."""
        place = f"file:{quote(str(self.path))}?mode=rw"
        try:
            opened = sqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None, uri=True)
            with closing(opened) as connection:
                connection.execute("pragma synchronous = full")
                yield connection
        except sqlite3.Error as error:
            kind = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
            remedy = _REMEDY.get(kind, _DAMAGED)
            raise Failed(f"endpoint states {self.path}: {error}; nothing was changed: {remedy}") from error


def _insert(connection: sqlite3.Connection, new: EndpointState) -> None:
    query = "select max(generation) from generations where endpoint = ?"
    newest = connection.execute(query, (new.endpoint,)).fetchone()[0] or 0
    used = connection.execute("select 1 from generations where decision = ?", (new.decision,)).fetchone()
    check_next(new, newest, used is not None)
    row = (new.endpoint, new.generation, new.decision, new.to_bytes().decode())
    connection.execute("insert into generations values (?, ?, ?, ?)", row)
