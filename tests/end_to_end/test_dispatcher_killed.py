"""``sluice dispatch`` as a process of its own, killed at each moment of carrying a request out, on both services.

The fakes hold the call at which it is to die, before or after it was taken. The next process gets the same request,
from the store or as the message that nobody acknowledged: one job is there in the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from components.core.attempt import Attempt, Draft
from components.core.manifest import Kind
from components.core.run_request import RequestedInput, RunRequest
from components.core.settings import StepSettings
from components.core.store import Store
from pipelines.backends.ask import pinned
from pipelines.backends.cloud_run import LEASE
from pipelines.environment import load_environment
from pipelines.recipe import load_recipe
from tests.contract.google.cloud_logging import CloudLogging
from tests.contract.google.server import Server as Google
from tests.contract.google.storage import Storage
from tests.contract.google.vertex import Vertex
from tests.contract.kubeflow.server import Server as Kubeflow
from tests.end_to_end.conftest import SLUICE
from tests.end_to_end.test_clouds import THERE, environment_of, wait_until
from tests.pipelines.small import RECIPE

SUBMISSION = r"^POST \S*/(pipelineJobs|runs)\b"
CLAIM, WRITTEN_DOWN = r"^POST .*launch\.json", r"^POST .*dispatched/"
MOMENTS = {
    "before the claim": (CLAIM, False),
    "after the claim": (CLAIM, True),
    "before the submission": (SUBMISSION, False),
    "after the submission": (SUBMISSION, True),
    "before it is written down": (WRITTEN_DOWN, False),
    "after it is written down": (WRITTEN_DOWN, True),
}
NOT_SUBMITTED = "before the submission"
"""Kubeflow cannot say whether whoever has claimed a run is about to submit it, so the next one waits for the lease."""


class _Held:
    """A fake that leaves one call unanswered, before it was taken or after."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.reached, self._over = threading.Event(), threading.Event()
        self._words, self._taken = "", False

    def hold(self, words: str, *, taken: bool) -> None:
        """Holds the next call with such a method, address and body."""
        self._words, self._taken = words, taken

    def let_go(self) -> None:
        """What is held is dropped: whoever asked is gone."""
        self._over.set()

    async def answer(self, came: web.Request) -> web.StreamResponse:
        """What the fake answers; nothing to the call that is held."""
        asked = f"{came.method} {came.raw_path} ".encode() + await came.read()
        if not self._words or not re.search(self._words.encode(), asked, re.DOTALL):
            return await super().answer(came)
        self._words = ""
        if self._taken:
            await super().answer(came)
        self.reached.set()
        while not self._over.is_set():
            await asyncio.sleep(0.05)
        return web.Response(status=503)


class HeldGoogle(_Held, Google):
    """Google's services."""


class HeldKubeflow(_Held, Kubeflow):
    """Kubeflow Pipelines."""


@dataclass
class Place:
    """A store with a request to be, the service that carries it out, and the dispatchers' processes."""

    folder: Path
    google: HeldGoogle
    service: HeldGoogle | HeldKubeflow
    vertex: Vertex
    request: RunRequest
    store: Store = field(default_factory=lambda: Store("gs://desk/store"))

    @property
    def jobs(self) -> list[str]:
        """The runs that the service was given."""
        if isinstance(self.service, HeldKubeflow):
            return [one["display_name"] for one in self.service.items["runs"].values()]
        return [name.rpartition("/")[2] for name in self.vertex.jobs]

    @property
    def made(self) -> dict[str, Any]:
        """What the store says was made of the request."""
        key = f"dispatched/{self.request.name}.json"
        return json.loads(self.store.read(key)) if self.store.exists(key) else {}

    @contextmanager
    def dispatcher(self, number: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process of ``sluice dispatch``; it is dead when the block is left."""
        with self.said(number).open("wb") as said:
            command = [SLUICE, "dispatch", "recipe.yaml", "--env", THERE, *words]
            process = subprocess.Popen(command, cwd=self.folder, stdout=said, stderr=said, env=os.environ)
        try:
            yield process
        finally:
            process.kill()
            process.wait(60)

    def said(self, number: int) -> Path:
        """What a dispatcher printed."""
        return self.folder / f"dispatcher-{number}.log"

    def let_the_lease_end(self) -> None:
        """As if whoever claimed the run had done so long ago."""
        (claim,) = (key for key in self.store.list("runs") if key.endswith("/again-0"))
        self.store.write(claim, (datetime.now(UTC) - 2 * LEASE).isoformat().encode())


@pytest.fixture(params=["vertex", "kubeflow"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    vertex = Vertex()
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    with ExitStack() as stack:
        google = stack.enter_context(HeldGoogle(Storage("desk"), vertex, CloudLogging()).running())
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", google.address)
        service = google if request.param == "vertex" else stack.enter_context(HeldKubeflow().running())
        there = environment_of(request.param, tmp_path, service.address)
        (tmp_path / THERE).write_text(yaml.safe_dump(there))
        yield Place(tmp_path, google, service, vertex, request_in(tmp_path))
        google.let_go()
        service.let_go()


def request_in(folder: Path) -> RunRequest:
    """A request for a release of what lies in the store, not yet put there."""
    recipe, environment = load_recipe(folder / "recipe.yaml"), load_environment(str(folder / THERE))
    store = Store(environment.store)
    attempt = Attempt(store, "given")
    with attempt.rows(Kind.DOCUMENTS) as writer:
        writer.append(dict.fromkeys(("id", "text", "source", "licence", "meta"), "x") | {"created": None})
    given = attempt.commit({"given": Draft(Kind.DOCUMENTS, writer)}, settings=StepSettings(), created=writer.rows)
    what = given.manifests["given"]
    about = {"content_digest": what.content_digest, "reference": what.reference()}
    inputs = tuple(RequestedInput(role=role, **about) for role in ("model", "suites", "overlap"))
    _, spec = pinned("release", "", recipe, environment, store)
    facts = {"graph": "release", "spec": spec, "recipe": recipe.digest, "environment": environment.name}
    return RunRequest(**facts, asker="lifecycle", inputs=inputs)


@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_dispatcher_that_looks_and_is_killed_loses_no_request_and_starts_none_twice(
    place: Place, moment: str
) -> None:
    held, words = hold(place, moment), ("--look", "0.2")
    place.request.put(place.store)
    with place.dispatcher(1, *words) as first:
        assert held.reached.wait(120)
        first.kill()
        first.wait(60)
    held.let_go()
    with place.dispatcher(2, *words) as second:
        if waits_for_the_lease(place, moment):
            wait_until(lambda: "another process is submitting it" in place.said(2).read_text())
            assert place.jobs == []
            place.let_the_lease_end()
        wait_until(lambda: bool(place.made))
        looks = len(place.google.asked("objects.list"))
        wait_until(lambda: len(place.google.asked("objects.list")) > looks + 4)
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0
    assert_once(place)


@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_message_whose_taker_was_killed_comes_again_and_starts_one_run(place: Place, moment: str) -> None:
    held, port = hold(place, moment), free_port()
    words = ("--look", "3600", "--port", str(port))
    with place.dispatcher(1, *words) as first:
        wait_until(lambda: health(port) and len(place.google.asked("objects.list")) > 1)  # its own look is over
        place.request.put(place.store)
        sender = threading.Thread(target=push, args=(port, place.request.name))
        sender.start()
        assert held.reached.wait(120)
        first.kill()
        first.wait(60)
        sender.join(60)
    held.let_go()
    with place.dispatcher(2, *words):
        wait_until(lambda: health(port))
        if waits_for_the_lease(place, moment):
            assert push(port, place.request.name) == 503
            assert place.jobs == []
            place.let_the_lease_end()
        assert [push(port, place.request.name) for _ in range(3)] == [200, 200, 200]
    assert_once(place)


def hold(place: Place, moment: str) -> _Held:
    """Has the call held at which the dispatcher is to die."""
    words, taken = MOMENTS[moment]
    held = place.service if words == SUBMISSION else place.google
    held.hold(words, taken=taken)
    return held


def waits_for_the_lease(place: Place, moment: str) -> bool:
    return moment == NOT_SUBMITTED and isinstance(place.service, HeldKubeflow)


def assert_once(place: Place) -> None:
    """One job, one claim and one record, all of the same run."""
    run = place.made["run"]
    assert run
    assert place.jobs == [run]
    assert [key for key in place.store.list("runs") if key.endswith("launch.json")] == [f"runs/{run}/launch.json"]
    assert list(place.store.list("dispatched")) == [f"dispatched/{place.request.name}.json"]


def push(port: int, name: str) -> int:
    """What a message about a request is answered, as Pub/Sub pushes it; 0 where whoever took it died."""
    message = {"message": {"attributes": {"objectId": f"store/requests/{name}.json"}, "messageId": "1"}}
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/", json.dumps(message).encode())
    try:
        with urllib.request.urlopen(asked, timeout=120) as said:
            return said.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def health(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as said:
        return said.status == 200
    return False


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
