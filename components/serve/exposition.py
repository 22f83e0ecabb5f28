"""Where Prometheus asks: one address on loopback that stays the same, whatever gateways there are behind it.

Each gateway counts for itself and listens on a port that changes. Their pages are put together here, each sample with
its model as a label, so that counters of two gateways never look like one that jumped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from components.core.errors import SluiceError
from components.serve import readiness
from components.serve.processes import Processes, check_free
from components.serve.settings import Serving

LOCAL = "127.0.0.1"
ABOVE, HIGHEST = 1000, 65535
AGAIN_SECONDS = 5.0
GATEWAY = "gateway-"


class Exposition:
    """The page of an endpoint's metrics."""

    def __init__(self, serving: Serving, processes: Processes, say: Callable[[str], None]) -> None:
        self.port, self.address = port_of(serving), ""
        """``address`` is empty while it does not listen."""
        self._processes, self._say = processes, say
        self._runner: web.AppRunner | None = None
        self._trouble, self._again = "", 0.0

    async def keep(self) -> None:
        """Listens, if it does not yet. A port that is taken is no reason not to serve: it is told, and tried again."""
        if self.address or time.monotonic() < self._again:
            return
        try:
            check_free(LOCAL, self.port, "give another port as serving.metrics_port in the environment file")
            await self._listen()
            self._say(f"metrics for Prometheus at {self.address}")
            self._trouble = ""
        except (SluiceError, OSError) as error:
            self._again = time.monotonic() + AGAIN_SECONDS
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._say(f"no metrics: {error}; what serves goes on")

    async def end(self) -> None:
        """Listens no more."""
        self.address = ""
        if self._runner:
            await self._runner.cleanup()

    async def _listen(self) -> None:
        application = web.Application()
        application.router.add_get("/metrics", self._answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOCAL, self.port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner, self.address = runner, f"http://{LOCAL}:{self.port}/metrics"

    async def _answer(self, _request: web.Request) -> web.Response:
        recorded = self._processes.recorded.values()
        ports = {one.name.removeprefix(GATEWAY): one.port for one in recorded if one.name.startswith(GATEWAY)}
        pages = await asyncio.gather(*(readiness.text(f"http://{LOCAL}:{port}/metrics") for port in ports.values()))
        found = {model: page for model, page in zip(ports, pages, strict=True) if page}
        return web.Response(body=together(found), headers={"content-type": CONTENT_TYPE_LATEST})


def port_of(serving: Serving) -> int:
    """Where it listens: so far from ``port`` that endpoints on neighbouring ports do not meet."""
    if serving.metrics_port:
        return serving.metrics_port
    return serving.port + (ABOVE if serving.port + ABOVE <= HIGHEST else -ABOVE)


def together(pages: Mapping[str, str]) -> bytes:
    """One page of several gateways', by model; each sample has its model as a label."""
    families: dict[str, Metric] = {}
    for model in sorted(pages):
        for family in text_string_to_metric_families(pages[model]):
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += [one._replace(labels={**one.labels, "model": model}) for one in family.samples]
    registry = CollectorRegistry()
    registry.register(_Found(families.values()))
    return generate_latest(registry)


class _Found(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
