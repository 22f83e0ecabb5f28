"""The run in MLflow, for people who look there. Training neither needs it nor waits long for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from components.core import mlflow_access

EXPERIMENT = "sluice"
MOST_POINTS = 1000
"""MLflow's limit for one request."""


class Tracking:
    """One MLflow run. Whatever is wrong with the server ends the tracking, once and said, and is in ``failure``."""

    def __init__(self, uri: str, name: str, tags: Mapping[str, str], parameters: Mapping[str, object]) -> None:
        """``uri``: a tracking server or ``sqlite:////absolute/path``; empty for no tracking."""
        self.failure = ""
        self._client: Any = None
        self._waiting: list[tuple[str, float, int, int]] = []
        self._run = ""
        if uri:
            with self._guarded(), mlflow_access.alone(uri):
                self._start(uri, name, tags, parameters)

    def point(self, figures: Mapping[str, float], step: int) -> None:
        """Adds a point to each figure's curve; ``flush`` sends it."""
        if self._client and not self.failure:
            now = int(time.time() * 1000)
            self._waiting += [(name, value, now, step) for name, value in figures.items()]

    def flush(self) -> None:
        """Sends the points that wait, at most a thousand in a request."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST_POINTS):
            if not self.failure:
                from mlflow.entities import Metric

                with self._guarded():
                    self._client.log_batch(
                        self._run, [Metric(*point) for point in waiting[start : start + MOST_POINTS]]
                    )

    def end(self, finished: bool) -> None:
        """Sends what waits and closes the run."""
        self.flush()
        if self._client and not self.failure:
            with self._guarded():
                self._client.set_terminated(self._run, "FINISHED" if finished else "FAILED")

    def _start(self, uri: str, name: str, tags: Mapping[str, str], parameters: Mapping[str, object]) -> None:
        client = mlflow_access.open_client(uri)
        from mlflow.entities import Param

        known = client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
        self._run = client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id
        client.log_batch(self._run, params=[Param(key, str(value)) for key, value in parameters.items()])
        self._client = client

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except mlflow_access.failures() as error:
            self.failure = str(error).splitlines()[0]
            print(f"tracking is off, the training goes on: {self.failure}", file=sys.stderr, flush=True)
