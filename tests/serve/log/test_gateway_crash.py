"""The real gateway, killed under load: whatever a client has an answer to stands in the request log once."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from components.core.request_log import RequestLog
from components.serve.api_keys import new_key
from components.serve.gateway.config import GatewayConfig
from components.serve.processes import free_port
from components.serve.settings import LEAST_FREE_BYTES, Limits, LogSettings
from tests.serve.log.rows import ENDPOINT, logged

CLIENTS = 8


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is gone after the block."""
    started = subprocess.Popen([sys.executable, "-m", *command])
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def configure(folder: Path) -> tuple[GatewayConfig, str]:
    """A gateway's configuration, and an API key that no limit stops."""
    config = GatewayConfig(
        endpoint=ENDPOINT,
        model="0" * 64,
        upstream=f"http://127.0.0.1:{free_port()}",
        upstream_model="stub",
        port=free_port(),
        keys=str(folder / "keys.json"),
        secret=str(folder / "secret"),
        limits=Limits(burst=10**6, per_minute=10**9),
        log=LogSettings(seal_rows=100, seal_seconds=0.3, least_free_bytes=LEAST_FREE_BYTES),
        requests=str(folder / "log"),
        journal=str(folder / "journal"),
        name="gw",
    )
    (folder / "config.json").write_text(config.model_dump_json())
    return config, new_key(folder / "keys.json", "test", per_minute=10**9)


class Clients:
    """Asks without a pause, streams and plain answers, and keeps the ids of all answers that came whole."""

    def __init__(self, config: GatewayConfig, key: str) -> None:
        self.address = f"http://{config.host}:{config.port}"
        self.headers = {"authorization": f"Bearer {key}"}
        self.answered: list[str] = []
        self.number = 0

    async def ready(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{self.address}/readyz") as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, OSError):
                    await asyncio.sleep(0.02)

    async def ask_until_killed(self, gateway: subprocess.Popen[bytes], seconds: float) -> None:
        await asyncio.wait_for(self.ready(), 60)
        async with aiohttp.ClientSession(headers=self.headers) as session:
            asking = [asyncio.create_task(self._ask(session)) for _ in range(CLIENTS)]
            await asyncio.sleep(seconds)
            gateway.send_signal(signal.SIGKILL)
            await asyncio.gather(*asking)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        """Asks until nobody is there any more."""
        while True:
            self.number += 1
            stream = self.number % 2 == 0
            body = {"model": ENDPOINT, "stream": stream, "messages": [{"role": "user", "content": f"{self.number}"}]}
            try:
                async with session.post(f"{self.address}/v1/chat/completions", json=body) as answer:
                    data = await answer.read()
            except (aiohttp.ClientError, OSError):
                return
            assert answer.status == 200, data
            assert data.endswith(b"data: [DONE]\n\n") if stream else json.loads(data)["choices"]
            self.answered.append(answer.headers["x-request-id"])


def killed_again_and_again(folder: Path, times: int) -> None:
    config, key = configure(folder)
    clients, chance = Clients(config, key), random.Random(5)
    command = ("components.serve.gateway", str(folder / "config.json"))
    with process("tests.contract.stub_model", "--port", config.upstream.rpartition(":")[2]):
        for _ in range(times):
            with process(*command) as gateway:
                asyncio.run(clients.ask_until_killed(gateway, chance.uniform(0.1, 0.8)))
        with process(*command) as gateway:
            asyncio.run(asyncio.wait_for(clients.ready(), 60))
            gateway.terminate()
            assert gateway.wait(30) == 0
    rows = logged(RequestLog(config.requests))
    found = Counter(row["request_id"] for row in rows)
    answered = {row["request_id"] for row in rows if row["status"] == "answered"}
    assert len(clients.answered) > times
    assert set(clients.answered) - answered == set()
    assert max(found.values()) == 1
    assert {row["status"] for row in rows} <= {"answered", "lost", "cut"}
    assert [path.name for path in (folder / "journal").iterdir()] == ["lock"]


def test_a_gateway_that_was_killed_under_load_logged_every_answer_once(tmp_path: Path) -> None:
    killed_again_and_again(tmp_path, 2)


@pytest.mark.long
def test_a_gateway_that_was_killed_twenty_times_under_load_logged_every_answer_once(tmp_path: Path) -> None:
    killed_again_and_again(tmp_path, 20)
