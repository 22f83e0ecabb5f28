"""One model as it is served: its files, its server, the gateway before that; brought up, kept alive, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.core.canonical import canonical_json, sha256
from components.core.endpoint import Endpoints, Standby
from components.core.errors import Failed, SluiceError
from components.core.manifest import Reference
from components.core.request_log import RequestLog
from components.core.store import Store
from components.core.whole_file import whole_file
from components.serve import readiness
from components.serve.gateway.config import GatewayConfig
from components.serve.log.journal import Journal
from components.serve.log.segment import Name
from components.serve.model_files import bring_files
from components.serve.model_server import ModelServer
from components.serve.processes import Processes, Recorded, free_port, is_taken
from components.serve.settings import Serving

LOCAL = "127.0.0.1"
LOOK_SECONDS = 0.1
PORT_SECONDS = 5.0
"""How long a killed process may hold its port: its threads end after itself."""
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each further try; the last one from then on."""
LIVED_SECONDS = 60.0
"""What has lived for so long and dies is no repetition."""
CRASHES = 2
"""Deaths of what had been ready, one soon after the other, from which on it had better not serve."""
PROBATION_SECONDS = 30.0
"""How long such a one must then last before it may."""
GATEWAY = ("-m", "components.serve.gateway")
How = Callable[[int], object]
"""What decides how a process is started on a port: its command line, or its configuration."""


@dataclass(frozen=True)
class Place:
    """An endpoint on this machine: where what should serve, the models and the request log lie."""

    endpoint: str
    serving: Serving
    store: Store
    endpoints: Endpoints
    requests: str

    @property
    def folder(self) -> Path:
        """All that belongs to the endpoint here."""
        return Path(self.serving.folder).resolve() / self.endpoint

    @property
    def models(self) -> Path:
        """The models' files, by content digest."""
        return self.folder / "models"

    @property
    def address(self) -> str:
        """Where clients ask."""
        host = f"[{self.serving.host}]" if ":" in self.serving.host else self.serving.host
        return f"http://{host}:{self.serving.port}/v1"


class Replica:
    """A model's server and gateway. ``keep`` brings them up and keeps them alive until it is cancelled."""

    def __init__(
        self,
        place: Place,
        model: Reference,
        processes: Processes,
        server: ModelServer,
        at: Callable[[str], None],
    ) -> None:
        self.place, self.model, self.processes, self.server, self.at = place, model, processes, server, at
        short = model.digest[:12]
        self.server_name, self.gateway_name = f"server-{short}", f"gateway-{short}"
        self.journal = place.folder / "journals" / short
        self.ready = False
        self.fault = ""
        """Why it is not ready, where it was tried and failed."""
        self.crashes = 0
        """How often in a row it died soon after it had been ready."""
        self.start_seconds = 0.0
        """How long it took until it was ready; 0 for one that was not started here."""
        self._ready_since = 0.0
        self._began = _now()
        self._is_new = False
        self._stop = threading.Event()
        self._again = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def gateway_port(self) -> int:
        """Where the gateway listens; 0 before it was started."""
        record = self.processes.recorded.get(self.gateway_name)
        return record.port if record else 0

    @property
    def standby(self) -> Standby | None:
        """What a rollback to it would wait for; None where it is ready."""
        return None if self.ready else Standby(model=self.model.digest, since=self._began, fault=self.fault)

    def begin(self) -> None:
        """Starts to bring it up."""
        self._keeper = asyncio.create_task(self.keep())

    def check(self) -> None:
        """Raises what ended its keeper, which nothing should."""
        if self._keeper and self._keeper.done():
            self._keeper.result()

    def try_again(self) -> None:
        """Ends a pause after a failure, and what was held against it: somebody has changed what should serve."""
        self.crashes = 0
        self._again.set()

    @property
    def doubtful(self) -> bool:
        """Whether another had better serve: it does not come up, or died again and again and has not lasted since."""
        lasted = self.ready and time.monotonic() - self._ready_since >= PROBATION_SECONDS
        return bool(self.fault) or (self.crashes >= CRASHES and not lasted)

    async def keep(self) -> None:
        """Brings it up, and again whenever a part of it has died, with longer pauses where that does not help."""
        failures = 0
        while True:
            began, self._began = time.monotonic(), _now()
            try:
                await self._bring_up()
                self.ready, self.fault, self._ready_since = True, "", time.monotonic()
                if self._is_new:
                    self.start_seconds = round(self._ready_since - began, 1)
                self.at("ready")
                self._crashed(await self._until_dead())
            except (SluiceError, OSError) as error:
                self.fault = str(error)
            self.ready = False
            failures = 1 if time.monotonic() - began > LIVED_SECONDS else failures + 1
            await self._pause(PAUSES[min(failures, len(PAUSES)) - 1])

    async def end(self, seconds: float) -> None:
        """Ends gateway and server; answers that are open get so many seconds. All that was logged is sealed."""
        await self.leave()
        until = time.monotonic() + seconds
        while time.monotonic() < until and await self._in_flight():
            await asyncio.sleep(LOOK_SECONDS)
        # The gateway waits for what is open too, and seals its journal.
        await self.processes.end(self.gateway_name, max(seconds, 5.0) + 5.0)
        await self.processes.end(self.server_name, 5.0)
        await seal(self.place, self.journal)

    async def leave(self) -> None:
        """Stops looking after it; what runs goes on."""
        self._stop.set()
        self.ready = False
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    async def _bring_up(self) -> None:
        """Starts what does not run, and waits until the whole answers."""
        given = (self.place.store, self.model, self.place.models, self._stop)
        folder = await asyncio.to_thread(bring_files, *given)
        self.at("files are here")
        server = await self._server(folder)
        self.at("server started")
        await self._gateway(folder, server.port)
        self.at("gateway started")
        await self._until_ready()

    async def _server(self, folder: Path) -> Recorded:
        def command(port: int) -> list[str]:
            return self.server.command(folder, port, self.place.endpoint)

        adopted, port = await self._found(self.server_name, command, 5.0)
        self._is_new = adopted is None
        return adopted or self._start(self.server_name, command, port, command(port), self.server.environment)

    async def _gateway(self, folder: Path, upstream: int) -> Recorded:
        def config(port: int) -> dict[str, object]:
            return self._config(folder, upstream, port)

        adopted, port = await self._found(self.gateway_name, config, self.place.serving.drain_seconds)
        if adopted:
            return adopted
        path = self.place.folder / f"{self.gateway_name}.json"
        with whole_file(path) as part:
            part.write_text(json.dumps(config(port), indent=1))
        return self._start(self.gateway_name, config, port, [sys.executable, *GATEWAY, str(path)])

    async def _found(self, name: str, how: How, grace: float) -> tuple[Recorded | None, int]:
        """The process of that name, where it runs as it would be started now; else nothing, and the port for the next.

        One that runs in another way is ended. ``how`` says of a port all that decides how it is started there.
        """
        record = self.processes.recorded.get(name)
        port = record.port if record else 0
        if record and self.processes.alive(name):
            if record.made == _made(how, port):
                return record, port
            await self.processes.end(name, grace)
        return None, await self._port_again(port)

    def _start(
        self, name: str, how: How, port: int, command: list[str], environment: Mapping[str, str] | None = None
    ) -> Recorded:
        return self.processes.start(name, command, made=_made(how, port), port=port, environment=environment)

    async def _port_again(self, port: int) -> int:
        """The port that a dead process had, once the system has taken it back: then nothing before it need change."""
        until = time.monotonic() + PORT_SECONDS
        while port and is_taken(LOCAL, port) and time.monotonic() < until:
            await asyncio.sleep(LOOK_SECONDS)
        return free_port(LOCAL, port)

    def _config(self, folder: Path, upstream: int, port: int) -> dict[str, object]:
        serving = self.place.serving
        config = GatewayConfig(
            endpoint=self.place.endpoint,
            model=self.model.digest,
            upstream=f"http://{LOCAL}:{upstream}",
            upstream_model=self.server.asked_as(folder, self.place.endpoint),
            host=LOCAL,
            port=port,
            keys=str(Path(serving.keys).resolve()),
            secret=str(self.place.folder / "secret"),
            limits=serving.limits,
            log=serving.log,
            requests=self.place.requests,
            journal=str(self.journal),
            name=self.gateway_name,
            drain_seconds=serving.drain_seconds,
        )
        document: dict[str, object] = config.model_dump(mode="json")
        return document

    async def _until_ready(self) -> None:
        """Raises Failed where a process dies before it was ready, or takes longer than it may."""
        seconds = self.place.serving.ready_seconds
        until, gateway = time.monotonic() + seconds, f"http://{LOCAL}:{self.gateway_port}"
        # Whoever else got one of the ports first may answer there too, the gateway of another endpoint for one.
        while await readiness.status(f"{gateway}/readyz", min(seconds, 30.0)) != 200 or not self._listens():
            for name in (self.server_name, self.gateway_name):
                if not self.processes.alive(name):
                    raise Failed(f"{name} ended before it was ready: {self._last_words(name)}")
            if time.monotonic() > until:
                await self.processes.end(self.server_name, 5.0)
                raise Failed(
                    f"{self.server_name} was not ready after {seconds:g} s: {self._last_words(self.server_name)}; if it"
                    " only needs longer, raise serving.ready_seconds"
                )
            await asyncio.sleep(LOOK_SECONDS)

    def _listens(self) -> bool:
        return all(self.processes.listens(name) for name in (self.server_name, self.gateway_name))

    async def _until_dead(self) -> str:
        """Returns the name of the process that ended."""
        while True:
            if time.monotonic() - self._ready_since >= LIVED_SECONDS + PROBATION_SECONDS:
                self.crashes = 0  # its next death is no repetition, whoever looks after it then
            for name in (self.server_name, self.gateway_name):
                if not self.processes.alive(name):
                    return name
            await asyncio.sleep(LOOK_SECONDS)

    def _crashed(self, name: str) -> None:
        """One death is mended; of several in a row it is said that it does not last."""
        lived = time.monotonic() - self._ready_since
        self.crashes = self.crashes + 1 if lived < LIVED_SECONDS + PROBATION_SECONDS else 1
        if self.crashes >= CRASHES:
            often = f"{self.crashes} times in a row"
            self.fault = f"{name} ended {lived:.0f} s after it was ready, {often}: {self._last_words(name)}"

    def _last_words(self, name: str) -> str:
        return f"{self.processes.last_words(name) or 'it said nothing'} ({self.processes.log(name)})"

    async def _in_flight(self) -> bool:
        """Whether answers are open; a gateway that does not say has none."""
        health = await readiness.document(f"http://{LOCAL}:{self.gateway_port}/healthz")
        return bool(health.get("in_flight"))

    async def _pause(self, seconds: float) -> None:
        self._again.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._again.wait(), seconds)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _made(how: How, port: int) -> str:
    return sha256(canonical_json(how(port)))


async def seal(place: Place, journal: Path) -> None:
    """Puts what a gateway that was killed left in its journal into the request log; nothing where it closed it itself.

    The store may be away: the next start tries again.
    """
    if not journal.exists() or not any(map(Name.of, journal.iterdir())):
        return
    name = f"gateway-{journal.name}"
    left = Journal(journal, RequestLog(place.requests), place.endpoint, name, place.serving.log)
    with contextlib.suppress(SluiceError):
        left.start()
        await left.close()
