"""The real gateway with its journal on a disk of its own that gets full."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components.core.request_log import RequestLog
from components.serve.gateway.config import GatewayConfig
from components.serve.settings import LEAST_FREE_BYTES
from tests.serve.log.rows import ENDPOINT, logged
from tests.serve.log.test_gateway_crash import configure, process

DISK = LEAST_FREE_BYTES + 24 * 1024**2
LONG = "x" * 5000
"""A word for which a full disk's last page has no room."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk in memory, a third larger than what must stay free."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may mount no disk; test_journal_room.py has one that only says it is full")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class Place:
    """A gateway on that disk; its request log, in ``store``, is elsewhere."""

    disk: Path
    store: Path
    config: GatewayConfig
    key: str
    ids: dict[str, int] = field(default_factory=dict)
    """Of requests that somebody was told something of, and what."""

    @contextmanager
    def gateway(self) -> Iterator[subprocess.Popen[bytes]]:
        with process("components.serve.gateway", str(self.store.parent / "config.json")) as gateway:
            until(self.lives)
            yield gateway

    def lives(self) -> bool:
        try:
            return self.ask("GET", "/readyz").status == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        """The answer, of which the head has come."""
        connection = http.client.HTTPConnection(self.config.host, self.config.port, timeout=60)
        given = {"authorization": f"Bearer {self.key}", **{name.replace("_", "-"): it for name, it in headers.items()}}
        connection.request(method, path, None if body is None else json.dumps(body), given)
        return connection.getresponse()

    def chat(self, prompt: str, stream: bool = False, **headers: str) -> http.client.HTTPResponse:
        asked = {"model": ENDPOINT, "stream": stream, "messages": [{"role": "user", "content": prompt}]}
        return self.ask("POST", "/v1/chat/completions", asked, **headers)

    def told(self, prompt: str) -> str:
        """What a conversation of one message comes to: ``answered``, or the error's code."""
        answer = self.chat(prompt)
        document = json.load(answer)
        if answer.status == 200:
            self.ids[answer.headers["x-request-id"]] = 200
            return "answered"
        code: str = document["error"]["code"]
        return code

    def generated(self, prompt: str) -> int:
        """How often the model was asked that."""
        connection = http.client.HTTPConnection(self.config.upstream.removeprefix("http://"), timeout=60)
        connection.request("GET", "/counts")
        count: int = json.load(connection.getresponse()).get(prompt, 0)
        return count

    def fill(self) -> None:
        """Somebody else writes to the disk until it takes not one byte more."""
        with (self.disk / "theirs").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        (self.disk / "theirs").unlink()

    def statuses(self) -> dict[str, str]:
        """By request, of what is in partitions; each stands there once."""
        rows = logged(RequestLog(self.config.requests))
        found = {row["request_id"]: row["status"] for row in rows}
        assert len(found) == len(rows)
        return found


@pytest.fixture
def place(tmp_path: Path, disk: Path) -> Iterator[Place]:
    config, key = configure(tmp_path)
    config = config.model_copy(update={"journal": str(disk / "journal")})
    (tmp_path / "config.json").write_text(config.model_dump_json())
    with process("tests.contract.stub_model", "--port", config.upstream.rpartition(":")[2]):
        yield Place(disk, tmp_path / "log", config, key)


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_journal_that_filled_its_disk_leaves_what_the_next_start_needs(place: Place) -> None:
    place.store.write_text("not mounted")  # so nothing leaves the journal
    prompt = " ".join(["word"] * 180_000)
    with place.gateway() as gateway:
        while (said := place.told(prompt)) == "answered":
            assert len(place.ids) < 100
        assert said == "log_full"
        assert len(place.ids) > 3
        assert place.generated(prompt) == len(place.ids)
        assert shutil.disk_usage(place.disk).free > LEAST_FREE_BYTES // 2
        gateway.kill()
        gateway.wait()
    with place.gateway() as gateway:
        assert place.told("hello") == "log_full"
        place.store.unlink()
        until(lambda: place.told("hello") == "answered")
        gateway.terminate()
        assert gateway.wait(60) == 0
    assert {place.statuses()[name] for name in place.ids} == {"answered"}
    assert list((place.disk / "journal").glob("0*")) == []


def test_on_a_disk_that_others_filled_nothing_is_generated_and_when_it_has_room_nothing_was_lost(place: Place) -> None:
    number = str(uuid.uuid4())
    with place.gateway() as gateway:
        assert place.told("before") == "answered"
        stream = place.chat(f"!drip 0.5 {LONG} {LONG} {LONG}", stream=True, x_request_id=number)
        open_ = stream.headers["x-request-id"]
        place.fill()
        until(lambda: place.told("at once") == "log_full")  # it looks at the disk every 100 ms
        assert {place.told("never") for _ in range(20)} == {"log_full"}
        assert place.generated("never") == 0
        assert b"[DONE]" in stream.read()  # the room for its end was reserved
        place.free()
        until(lambda: place.told("after") == "answered")
        until(lambda: place.statuses().get(open_) == "answered")  # while the gateway lives
        again = place.chat("again", x_request_id=str(number), x_envoy_attempt_count="2")
        assert again.status == 200
        gateway.terminate()
        assert gateway.wait(60) == 0
    rows = logged(RequestLog(place.config.requests))
    attempts = {row["attempt"]: row["status"] for row in rows if row["request_id"] == open_}
    assert attempts == {1: "answered", 2: "answered"}
    assert set(place.ids) <= {row["request_id"] for row in rows if row["status"] == "answered"}
    assert sorted(path.name for path in (place.disk / "journal").iterdir()) == ["lock"]


def test_a_gateway_that_was_killed_on_a_full_disk_starts_and_goes_on_once_it_has_room(place: Place) -> None:
    with place.gateway() as gateway:
        assert place.told("before") == "answered"
        stream = place.chat("!drip 5 a b c", stream=True)
        place.fill()
        gateway.kill()
        gateway.wait()
    with place.gateway() as gateway:
        assert place.told("full") == "log_full"
        place.free()
        until(lambda: place.told("after") == "answered")
        gateway.terminate()
        assert gateway.wait(60) == 0
    assert place.statuses()[stream.headers["x-request-id"]] == "lost"
    assert {place.statuses()[name] for name in place.ids} == {"answered"}


def suppressed(told: Callable[[str], str], prompt: str) -> None:
    with suppress(OSError, http.client.HTTPException):
        told(prompt)


def test_of_many_long_requests_at_once_those_are_answered_for_which_there_is_room_and_no_other_is_generated(
    place: Place,
) -> None:
    place.config = place.config.model_copy(update={"requests": str(place.disk / "log")})  # it takes room too
    (place.store.parent / "config.json").write_text(place.config.model_dump_json())
    answered, lost = (f"!slow {seconds} " + "word " * 200_000 for seconds in (3, 60))
    with place.gateway() as gateway:
        with ThreadPoolExecutor(60) as clients:
            said = list(clients.map(place.told, [answered] * 60))
        assert set(said) == {"answered", "log_full"}
        assert place.generated(answered) == said.count("answered") > 1
        # The log's partition, written at this moment beside the rows that it is made of, is no row of the journal's.
        assert shutil.disk_usage(place.disk).free > 0.9 * LEAST_FREE_BYTES
        with ThreadPoolExecutor(60) as clients:
            for _ in range(60):
                clients.submit(suppressed, place.told, lost)
            until(lambda: place.generated(lost) > 1)
            gateway.kill()
            gateway.wait()
    with place.gateway() as gateway:
        until(lambda: place.told(answered) == "answered")
        until(lambda: list(place.statuses().values()).count("lost") >= place.generated(lost))
        gateway.terminate()
        assert gateway.wait(60) == 0
    assert {place.statuses()[name] for name in place.ids} == {"answered"}
    assert sorted(path.name for path in (place.disk / "journal").iterdir()) == ["lock"]
