"""Which partitions of the request log a window takes: all that were sealed by then and that no earlier one took."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from components.core.errors import InvalidInput
from components.core.moment import parse_moment
from components.core.partitions import read_partition
from components.core.request_log import RequestLog, Table, sealed
from components.core.store import Store
from components.monitor.observe.records import Window, ended, last_window, window_at, windows
from components.monitor.observe.settings import Observe


@dataclass
class Taking:
    """What a window takes, and what it could not."""

    since: datetime
    until: datetime
    earlier: list[Window]
    keys: dict[Table, list[str]]
    waiting: dict[str, tuple[str, ...]]
    ahead: list[str] = field(default_factory=list)
    """Partitions that are sealed in the future: no window will take them before that."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Partitions that could not be read, and why. No window has taken them, so the next one tries again."""
    damaged: dict[str, str] = field(default_factory=dict)
    """Records of windows that cannot be read, and why. What was sealed in their time is nobody's until people decide:
    a row that is counted twice may be the one that retrains."""

    def read(self, log: RequestLog, key: str, table: Table) -> pa.Table | None:
        """A partition; None for one that cannot be read, which is kept in mind."""
        try:
            return read_partition(log, key, table)
        except InvalidInput as error:
            self.unreadable[key] = str(error)
            return None

    def taken(self, table: Table) -> tuple[str, ...]:
        """The partitions that were read."""
        return tuple(key for key in self.keys[table] if key not in self.unreadable)


def take(store: Store, log: RequestLog, endpoint: str, until: datetime, settings: Observe) -> Taking:
    """What the window that ends at ``until`` takes; the same again where it was taken before.

    What is sealed more than ``join_days`` before the last window ended, and turns up only now, is not looked for: the
    list of all partitions that were ever read would grow without end.
    """
    last = last_window(store, endpoint, until)
    oldest = last - timedelta(days=settings.join_days) if last else None
    learned = until - timedelta(days=settings.learn_days)
    damaged: dict[str, str] = {}
    earlier = windows(store, endpoint, until, min(oldest, learned) if oldest else None, damaged)
    again = window_at(store, endpoint, until, damaged)
    found = {table: log.partitions(endpoint, table, oldest) for table in Table}
    moments = {key: sealed(key) for keys in found.values() for key in keys}
    gone = _in_their_time([parse_moment(window.until) for window in earlier], damaged, moments)
    took = {key for window in earlier for key in (*window.requests, *window.feedback)} | gone
    new = {
        table: [key for key in keys if (moment := moments[key]) and moment <= until and key not in took]
        for table, keys in found.items()
    }
    if again:
        new = {Table.REQUESTS: list(again.requests), Table.FEEDBACK: list(again.feedback)}
    first = min((moment for moment in moments.values() if moment and moment <= until), default=until)
    taking = Taking(
        since=last or first,
        until=until,
        earlier=earlier,
        keys=new,
        waiting=dict(earlier[-1].waiting) if earlier else {},
        damaged=damaged,
    )
    horizon = max(until, datetime.now(UTC)) + timedelta(minutes=settings.future_minutes)
    taking.ahead = [key for key, moment in moments.items() if moment and moment > horizon]
    taking.unreadable |= {key: f"{key}: its name says no moment" for key, moment in moments.items() if not moment}
    return taking


def _in_their_time(ends: list[datetime], damaged: dict[str, str], moments: dict[str, datetime | None]) -> set[str]:
    """The partitions that were sealed between the end of the window before a damaged record and its own."""
    lost = {moment for key in damaged if (moment := ended(key))}
    order = sorted({*ends, *lost})
    return {
        key
        for key, moment in moments.items()
        if moment and (at := bisect_left(order, moment)) < len(order) and order[at] in lost
    }
