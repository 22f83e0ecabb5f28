"""What the fake services share: a server on loopback, in a thread, and the ways in which a network and a cloud fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


class Wrong(Exception):
    """A request that the service's own description does not have."""


@dataclass
class Fault:
    """How the next requests of an operation fail."""

    how: int | str
    """A status; or ``drop before`` or ``drop after`` the request was taken; or ``slow``, answered after ``seconds``."""
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = ""
    seconds: float = 0.0


class Loopback:
    """A server that answers as ``answer`` says. ``address`` is where it listens, ``wrong`` what did not fit."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.address = ""
        self._faults: dict[str, list[Fault]] = {}

    def fail(self, operation: str, how: int | str, **more: Any) -> None:
        """Makes the next requests of an operation fail; the end of its name will do: ``schedules.create``."""
        self._faults.setdefault(operation, []).append(Fault(how, **more))

    def heal(self, operation: str) -> None:
        """Lets an operation that was made to fail work again."""
        self._faults.pop(operation, None)

    def fault_of(self, operation: str) -> Fault | None:
        """How this request of an operation is to fail; None where it is not."""
        for name, faults in self._faults.items():
            if is_named(operation, name) and faults:
                fault = faults[0]
                fault.times -= 1
                if fault.times <= 0:
                    faults.pop(0)
                return fault
        return None

    async def answer(self, came: web.Request) -> web.StreamResponse:
        """What is answered to a request."""
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Listens, in a thread, while the block runs; fails at its end for requests that did not fit."""
        loop, up, stopped = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._serve(up, stopped)), daemon=True)
        thread.start()
        assert up.wait(20)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stopped.set)
            thread.join(20)
            loop.close()
        assert not self.wrong, "requests that the service does not have:\n" + "\n".join(self.wrong)

    async def _serve(self, up: threading.Event, stopped: asyncio.Event) -> None:
        application = web.Application(client_max_size=64 * 1024**2)
        application.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        up.set()
        await stopped.wait()
        await runner.cleanup()


def is_named(operation: str, name: str) -> bool:
    """Whether a name is an operation's, or the end of it."""
    return operation == name or operation.endswith("." + name)


def dropped(came: web.Request) -> web.StreamResponse:
    """Closes the connection without a word."""
    assert came.transport
    came.transport.abort()
    return web.Response()
