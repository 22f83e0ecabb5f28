"""An endpoint with models, its supervisor as a process, and clients: what every test of this folder needs."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from components.core.attempt import Attempt, Draft
from components.core.endpoint import EndpointState, Observed, Phase, open_endpoints
from components.core.manifest import Kind, Manifest, ModelFacts, Reference
from components.core.partitions import batches
from components.core.request_log import RequestLog, Status, Table
from components.core.settings import StepSettings
from components.core.store import Store
from components.serve import readiness
from components.serve.api_keys import new_key
from components.serve.processes import MARK, Ledger, free_port
from components.serve.router import forget_identity
from components.serve.settings import Serving
from tests.serve.supervisor.driver import ENDPOINT

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0


class Case:
    """One endpoint in a folder. What a test started is ended by ``close``, also when the test failed."""

    def __init__(self, folder: Path, **serving: Any) -> None:
        self.folder = folder
        given = {"port": free_port(), "folder": str(folder / "serving"), "keys": str(folder / "keys.json")}
        given |= {"ready_seconds": 30, "drain_seconds": 5}
        self.serving = Serving(**{**given, **serving})
        (folder / "serving.json").write_text(self.serving.model_dump_json())
        self.endpoints = open_endpoints(f"sqlite:///{folder / 'endpoints.db'}")
        self.store = Store(str(folder / "store"))
        self.key = new_key(folder / "keys.json", "tests", per_minute=1_000_000)
        self.started: list[subprocess.Popen[bytes]] = []
        self.threads = ThreadPoolExecutor(4)

    @property
    def place(self) -> Path:
        """The endpoint's folder."""
        return self.folder / "serving" / ENDPOINT

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.serving.port}"

    # What should serve.

    def model(self, name: str, behaviour: str = "answers") -> Manifest:
        """A model in the store whose server behaves so."""
        source = self.folder / "models" / name
        source.mkdir(parents=True, exist_ok=True)
        (source / "behaviour").write_text(behaviour)
        (source / "weights").write_text(name)
        attempt = Attempt(self.store, "export")
        facts = ModelFacts(base="scratch", tokenizer_digest="t", template_digest="c")
        draft = Draft(Kind.MODEL, attempt.upload("exported", source), model=facts)
        return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]

    def release(self, model: Manifest | Reference | None) -> int:
        """What a release of that model would write; returns the generation."""
        named = model.named if isinstance(model, Manifest) else model
        state = self.state
        update = {"generation": state.generation + 1, "decision": f"d{state.generation + 1}"}
        update |= {"changed": datetime.now(UTC).isoformat(), "champion": named, "previous": state.champion}
        self.endpoints.compare_and_set(state.model_copy(update=update))
        return state.generation + 1

    def roll_back(self) -> int:
        return self.release(self.state.previous)

    @property
    def state(self) -> EndpointState:
        return self.endpoints.read(ENDPOINT)

    # Who serves it.

    def supervise(self, die_at: str = "") -> subprocess.Popen[bytes]:
        """Starts a supervisor; its output is in ``supervisor.log``."""
        command = [sys.executable, "-m", "tests.serve.supervisor.driver", str(self.folder), die_at]
        with (self.folder / "supervisor.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        self.started.append(process)
        return process

    def serves(self, model: Manifest) -> subprocess.Popen[bytes]:
        """Releases a first model; returns its supervisor when it serves."""
        self.release(model)
        supervisor = self.supervise()
        self.until_observed(Phase.STEADY, 1, champion=model.digest)
        return supervisor

    @property
    def said(self) -> str:
        path = self.folder / "supervisor.log"
        return path.read_text() if path.exists() else ""

    def until(self, holds: Callable[[], Any], what: str = "") -> Any:
        """Waits until something holds, and returns it."""
        end = time.monotonic() + PATIENCE
        while not (found := holds()):
            assert time.monotonic() < end, f"{what or holds}: never; {self.observed}\n{self.said}"
            time.sleep(0.02)
        return found

    @property
    def observed(self) -> Observed | None:
        return self.endpoints.observed(ENDPOINT)

    def until_observed(self, phase: Phase, generation: int, **fields: str) -> Observed:
        """Waits until a living supervisor says so."""

        def found() -> Observed | None:
            seen = self.observed
            if seen is None or (seen.phase, seen.generation) != (phase, generation):
                return None
            return seen if all(getattr(seen, name) == value for name, value in fields.items()) else None

        return self.until(found, f"{phase}, generation {generation}, {fields}")

    def processes(self) -> list[psutil.Process]:
        """All that was started for the endpoint and runs."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.place) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def kinds(self) -> Counter[str]:
        """How many servers, gateways and routers run."""
        found = Counter(kind for kind, _ in self.by_kind())
        found.pop("shell", None)  # the router's parent
        return found

    def of_kind(self, kind: str) -> list[psutil.Process]:
        return [process for found, process in self.by_kind() if found == kind]

    def by_kind(self) -> Iterator[tuple[str, psutil.Process]]:
        """What runs, by what it is; by its command line where it is something else."""
        for process in self.processes():
            with suppress(psutil.Error):  # it has ended since
                yield _kind(process.cmdline()), process

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        """Ends a supervisor as Ctrl-C does; returns its exit code."""
        process.send_signal(signal.SIGINT)
        return process.wait(PATIENCE)

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        for left in self.processes():
            left.kill()
        forget_identity(self.place)
        self.threads.shutdown()

    def logged(self) -> Counter[str]:
        """Answered requests in the request log, by model. For when all has ended: what is open is in no partition."""
        log = RequestLog(str(self.folder / "requests"))
        keys = log.partitions(ENDPOINT, Table.REQUESTS)
        rows = [row for batch in batches(log, keys, Table.REQUESTS) for row in batch.to_pylist()]
        answered = {row["request_id"]: row["model"] for row in rows if row["status"] == Status.ANSWERED}
        return Counter(answered.values())

    # Who asks it.

    def ask(self, prompt: str = "hello") -> tuple[int, str]:
        """Status, and the digest of the model that answered."""
        return asyncio.run(self._ask_once(prompt))

    def posts(self, body: bytes, key: str) -> int:
        """The status of an answer to any body."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return asyncio.run(_posted(f"{self.address}/v1/chat/completions", body, headers))

    def answers(self) -> tuple[int, str]:
        """As ``ask``; status 0 while nobody listens."""
        try:
            return self.ask()
        except (aiohttp.ClientError, OSError):
            return 0, ""

    def asked(self, prompt: str) -> Future[tuple[int, str]]:
        """Asks in a thread of its own."""
        return self.threads.submit(self.ask, prompt)

    def in_flight(self, model: Manifest) -> int:
        """How many requests the gateway of a model works on, by its own word."""
        ledger = Ledger.read((self.place / "supervisor.json").read_bytes(), "supervisor.json")
        port = next(one.port for one in ledger.processes if one.name == f"gateway-{model.digest[:12]}")
        health = asyncio.run(readiness.document(f"http://127.0.0.1:{port}/healthz"))
        return int(health.get("in_flight", 0))

    async def _ask_once(self, prompt: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session:
            return await self.ask_with(session, prompt)

    async def ask_with(self, session: aiohttp.ClientSession, prompt: str) -> tuple[int, str]:
        body = {"model": ENDPOINT, "messages": [{"role": "user", "content": prompt}]}
        headers = {"Authorization": f"Bearer {self.key}"}
        async with session.post(f"{self.address}/v1/chat/completions", json=body, headers=headers) as answer:
            text = await answer.text()
            words = prompt.split(maxsplit=2)[2:] if prompt.startswith("!") else [prompt]
            said = "echo: " + " ".join(words)
            assert answer.status != 200 or said in text, text
            return answer.status, answer.headers.get("x-sluice-model", "")

    @contextmanager
    def load(self, clients: int = 6, pause: float = 0.02) -> Iterator[Load]:
        """Clients that ask all the time while the block runs; each waits for its answer and asks again."""
        load = Load(self, clients, pause)
        thread = threading.Thread(target=lambda: asyncio.run(load.run()))
        thread.start()
        try:
            yield load
        finally:
            load.over = True
            thread.join()


@dataclass
class Load:
    """What clients got."""

    case: Case
    clients: int
    pause: float
    over: bool = False
    answered: Counter[str] = field(default_factory=Counter)
    """Answers by model."""
    lost: list[str] = field(default_factory=list)

    async def run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
            await asyncio.gather(*(self._client(session, number) for number in range(self.clients)))

    async def _client(self, session: aiohttp.ClientSession, number: int) -> None:
        asked = 0
        while not self.over:
            asked += 1
            try:
                status, model = await self.case.ask_with(session, f"{number} {asked}")
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.lost.append(repr(error))
                continue
            self.answered[model] += status == 200
            if status != 200:
                self.lost.append(f"status {status}")
            await asyncio.sleep(self.pause)


async def _posted(address: str, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(address, data=body, headers=headers) as answer:
        return answer.status


def _kind(command: list[str]) -> str:
    line = " ".join(command)
    if command[:1] == ["/bin/sh"]:
        return "shell"
    for kind, sign in (("gateway", "serve.gateway"), ("router", "envoy"), ("server", "stub_model")):
        if sign in line:
            return kind
    return line
