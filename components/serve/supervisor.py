"""Brings the world to what should serve on an endpoint, and writes down what it observes.

A reconciler: each round it reads the endpoint's state, and does the next thing that is missing. So it does not matter
where its predecessor died; it goes on from what it finds. Traffic moves only to a model that answers, over clusters and
routes that the router shows to be live; what served before is ended only when nothing leads to it any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

from components.core.endpoint import EndpointState, Observed, Phase
from components.core.errors import InvalidInput, SluiceError
from components.core.manifest import Reference
from components.serve.doubt import Doubt
from components.serve.envoy import CHAMPION
from components.serve.exposition import Exposition
from components.serve.model_files import clear
from components.serve.model_server import ModelServer
from components.serve.processes import Processes, sole_supervisor
from components.serve.replica import LOCAL, Place, Replica, seal
from components.serve.router import Router

POLL_SECONDS = 0.05
HEARTBEAT_SECONDS = 5.0
SETTLE_SECONDS = 0.5
"""What is on its way to a gateway when the route moves away arrives within it."""


class Supervisor:
    """Serves one endpoint from this process until it is told to stop."""

    def __init__(
        self,
        place: Place,
        server: ModelServer,
        *,
        say: Callable[[str], None] = print,
        at: Callable[[str], None] | None = None,
    ) -> None:
        """``say`` gets a line for each change, ``at`` the name of each point that was reached (for tests)."""
        self.place, self.server, self.say, self.at = place, server, say, at or _nothing
        self.replicas: dict[str, Replica] = {}
        self.ending: dict[str, asyncio.Task[None]] = {}
        self.leads_to = ""
        """Digest of the model that the router leads to; empty for nowhere."""
        self._clusters: dict[str, tuple[str, int]] = {}
        self._generation = self._seen = self._told = 0
        self._doubt = Doubt()
        self._observed: Observed | None = None
        self._beat = self._moved = 0.0
        self._trouble = self._router_fault = ""
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._restart = False

    def stop(self) -> None:
        """Ends it: politely the first time, at once the second."""
        (self._hurry if self._stopping.is_set() else self._stopping).set()

    def hot_restart(self) -> None:
        """Has the router replaced by a new one in the next round; nothing is lost."""
        self._restart = True

    async def run(self) -> None:
        """Serves. Raises Conflict where another one serves the endpoint, InvalidInput where the port is taken."""
        with sole_supervisor(self.place.folder, self.place.endpoint):
            self.processes = Processes(self.place.folder)
            self.router = Router(self.place.serving, self.place.folder, self.processes)
            self.metrics = Exposition(self.place.serving, self.processes, self._say_of)
            try:
                await self._resume()
                while not self._stopping.is_set():
                    await self._round()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), POLL_SECONDS)
            finally:
                await self._end()

    async def _resume(self) -> None:
        """Goes on from what a predecessor left: its processes, its route, its journals, its word."""
        self.processes.resume()
        try:
            self._doubt = Doubt.kept(self.place.folder)
        except InvalidInput as error:  # no reason to end what serves
            self.say(f"{self.place.endpoint}: {error}")
        for cluster in self.router.leads_to():
            gateway = f"gateway-{cluster[:12]}"
            if self.processes.alive(gateway):
                self.leads_to = cluster
                self._clusters = {cluster: (LOCAL, self.processes.recorded[gateway].port)}
        if self.leads_to:
            before = self.place.endpoints.observed(self.place.endpoint)
            self._generation = before.generation if before else 0
        else:
            self.router.reset()
        await self.router.start()
        self.at("router started")
        for journal in sorted((self.place.folder / "journals").glob("*")):
            if not self.processes.alive(f"gateway-{journal.name}"):
                await seal(self.place, journal)

    async def _round(self) -> None:
        """One look at what should be, and a step towards it. What fails now is tried again in the next round."""
        try:
            state = self.place.endpoints.read(self.place.endpoint)
            await self._keep_router()
            await self.metrics.keep()
            await self._step(state)
            self._trouble = ""
        except SluiceError as error:
            self._tell_trouble(str(error))

    async def _step(self, state: EndpointState) -> None:
        if state.generation != self._seen:
            self._seen = state.generation
            self._say_waiting(state)
            for replica in self.replicas.values():
                replica.try_again()
        self._begin_wanted(state)
        champion = self.replicas.get(_digest(state.champion))
        self._observe(state, champion)
        self._keep_doubt(state, champion)
        target = self._target(state, champion)
        if target and not self._router_fault:
            await self._move(state, champion, target)
        if state.champion is None or (champion and self.leads_to == champion.model.digest):
            self._arrive(state)
        await self._end_unwanted(state)
        self._observe(state, champion)

    async def _keep_router(self) -> None:
        """Has the router run; one that cannot be started is tried again with every heartbeat."""
        self.router.forget_parents()
        if self._restart:
            self._restart = False
            await self.router.hot_restart()
            self.say(f"{self.place.endpoint}: the router was replaced")
            self.at("router replaced")
        if self.router.alive or (self._router_fault and time.monotonic() < self._beat + HEARTBEAT_SECONDS):
            return
        self.say(f"{self.place.endpoint}: the router ended; it is started again")
        try:
            await self.router.start()
            self._router_fault = ""
        except SluiceError as error:
            self._router_fault = str(error)

    def _begin_wanted(self, state: EndpointState) -> None:
        """The champion first; what a rollback returns to when the champion serves, or cannot."""
        is_new = _digest(state.champion) not in self.replicas
        self._begin(state.champion)
        champion = self.replicas.get(_digest(state.champion))
        if is_new and champion and self._doubt.generation == state.generation:
            champion.crashes, champion.fault = self._doubt.crashes, self._doubt.fault
        if self.leads_to and self.leads_to not in self.replicas:
            self._begin(self._what_served())
        settled = self.place.serving.keep_previous and self.leads_to == _digest(state.champion)
        if settled or (champion and champion.doubtful):
            self._begin(state.previous)

    def _what_served(self) -> Reference | None:
        """What the route leads to, where that is neither champion nor previous any more: it serves until they do."""
        history = self.place.endpoints.history(self.place.endpoint)
        return next((one.champion for one in history if _digest(one.champion) == self.leads_to), None)

    def _begin(self, model: Reference | None) -> None:
        if model is None or model.digest in self.ending:
            return
        if model.digest in self.replicas:
            self.replicas[model.digest].check()
            return
        replica = Replica(self.place, model, self.processes, self.server, self.at)
        self.replicas[model.digest] = replica
        replica.begin()

    def _target(self, state: EndpointState, champion: Replica | None) -> Replica | None:
        """Where traffic should go now: to the champion, and while that cannot serve to what did; None to leave it."""
        if champion and champion.doubtful:
            for digest in (self.leads_to, _digest(state.previous)):
                other = self.replicas.get(digest)
                if other and other is not champion and other.ready:
                    return other
        return champion if champion and champion.ready else None

    async def _move(self, state: EndpointState, champion: Replica | None, target: Replica) -> None:
        """Leads the traffic to the target, if it does not go there."""
        digest = target.model.digest
        wanted = {digest: (LOCAL, target.gateway_port)}
        for other in self.replicas.values():
            if other.gateway_port:
                wanted[other.model.digest] = (LOCAL, other.gateway_port)
        if wanted != self._clusters:
            # What the route still leads to must stay, whatever else has become of it.
            kept = {name: place for name, place in self._clusters.items() if name == self.leads_to}
            await self.router.add({**kept, **wanted})
            self._clusters = {**kept, **wanted}
            self.at("clusters live")
        if self.leads_to != digest:
            self._observe(state, champion)
            await self.router.lead({CHAMPION: (digest, 1)})
            self.leads_to, self._moved = digest, time.monotonic()
            if target is not champion:
                self._told = 0  # so that the champion's return is told
            self.at("route live")

    def _arrive(self, state: EndpointState) -> None:
        self._generation = state.generation
        if state.champion and self._told != state.generation:
            self._told = state.generation
            model = _short(state.champion)
            self.say(f"{state.endpoint}: generation {state.generation} serves {model} at {self.place.address}")

    async def _end_unwanted(self, state: EndpointState) -> None:
        """Ends what is neither champion nor previous, and does not serve."""
        keep = self._wanted(state)
        unwanted = [digest for digest in self.replicas if digest not in keep]
        if unwanted and time.monotonic() - self._moved >= SETTLE_SECONDS:
            for digest in unwanted:
                self.at("draining")
                self.ending[digest] = asyncio.create_task(self._end_one(self.replicas.pop(digest)))
        await self._end_forgotten(keep)

    async def _end_one(self, replica: Replica) -> None:
        await replica.end(self.place.serving.drain_seconds)
        self.at("ended")

    async def _end_forgotten(self, keep: set[str]) -> None:
        """Strikes out what has ended, and ends what a predecessor ran and nobody wants."""
        for digest in [digest for digest, task in self.ending.items() if task.done()]:
            self.ending.pop(digest).result()
            self._clear()
        wanted = {digest[:12] for digest in (*keep, *self.replicas, *self.ending)}
        for name in list(self.processes.recorded):
            kind, _, short = name.partition("-")
            if kind in ("gateway", "server") and short not in wanted:
                await self.processes.end(name, 5.0)

    def _keep_doubt(self, state: EndpointState, champion: Replica | None) -> None:
        """Leaves to a successor what is held against the champion, when it has changed."""
        if champion is None:
            return
        doubt = Doubt(generation=state.generation, crashes=champion.crashes, fault=champion.fault)
        if doubt != self._doubt:
            doubt.keep(self.place.folder)
            self._doubt = doubt

    def _clear(self) -> None:
        contents = {replica.model.content_digest for replica in self.replicas.values()}
        if not self.ending:
            clear(self.place.models, contents)

    def _observe(self, state: EndpointState, champion: Replica | None) -> None:
        """Writes what is so now, when it has changed and from time to time."""
        phase, reason = self._phase(state, champion)
        serving, previous = self.replicas.get(self.leads_to), self.replicas.get(_digest(state.previous))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        before = self._observed
        new = Observed(
            endpoint=self.place.endpoint,
            generation=self._generation,
            phase=phase,
            champion=self.leads_to if serving and serving.ready and not self._router_fault else "",
            previous=previous.model.digest if previous and previous.ready else "",
            standby=previous.standby if previous else None,
            start_seconds=max((one.start_seconds for one in self.replicas.values()), default=0.0),
            address=self.place.address,
            metrics=self.metrics.address,
            reason=reason,
            heartbeat=now,
            since=now,
        )
        if before and (before.phase, before.generation) == (new.phase, new.generation):
            new = new.model_copy(update={"since": before.since})
        same = before is not None and new == before.model_copy(update={"heartbeat": now})
        if same and time.monotonic() - self._beat < HEARTBEAT_SECONDS:
            return
        if before is None or (before.phase, before.reason) != (phase, reason):
            self._tell_fault(phase, reason)
        self.place.endpoints.observe(new)
        self._observed, self._beat = new, time.monotonic()
        self.at(f"observed {phase}")

    def _phase(self, state: EndpointState, champion: Replica | None) -> tuple[Phase, str]:
        if self._router_fault:
            return Phase.FAILED, self._router_fault
        if state.champion is None:
            return Phase.STEADY, "nothing has been released to it yet"
        if champion is None:
            return Phase.STARTING, ""
        if self.leads_to == champion.model.digest and champion.ready:
            return (Phase.DRAINING if self._has_unwanted(state) else Phase.STEADY), ""
        if champion.doubtful:
            return self._doubtful(state, champion)
        if champion.ready:
            return Phase.MOVING if state.champion.digest in self._clusters else Phase.READY, ""
        return Phase.STARTING, ""

    def _doubtful(self, state: EndpointState, champion: Replica) -> tuple[Phase, str]:
        """What is so while the champion cannot serve, and why it cannot."""
        why = champion.fault or f"it ended {champion.crashes} times in a row, and must last for a while first"
        serving, previous = self.replicas.get(self.leads_to), self.replicas.get(_digest(state.previous))
        if serving and serving is not champion and serving.ready:
            return Phase.DEGRADED, f"{_short(serving.model)} serves in place of {_short(champion.model)}: {why}"
        if serving and serving is not champion and not serving.fault:
            return Phase.STARTING, ""  # the stand-in of a predecessor, say: whether it answers is not known yet
        if previous and previous.fault:
            why += f"; and {_short(previous.model)}, which served before: {previous.fault}"
        return Phase.FAILED, why

    def _has_unwanted(self, state: EndpointState) -> bool:
        return bool(self.ending) or not self._wanted(state).issuperset(self.replicas)

    def _wanted(self, state: EndpointState) -> set[str]:
        """Digests of the models that stay: the champion, what serves, and what a rollback returns to."""
        champion = self.replicas.get(_digest(state.champion))
        kept = self.place.serving.keep_previous or (champion and champion.doubtful)
        return {_digest(state.champion), self.leads_to, *({_digest(state.previous)} if kept else ())}

    async def _end(self) -> None:
        """Ends all that it started: no new connections, what is open ends, then the processes."""
        await self.router.stop_listening()
        # A second word to stop ends the patience.
        patience = asyncio.create_task(self._drained())
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({patience, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        patience.cancel()
        await asyncio.gather(hurry, patience, return_exceptions=True)
        for replica in self.replicas.values():
            await replica.leave()
        for name in list(self.processes.recorded):
            await self.processes.end(name, 1.0)
        await self.router.end()
        await self.metrics.end()
        self.processes.end_strays()
        for journal in sorted((self.place.folder / "journals").glob("*")):
            await seal(self.place, journal)
        self._say_goodbye()

    async def _drained(self) -> None:
        seconds = self.place.serving.drain_seconds
        await asyncio.gather(*(replica.end(seconds) for replica in self.replicas.values()), *self.ending.values())

    def _say_goodbye(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self._observed:
            update = {"phase": Phase.STOPPED, "heartbeat": now, "since": now, "standby": None}
            update |= dict.fromkeys(("champion", "previous", "metrics", "reason"), "")
            with contextlib.suppress(SluiceError):
                self.place.endpoints.observe(self._observed.model_copy(update=update))
        self._say_of("stopped")

    def _say_of(self, line: str) -> None:
        self.say(f"{self.place.endpoint}: {line}")

    def _say_waiting(self, state: EndpointState) -> None:
        if state.champion is None:
            self.say(f"{state.endpoint}: waits, nothing has been released to it yet")
        elif state.champion.digest not in self.replicas:
            self.say(f"{state.endpoint}: generation {state.generation}: {_short(state.champion)} starts")

    def _tell_fault(self, phase: Phase, reason: str) -> None:
        if phase in (Phase.DEGRADED, Phase.FAILED):
            self.say(f"{self.place.endpoint}: generation {self._seen} does not serve: {reason}")

    def _tell_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self.say(f"{self.place.endpoint}: {trouble}; it is tried again")


async def until_told(supervisor: Supervisor) -> None:
    """Serves until Ctrl-C or SIGTERM (a second one is in a hurry); SIGHUP replaces the router under load."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    loop.add_signal_handler(signal.SIGHUP, supervisor.hot_restart)
    await supervisor.run()


def _digest(model: Reference | None) -> str:
    return model.digest if model else ""


def _short(model: Reference) -> str:
    return f"{model.digest[:12]}…"


def _nothing(_point: str) -> None:
    """What is done at a point where nobody watches."""
