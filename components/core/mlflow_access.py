"""How every step reaches MLflow: within seconds or not at all, silently, and one at a time where it is a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.core import mlflow_identity

SQLITE = "sqlite:///"
LOCK_SECONDS = 60
SETTINGS = {
    # With MLflow's own seven retries a client waits four minutes (measured) before it says that nobody listens.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""What MLflow's own variables are set to, unless somebody set them."""


def open_client(address: str) -> Any:
    """An ``MlflowClient`` for a server or ``sqlite:///PATH``; hold ``alone`` around it and its first call.

    A server on Cloud Run is shown who asks. Raises any of ``failures()``.
    """
    mlflow_identity.identify(address)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        for talker in ("mlflow", "alembic"):
            logging.getLogger(talker).setLevel(logging.ERROR)
    path = file_of(address)
    if path is not None:
        _check_file(path)
        # MLflow keeps what it opened by address, also when the working directory is another by then.
        address = f"{SQLITE}{path.absolute()}"
    return MlflowClient(tracking_uri=address, registry_uri=address)


def failures() -> tuple[type[Exception], ...]:
    """All that MLflow raises when its server or its file is not what it should be."""
    import sqlite3

    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError)


@contextmanager
def alone(address: str) -> Iterator[None]:
    """Two that begin at once would both set up the tables of a new SQLite file, and one would fail."""
    path = file_of(address)
    if path is None:
        yield
        return
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
        yield


def file_of(address: str) -> Path | None:
    """The file of an SQLite address; None for a server."""
    return Path(address.removeprefix(SQLITE)) if address.startswith(SQLITE) else None


def _check_file(path: Path) -> None:
    """MLflow opens a damaged file ten times, for 100 seconds, before it says so; SQLite says it at once."""
    if not path.exists():
        return
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("select count(*) from sqlite_master").fetchone()
