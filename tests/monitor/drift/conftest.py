from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from components.core.attempt import Attempt, Outcome
from components.core.manifest import Manifest
from components.core.request_log import RequestLog, Table
from components.core.store import Store
from components.monitor.describe.profile import describe
from components.monitor.describe.settings import Describe
from components.monitor.drift.settings import Drift
from components.monitor.drift.shifts import drift
from components.monitor.figures import Figures
from components.monitor.observe.records import figures_of
from components.monitor.observe.settings import Observe
from components.monitor.observe.window import observe
from tests.monitor.traffic import (
    ENDPOINT,
    START,
    WEEK,
    World,
    conversations,
    serves,
    traffic,
    trained_model,
    write_partition,
)


class Loop:
    """An endpoint whose traffic is watched, a week at a time."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.log = RequestLog(str(folder / "log"))
        self.endpoints = f"sqlite:///{folder / 'endpoints.db'}"

    def train(self, seed: int = 99, count: int = 600, world: World | None = None) -> Manifest:
        return trained_model(self.store, conversations(count, seed, world), self.folder / f"model-{seed}")

    def serve(self, model: Manifest | None, since: datetime = START) -> None:
        serves(self.endpoints, model.named if model else None, since)

    def write(self, rows, said=(), week: int = 0) -> datetime:
        """Puts requests and words into the log as those of a week; says when it ends."""
        until = START + (week + 1) * WEEK
        write_partition(self.log, Table.REQUESTS, rows, until - timedelta(minutes=2))
        write_partition(self.log, Table.FEEDBACK, said, until - timedelta(minutes=1))
        return until

    def traffic(self, week: int, model: Manifest | str, world: World | None = None, count: int = 300) -> datetime:
        digest = model if isinstance(model, str) else model.digest
        return self.write(*traffic(count, week, world, START + week * WEEK, digest), week)

    def describe(self, until: datetime, settings: Describe | None = None) -> Manifest:
        seen = observe(Attempt(self.store, "observe"), Observe(), until.isoformat(), ENDPOINT, self.log.store.uri)
        window, labelled = seen.manifests["window"], seen.manifests["labelled"]
        return describe(Attempt(self.store, "describe"), window, labelled, settings or Describe()).manifests["profile"]

    def outcome(self, until: datetime, **settings) -> Outcome:
        profile = self.describe(until)
        attempt = Attempt(self.store, "drift")
        return drift(attempt, profile, Drift(**settings), until.isoformat(), ENDPOINT, self.endpoints)

    def figures(self, until: datetime, **settings) -> Figures:
        return figures_of(self.store, self.outcome(until, **settings).manifests["evidence"].named)


@pytest.fixture
def loop(tmp_path, store) -> Loop:
    return Loop(tmp_path, store)


def codes(figures: Figures) -> list[str]:
    return [fault.code for fault in figures.faults]


def drifted(figures: Figures) -> set[tuple[str, str]]:
    return {(one.feature, one.against) for one in figures.shifts if one.drifted}
