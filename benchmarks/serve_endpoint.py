"""An endpoint to put load on: the real supervisor, Envoy, gateway and request log over a stand-in for a model server.

``python -m benchmarks.serve_endpoint FOLDER`` is its supervisor's process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from components.core.attempt import Attempt, Draft
from components.core.endpoint import Phase, open_endpoints
from components.core.manifest import Kind, ModelFacts, Reference
from components.core.request_log import RequestLog
from components.core.settings import StepSettings
from components.core.store import Store
from components.serve.api_keys import new_key
from components.serve.model_server import ModelServer
from components.serve.processes import Ledger, Recorded, free_port
from components.serve.replica import Place
from components.serve.settings import LEAST_FREE_BYTES, Limits, LogSettings, Serving
from components.serve.supervisor import Supervisor, until_told

ENDPOINT = "helpdesk"
PATIENCE = 60.0


def stub(_: Path, port: int, name: str) -> list[str]:
    """The stand-in's command line: it answers at once, and says what it was asked."""
    return [sys.executable, "-m", "tests.contract.stub_model", "--port", str(port), "--name", name]


class Endpoint:
    """What serves in a folder, and what is done to it. ``running`` starts and ends it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        # No limit is to be met here but the machine's.
        limits = Limits(per_minute=10**9, burst=10**6, in_flight=10_000)
        self.serving = Serving(
            port=self.port, folder=str(folder / "serving"), keys=str(folder / "keys.json"), limits=limits,
            drain_seconds=30, log=LogSettings(least_free_bytes=LEAST_FREE_BYTES),
        )  # fmt: skip
        (folder / "serving.json").write_text(self.serving.model_dump_json())
        self.key = new_key(folder / "keys.json", "bench", per_minute=10**9)
        self.log = RequestLog(str(folder / "requests"))
        self._endpoints = open_endpoints(f"sqlite:///{folder / 'endpoints.db'}")
        self._supervisor: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serves a first model while the block runs; afterwards all is sealed and nothing runs."""
        generation = self.release()
        with (self.folder / "supervisor.log").open("ab") as log:
            command = [sys.executable, "-m", "benchmarks.serve_endpoint", str(self.folder)]
            self._supervisor = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self._wait(lambda: self.serves(generation))
            yield
        finally:
            self._supervisor.send_signal(signal.SIGINT)
            try:
                self._supervisor.wait(PATIENCE)
            finally:
                self._supervisor.kill()

    def release(self) -> int:
        """Says that a new model should serve; returns the generation."""
        state = self._endpoints.read(ENDPOINT)
        number = state.generation + 1
        update = {
            "generation": number, "decision": f"d{number}", "changed": datetime.now(UTC).isoformat(),
            "champion": self._model(number), "previous": state.champion,
        }  # fmt: skip
        self._endpoints.compare_and_set(state.model_copy(update=update))
        return number

    def serves(self, generation: int) -> bool:
        """Whether that generation serves, by the supervisor's word."""
        seen = self._endpoints.observed(ENDPOINT)
        return seen is not None and (seen.generation, seen.phase) == (generation, Phase.STEADY)

    def process(self, kind: str) -> Recorded | None:
        """The ``server`` or ``gateway`` of the champion, or the ``envoy``, as its supervisor recorded it."""
        state = self._endpoints.read(ENDPOINT)
        assert state.champion
        name = kind if kind == "envoy" else f"{kind}-{state.champion.digest[:12]}"
        path = self.folder / "serving" / ENDPOINT / "supervisor.json"
        ledger = Ledger.read(path.read_bytes(), str(path))
        return next((one for one in ledger.processes if one.name == name), None)

    async def swap(self) -> None:
        """Releases a new model, and returns when it serves."""
        generation = self.release()
        await self._until(lambda: self.serves(generation))

    async def kill_server(self) -> None:
        """Kills the champion's model server, and returns when another one is in its place."""
        before = self.process("server")
        assert before
        os.kill(before.pid, signal.SIGKILL)
        await self._until(lambda: _is_new(self.process("server"), before))

    async def replace_router(self) -> None:
        """Has Envoy replaced by a hot restart, and returns when the new one is live."""
        before = self.process("envoy")
        assert before
        assert self._supervisor
        self._supervisor.send_signal(signal.SIGHUP)
        await self._until(lambda: b"the router was replaced" in (self.folder / "supervisor.log").read_bytes())
        await self._until(lambda: _is_new(self.process("envoy"), before))

    def _model(self, number: int) -> Reference:
        """A model in the store that is like no other."""
        source = self.folder / "models" / str(number)
        source.mkdir(parents=True)
        (source / "weights").write_text(str(number))
        attempt = Attempt(Store(str(self.folder / "store")), "export")
        facts = ModelFacts(base="scratch", tokenizer_digest="t", template_digest="c")
        draft = Draft(Kind.MODEL, attempt.upload("exported", source), model=facts)
        return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"].named

    def _wait(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            self._check(end)
            time.sleep(0.05)

    async def _until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            self._check(end)
            await asyncio.sleep(0.05)

    def _check(self, end: float) -> None:
        assert self._supervisor
        if time.monotonic() > end or self._supervisor.poll() is not None:
            raise TimeoutError(f"the supervisor did not get there: {(self.folder / 'supervisor.log').read_text()}")


def _is_new(found: Recorded | None, before: Recorded) -> bool:
    return found is not None and found.pid != before.pid


def main(folder: Path) -> None:
    """Supervises until it is told to end."""
    serving = Serving.model_validate_json((folder / "serving.json").read_bytes())
    endpoints = open_endpoints(f"sqlite:///{folder / 'endpoints.db'}")
    place = Place(ENDPOINT, serving, Store(str(folder / "store")), endpoints, str(folder / "requests"))
    supervisor = Supervisor(place, ModelServer(stub), say=lambda line: print(line, flush=True))
    asyncio.run(until_told(supervisor))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
