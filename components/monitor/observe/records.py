"""What is remembered of earlier windows: which partitions of the log they took, and what came of them.

    windows/<endpoint>/<until>.json     ``Window``, written by observe
    compared/<endpoint>/<until>.json    ``Compared``, written by drift

A record is created once and never changed. Only records of an earlier ``until`` are looked at, so the same moment
gives the same window again, whatever came later.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import Field

from components.core.contract import Contract
from components.core.errors import InvalidInput
from components.core.manifest import Reference, read_beside, read_manifest
from components.core.moment import parse_moment
from components.core.request_log import MOMENT
from components.core.store import Store
from components.monitor.figures import FIGURES, Fault, Figures

HEAD = "window.json"
"""The object beside the rows of the output ``window``."""


MOST_WINDOWS = 52
"""The last windows, which a page shows."""


class Head(Contract):
    """What a window is, beside its rows."""

    endpoint: str
    since: str = Field(description="End of the window before it; UTC, ISO 8601.")
    until: str = Field(description="UTC, ISO 8601.")
    faults: tuple[Fault, ...] = Field(default=(), description="Why it does not hold all that it should.")


class Window(Contract):
    """One window that was taken: nobody takes its partitions again."""

    endpoint: str
    since: str = Field(description="End of the window before it; UTC, ISO 8601.")
    until: str = Field(description="UTC, ISO 8601.")
    requests: tuple[str, ...] = Field(default=(), description="Keys of the partitions of requests that it took.")
    feedback: tuple[str, ...] = Field(default=(), description="Keys of the partitions of feedback that it took.")
    waiting: dict[str, tuple[str, ...]] = Field(
        default={}, description="Ids of feedback whose request was not there yet, by partition: the next window's."
    )
    outputs: dict[str, Reference] = Field(default={}, description="`window`, `labelled` and `corrected`.")


class Compared(Contract):
    """One window that was compared with what its model was trained on and with its first windows."""

    endpoint: str
    until: str = Field(description="UTC, ISO 8601.")
    model: str = Field(default="", description="Digest of the manifest of what should have served.")
    released: str = Field(default="", description="Since when it should have; UTC, ISO 8601.")
    profile: Reference
    evidence: Reference


Record = TypeVar("Record", Window, Compared)


def window_key(endpoint: str, until: datetime) -> str:
    """Where the record of a window lies."""
    return f"windows/{endpoint}/{_name(until)}.json"


def compared_key(endpoint: str, until: datetime) -> str:
    """Where the record of a comparison lies."""
    return f"compared/{endpoint}/{_name(until)}.json"


def windows(
    store: Store, endpoint: str, before: datetime, since: datetime | None, damaged: dict[str, str]
) -> list[Window]:
    """The windows that ended before a moment, the first one first; only those that ended from ``since`` on.

    A record that cannot be read, or is about another window, is named in ``damaged`` with the reason.
    """
    keys = _keys(store, f"windows/{endpoint}", before, since)
    return [found for key in keys if (found := _read(Window, store, key, damaged))]


def window_at(store: Store, endpoint: str, until: datetime, damaged: dict[str, str]) -> Window | None:
    """The window that ended at a moment; None where none was taken then, or its record is ``damaged``."""
    key = window_key(endpoint, until)
    return _read(Window, store, key, damaged) if store.exists(key) else None


def last_window(store: Store, endpoint: str, before: datetime) -> datetime | None:
    """When the last window before a moment ended, as the name of its record says; None where there was none."""
    keys = _keys(store, f"windows/{endpoint}", before, None)
    return ended(keys[-1]) if keys else None


def last_comparison(store: Store, endpoint: str, before: datetime) -> datetime | None:
    """When the last window before a moment ended that was compared; None where none was."""
    keys = _keys(store, f"compared/{endpoint}", before, None)
    return ended(keys[-1]) if keys else None


def comparisons(
    store: Store,
    endpoint: str,
    damaged: dict[str, str],
    before: datetime | None = None,
    since: datetime | None = None,
    last: int | None = None,
) -> Iterator[Compared]:
    """The comparisons of windows that ended before a moment, the first one first, each read when it is asked for.

    Only those that ended from ``since`` on, and of these the ``last`` so many. A record that cannot be read, or is
    about another window, is named in ``damaged`` with the reason.
    """
    keys = _keys(store, f"compared/{endpoint}", before, since)
    for key in keys[-last:] if last else keys:
        if found := _read(Compared, store, key, damaged):
            yield found


def figures_of(store: Store, evidence: Reference) -> Figures:
    """The figures that an output of drift holds. Raises InvalidInput where it is gone or changed."""
    manifest = read_manifest(store, evidence)
    return Figures.read(read_beside(store, manifest, FIGURES, "figures of a window", "drift"), manifest.key)


def ended(key: str) -> datetime | None:
    """When the window of a record ended, by its name; None for what is no name of a record."""
    try:
        return datetime.strptime(key.rpartition("/")[2], f"{MOMENT}Z.json").replace(tzinfo=UTC)
    except ValueError:
        return None


def _name(moment: datetime) -> str:
    return f"{moment:{MOMENT}}Z"


def _keys(store: Store, folder: str, before: datetime | None, since: datetime | None) -> list[str]:
    last, first = (f"{folder}/{_name(moment)}.json" if moment else "" for moment in (before, since))
    return [key for key in store.list(folder) if ended(key) and first <= key and (not last or key < last)]


def _read(kind: type[Record], store: Store, key: str, damaged: dict[str, str]) -> Record | None:
    """A record; None for one that is damaged. Whoever decides has to hear of that, so it ends no run."""
    try:
        found = kind.read(store.read(key), key)
        if (found.endpoint, parse_moment(found.until)) != (key.split("/", 1)[1].rpartition("/")[0], ended(key)):
            raise InvalidInput(f"{key}: is about {found.endpoint} until {found.until}")
    except InvalidInput as error:
        damaged[key] = str(error)
        return None
    return found
