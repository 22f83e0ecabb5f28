"""Windows that go the whole way: request log, observe, describe, drift with Evidently, the signed decision.

Beside each stands what ``decide`` says of the same draws without all that: their counts as figures, and shifts as the
simulation makes them (p-values even on 0 to 1 where nothing is planted, a far shift where something is).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from benchmarks.monitor_years import LEAST_EFFECT, ONCE, no_shifts
from components.core.attempt import Attempt
from components.core.decision import Verdict, decision_in
from components.core.request_log import RequestLog, Status
from components.core.store import Store
from components.monitor.describe.profile import describe
from components.monitor.describe.settings import Describe
from components.monitor.drift.settings import Drift
from components.monitor.drift.shifts import drift
from components.monitor.figures import Fault, Figures, Score, Shift
from components.monitor.observe.records import figures_of
from components.monitor.observe.settings import Observe
from components.monitor.observe.window import observe
from components.monitor.retraining.rule import Answer, History, Retrained, decide
from components.monitor.retraining.settings import Retraining
from components.monitor.retraining.verdict import retraining
from tests.core.keyring import Keyring
from tests.monitor.traffic import (
    ENDPOINT,
    START,
    WEEK,
    Row,
    World,
    conversations,
    serves,
    traffic,
    trained_model,
    write_week,
)

REQUESTS, CONVERSATIONS = 2_000, 4_000
SILENT = 12
"""The window in which nobody asks."""
CHANGED = 25
"""The first window of another world: two products more, a queue renamed, and ten points less of accuracy."""
BEFORE = World(feedback=0.1)
AFTER = World(
    products=("laptop", "printer", "router", "headset", "tablet", "badge"),
    queues=("hardware", "hardware", "network", "field service", "field service", "access"),
    accuracy=0.8,
    feedback=0.1,
    rambling=6,
)


@dataclass(frozen=True)
class Compared:
    """One window both ways."""

    number: int
    whole: tuple[str, ...]
    """Verdict, codes of the reasons, requests, answered, failed, right and labelled answers, corrections."""
    simulated: tuple[str, ...]
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether both say the same, and counted the same."""
        return self.whole == self.simulated


def windows(folder: Path, count: int, policy: Retraining) -> Iterator[Compared]:
    """So many weeks in a folder that is empty."""
    place = Place(folder, policy)
    simulated = Simulated(policy, place.model)
    for number in range(count):
        requests = 0 if number == SILENT else REQUESTS
        world = AFTER if number >= CHANGED else BEFORE
        draws = traffic(requests, number, world, START + number * WEEK, place.model)
        until = write_week(place.log, number, requests, number, world, place.model)
        begun = time.perf_counter()
        answer, figures = place.decide(until)
        seconds = time.perf_counter() - begun
        other, theirs = simulated.decide(number, draws)
        yield Compared(number, _told(answer, figures), _told(other, theirs), seconds)


class Place:
    """A store, a log, keys, and a model that serves."""

    def __init__(self, folder: Path, policy: Retraining) -> None:
        self.store, self.log, self.policy = Store(str(folder / "store")), RequestLog(str(folder / "log")), policy
        self.endpoints = f"sqlite:///{folder / 'endpoints.db'}"
        model = trained_model(self.store, conversations(CONVERSATIONS, 1, BEFORE), folder / "model")
        serves(self.endpoints, model.named, START)
        self.model = model.digest
        self.keys = Keyring(folder / "keys")
        self.key, self.trust = self.keys.add("monitor"), folder / "trust.json"
        self.trust.write_bytes(self.keys.trust.to_bytes())

    def decide(self, until: datetime) -> tuple[Answer, Figures]:
        """The four steps of monitoring as plain functions, and the figures on the way."""
        now = until.isoformat()
        seen = observe(self._attempt("observe"), Observe(), now, ENDPOINT, self.log.store.uri).manifests
        made = describe(self._attempt("describe"), seen["window"], seen["labelled"], Describe())
        moved = drift(self._attempt("drift"), made.manifests["profile"], Drift(), now, ENDPOINT, self.endpoints)
        evidence = moved.manifests["evidence"]
        decided = retraining(
            self._attempt("retraining"),
            evidence,
            self.policy,
            now=now,
            endpoint=ENDPOINT,
            endpoints=self.endpoints,
            environment="local",
            trust=str(self.trust),
            key=self.keys.address(self.key),
        )
        figures = figures_of(self.store, evidence.named)
        signed = decision_in(self.store, decided.manifests["decision"].named)
        return Answer(signed.verdict, decided.report.said, signed.reasons), figures

    def _attempt(self, step: str) -> Attempt:
        return Attempt(self.store, step)


class Simulated:
    """The same draws, counted where they were drawn."""

    def __init__(self, policy: Retraining, model: str) -> None:
        self.policy, self.model, self.generator = policy, model, np.random.default_rng(0)
        self.windows: list[Figures] = []
        self.retrainings: tuple[Retrained, ...] = ()

    def decide(self, number: int, draws: tuple[list[Row], list[Row]]) -> tuple[Answer, Figures]:
        """What is decided of a week's draws."""
        figures = self._figures(number, *draws)
        kept = tuple(self.windows[-self.policy.look_back :])
        until = self.windows[-1].until if self.windows else ""
        history = History(kept, len(kept) == len(self.windows), until, self.retrainings, ONCE)
        answer = decide(figures, self.policy, history)
        self.windows.append(figures)
        if answer.verdict is Verdict.RETRAIN:
            self.retrainings = (*self.retrainings, Retrained(datetime.fromisoformat(figures.until), ONCE))
        return answer, figures

    def _figures(self, number: int, asked: list[Row], said: list[Row]) -> Figures:
        statuses = [row["status"] for row in asked]
        silent = Fault(code="no_requests", text="nobody asked")
        return Figures(
            endpoint=ENDPOINT,
            model=self.model,
            released=START.isoformat(),
            since=(START + number * WEEK).isoformat(),
            until=(START + (number + 1) * WEEK).isoformat(),
            requests=len(asked),
            units=len({row["unit"] for row in asked}),
            answered=statuses.count(Status.ANSWERED),
            failed=statuses.count(Status.FAILED),
            corrections=sum(row["correction"] is not None for row in said),
            quality=Score(correct=sum(row["good"] for row in said), labelled=len(said)),
            reference=self.windows[0].quality if self.windows else Score(),
            shifts=self._shifts(number) if asked else (),
            faults=() if asked else (silent,),
        )

    def _shifts(self, number: int) -> tuple[Shift, ...]:
        quiet = no_shifts(self.generator)
        if number < CHANGED:
            return quiet
        planted = {"p": 1e-12, "adjusted": 1e-12, "effect": 5 * LEAST_EFFECT, "drifted": True}
        return (quiet[0].model_copy(update=planted), *quiet[1:])


def _told(answer: Answer, figures: Figures) -> tuple[str, ...]:
    """What is compared of a window."""
    counts = (
        figures.requests,
        figures.answered,
        figures.failed,
        figures.quality.correct,
        figures.quality.labelled,
        figures.corrections,
    )
    return (answer.verdict, " ".join(reason.code for reason in answer.reasons), *map(str, counts))
