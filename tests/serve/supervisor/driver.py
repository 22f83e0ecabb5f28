"""A supervisor over stub models in a process of its own: ``python -m tests.serve.supervisor.driver FOLDER [POINT]``.

What a model's file ``behaviour`` says is how its server behaves. With a point, and once there is a file ``armed``, it
kills itself there, as an operator with ``kill -9`` would, but exactly there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from components.core.endpoint import open_endpoints
from components.core.store import Store
from components.serve.model_server import ModelServer
from components.serve.replica import Place
from components.serve.settings import Serving
from components.serve.supervisor import Supervisor, until_told

ENDPOINT = "helpdesk"
MORTAL = """
import os, runpy, sys, threading
_, seconds, module = sys.argv[:3]
threading.Timer(float(seconds), os._exit, (7,)).start()
sys.argv = sys.argv[2:]
print("out of memory", flush=True)
runpy.run_module(module, run_name="__main__")
"""


def server_command(folder: Path, port: int, name: str) -> list[str]:
    behaviour = (folder / "behaviour").read_text()
    if behaviour == "dies":
        return [sys.executable, "-c", "import sys; sys.exit('these weights are not mine')"]
    if behaviour == "hangs":
        return [sys.executable, "-c", "import time; time.sleep(600)"]
    if behaviour.startswith("lasts"):
        return [sys.executable, "-c", MORTAL, behaviour.split()[1], "tests.contract.stub_model", "--port", str(port)]
    return [sys.executable, "-m", "tests.contract.stub_model", "--port", str(port), "--name", name]


def place(folder: Path) -> Place:
    serving = Serving.model_validate_json((folder / "serving.json").read_bytes())
    endpoints = open_endpoints(f"sqlite:///{folder / 'endpoints.db'}")
    return Place(ENDPOINT, serving, Store(str(folder / "store")), endpoints, str(folder / "requests"))


def main() -> None:
    folder, die_at = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""

    def at(point: str) -> None:
        print(f"at: {point}", flush=True)
        if point == die_at and (folder / "armed").exists():
            os.kill(os.getpid(), signal.SIGKILL)

    supervisor = Supervisor(place(folder), ModelServer(server_command), say=lambda line: print(line, flush=True), at=at)
    asyncio.run(until_told(supervisor))


if __name__ == "__main__":
    main()
