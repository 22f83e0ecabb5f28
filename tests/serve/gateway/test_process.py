"""The gateway as a process, with the real journal."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.core.partitions import batches
from components.core.request_log import RequestLog, Table
from components.serve.api_keys import new_key
from components.serve.processes import free_port
from tests.serve.gateway.case import ENDPOINT, MODEL, running, wait_until

ASKED = {"model": ENDPOINT, "messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[str]:
    """Address of a stub model."""
    with running(tmp_path / "other") as case:
        yield case.gateway.config.upstream


def configured(folder: Path, upstream: str, **more: Any) -> Path:
    """A gateway's file."""
    document = {
        "endpoint": ENDPOINT, "model": MODEL, "upstream": upstream, "upstream_model": "stub", "port": free_port(),
        "keys": str(folder / "keys.json"), "secret": str(folder / "made" / "secret"),
        "requests": str(folder / "requests"), "journal": str(folder / "journal"), "name": "g1", **more,
    }  # fmt: skip
    path = folder / "gateway.json"
    path.write_text(json.dumps(document))
    return path


@contextmanager
def started(config: Path) -> Iterator[subprocess.Popen[str]]:
    """The process, up; it is killed when the block ends."""
    command = [sys.executable, "-m", "components.serve.gateway", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: process.poll() is not None or status(config, "/healthz") == 200)
            yield process
        finally:
            process.kill()


def call(config: Path, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
    port = json.loads(config.read_text())["port"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def status(config: Path, path: str) -> int:
    try:
        return call(config, "GET", path)[0]
    except OSError:
        return 0


def logged(folder: Path, table: Table) -> list[dict[str, Any]]:
    log = RequestLog(str(folder / "requests"))
    return [row for batch in batches(log, log.partitions(ENDPOINT, table), table) for row in batch.to_pylist()]


def test_it_serves_and_all_that_it_answered_is_in_partitions_when_it_has_ended(tmp_path: Path, stub: str) -> None:
    config = configured(tmp_path, stub)
    key = new_key(tmp_path / "keys.json", "app")
    with started(config) as process:
        assert status(config, "/readyz") == 200
        code, answer = call(config, "POST", "/v1/chat/completions", ASKED, key)
        assert code == 200
        assert call(config, "POST", "/v1/feedback", {"request_id": answer["id"], "good": True}, key)[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    (row,) = logged(tmp_path, Table.REQUESTS)
    (word,) = logged(tmp_path, Table.FEEDBACK)
    assert (row["response"], row["status"]) == ("echo: hello there", "answered")
    assert answer["id"] == f"chatcmpl-{word['request_id']}" == f"chatcmpl-{row['request_id']}"


def test_its_secret_is_its_users_alone_and_the_next_process_knows_the_ids_of_the_last(
    tmp_path: Path, stub: str
) -> None:
    config = configured(tmp_path, stub)
    key = new_key(tmp_path / "keys.json", "app")
    with started(config):
        answer = call(config, "POST", "/v1/chat/completions", ASKED, key)[1]
    secret = tmp_path / "made" / "secret"
    assert (len(secret.read_bytes()), stat.S_IMODE(secret.stat().st_mode)) == (32, 0o600)
    with started(config):
        assert call(config, "POST", "/v1/feedback", {"request_id": answer["id"], "good": True}, key)[0] == 200


def test_sigterm_lets_open_answers_end_and_answers_what_still_comes(tmp_path: Path, stub: str) -> None:
    config = configured(tmp_path, stub)
    key = new_key(tmp_path / "keys.json", "app")
    slow = {**ASKED, "messages": [{"role": "user", "content": "!slow 2 hello"}]}
    answers: list[tuple[int, Any]] = []
    with started(config) as process:
        asking = threading.Thread(
            target=lambda: answers.append(call(config, "POST", "/v1/chat/completions", slow, key))
        )
        asking.start()
        wait_until(lambda: call(config, "GET", "/healthz")[1]["in_flight"] == 1)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: call(config, "GET", "/healthz")[1]["draining"] is True)
        assert status(config, "/readyz") == 503
        assert call(config, "POST", "/v1/chat/completions", ASKED, key)[0] == 200
        asking.join()
        assert process.wait(20) == 0
    assert answers[0][0] == 200
    assert [row["status"] for row in logged(tmp_path, Table.REQUESTS)] == ["answered", "answered"]


@pytest.mark.parametrize("second_signal", [True, False])
def test_an_answer_that_does_not_end_is_cut_and_logged_as_lost(tmp_path: Path, stub: str, second_signal: bool) -> None:
    config = configured(tmp_path, stub, drain_seconds=60 if second_signal else 0.2)
    key = new_key(tmp_path / "keys.json", "app")
    with (
        started(config) as process,
        socket.create_connection(("127.0.0.1", json.loads(config.read_text())["port"])) as connection,
    ):
        body = json.dumps({**ASKED, "messages": [{"role": "user", "content": "!hang"}]})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        wait_until(lambda: call(config, "GET", "/healthz")[1]["in_flight"] == 1)
        process.send_signal(signal.SIGTERM)
        if second_signal:
            wait_until(lambda: call(config, "GET", "/healthz")[1]["draining"] is True)
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert [row["status"] for row in logged(tmp_path, Table.REQUESTS)] == ["lost"]


def test_what_it_logs_is_lines_of_json(tmp_path: Path, stub: str) -> None:
    config = configured(tmp_path, stub)
    (tmp_path / "keys.json").write_text("no keys")
    with started(config) as process:
        assert call(config, "POST", "/v1/chat/completions", ASKED, "sk-x")[0] == 401
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(line["severity"], line["message"][:10]) for line in lines] == [("ERROR", "API keys: ")]


def test_a_port_that_is_taken_is_said(tmp_path: Path, stub: str) -> None:
    config = configured(tmp_path, stub)
    port = json.loads(config.read_text())["port"]
    with socket.create_server(("127.0.0.1", port)):
        run = subprocess.run(
            [sys.executable, "-m", "components.serve.gateway", str(config)], capture_output=True, text=True, timeout=30
        )
    assert run.returncode == 4
    assert f"error: gateway: 127.0.0.1:{port} is taken by another process" in run.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"upstream": "127.0.0.1:9001"}, "upstream: Value error, '127.0.0.1:9001' is no address of a server"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"host": "256.1.1.1"}, "cannot listen there"),
        ({"port": 0}, "port: Input should be greater than or equal to 1"),
        ({"name": "a/b"}, "'a/b' names no file"),
    ],
)
def test_a_file_that_is_wrong_is_said(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    config = configured(tmp_path, **{"upstream": "http://127.0.0.1:9", **change})
    command = [sys.executable, "-m", "components.serve.gateway", str(config)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (run.returncode, "Traceback" in run.stderr) == (2, False)
    assert said in run.stderr


def test_a_secret_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "secret").write_bytes(b"short")
    command = [sys.executable, "-m", "components.serve.gateway", str(configured(tmp_path, "http://127.0.0.1:9"))]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 2
    assert "holds 5 bytes and not 32; remove it" in run.stderr


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["/nowhere.json"]])
def test_how_it_is_called_is_said(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "components.serve.gateway", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ})
    assert run.returncode == 2
    assert "usage:" in run.stderr or "cannot be read" in run.stderr


@pytest.mark.parametrize("module", ["gateway.server", "supervisor"])
def test_starting_loads_nothing_that_it_does_not_need(module: str) -> None:
    code = f"import components.serve.{module}, sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    # The image of both holds none of these.
    unwanted = {"pandas", "torch", "transformers", "kfp", "evidently", "scipy", "mlflow", "pyarrow", "numpy", "envoy"}
    assert not unwanted & set(loaded)
