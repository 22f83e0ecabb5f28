"""A registry in a file, real MLflow servers on the loopback address, and Vertex AI's registry as a fake plays it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.core.manifest import Manifest
from components.core.store import Store
from components.release.registries.mlflow_registry import MlflowRegistry
from components.release.registries.vertex_registry import FAKE
from tests.contract.google.model_registry import ModelRegistry
from tests.contract.google.server import Server
from tests.contract.postgres import database, postgres
from tests.release.registries.models import model_of


@dataclass
class MlflowServer:
    """An MLflow server whose records outlive it."""

    folder: Path
    port: int
    backend: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
                    *("--workers", "1", "--backend-store-uri", self.backend),
                ],
                cwd=self.folder,
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 120
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail((self.folder / "server.log").read_text())
            time.sleep(0.1)

    def kill(self) -> None:
        """Ends the server and the workers of its own session, without a word."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("mlflow")
    server = MlflowServer(folder, free_port(), f"sqlite:///{folder}/server.db")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that keeps its records in a PostgreSQL of its own."""
    with postgres() as address:
        backend = database(address).replace("postgresql://", "postgresql+psycopg://")
        server = MlflowServer(tmp_path_factory.mktemp("mlflow"), free_port(), backend)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def server(running_server: MlflowServer) -> MlflowServer:
    """The server, started again where a test before killed it. Each test has endpoints of its own there."""
    if not running_server.process or running_server.process.poll() is not None:
        running_server.start()
    return running_server


@pytest.fixture
def server_address(server: MlflowServer) -> str:
    return server.address


@pytest.fixture
def postgres_address(postgres_server: MlflowServer) -> str:
    return postgres_server.address


@pytest.fixture
def vertex(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that plays Vertex AI's Model Registry."""
    with Server(ModelRegistry()).running() as server:
        monkeypatch.setenv(FAKE, server.address)
        yield server


@pytest.fixture
def vertex_address(vertex: Server) -> str:
    return "vertex://sluice-example/europe-west4"


@pytest.fixture(scope="session")
def set_up_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's tables and nothing in them: setting it up takes seconds, a copy does not."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    path.parent.mkdir(exist_ok=True)
    MlflowRegistry(f"sqlite:///{path}").delete_alias("nothing", "champion")
    return path


@pytest.fixture
def file_address(tmp_path: Path, set_up_file: Path) -> str:
    """The address of a registry in a file."""
    path = tmp_path / "mlflow.db"
    path.write_bytes(set_up_file.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def model(store: Store, tmp_path: Path) -> Callable[[str], Manifest]:
    """``model("a")``: a model in the store with weights of its own."""
    return lambda weights: model_of(store, tmp_path / "models", weights)


@pytest.fixture
def endpoint() -> str:
    """An endpoint that nobody has used: a server outlives a test."""
    return f"desk-{uuid.uuid4().hex[:8]}"
