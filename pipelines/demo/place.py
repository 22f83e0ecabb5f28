"""Where the demo is played: an environment and a folder of its own, cleared away when it begins anew."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psutil

from components.core.alone import held
from components.core.endpoint import Endpoints, EndpointState, open_endpoints
from components.core.errors import Conflict, Failed, InvalidInput
from components.core.living import living_process
from components.core.store import Store
from components.serve.processes import free_port
from pipelines.backends.local_run import GRACE_SECONDS
from pipelines.demo.phrases import AFTER, BEFORE, RENAMED
from pipelines.demo.tickets import Planted, write_tickets
from pipelines.environment import LocalEnvironment, load_environment
from pipelines.recipe import RecipeBase, load_recipe
from pipelines.runs import replace_text

FOLDER = Path(".sluice/demo")
RECIPE = Path(__file__).parents[1] / "recipes" / "helpdesk.yaml"
SEED = 7
STOP_SECONDS = 60


@dataclass
class Place:
    """The demo's folder and environment, and which acts were played here."""

    folder: Path = FOLDER
    environment: LocalEnvironment = field(init=False)

    def __post_init__(self) -> None:
        environment = load_environment("demo")
        assert isinstance(environment, LocalEnvironment)
        self.environment = environment

    @cached_property
    def recipe(self) -> RecipeBase:
        """The recipe that serves, and that monitoring asks to be run again."""
        return load_recipe(RECIPE, (f"resolve.root={self.folder / 'data'}",))

    @cached_property
    def store(self) -> Store:
        """Where its artifacts lie."""
        return Store(self.environment.store)

    @cached_property
    def endpoints(self) -> Endpoints:
        """What should serve."""
        return open_endpoints(self.environment.endpoints)

    @property
    def state(self) -> EndpointState:
        """What should serve on the recipe's endpoint."""
        return self.endpoints.read(self.recipe.served_at)

    @property
    def played(self) -> tuple[int, ...]:
        """The acts that were played to their end here."""
        with suppress(FileNotFoundError, ValueError):
            return tuple(json.loads((self.folder / "played.json").read_bytes()))
        return ()

    def note(self, act: int) -> None:
        """Takes down that an act was played."""
        replace_text(self.folder / "played.json", json.dumps(sorted({*self.played, act})))

    def clear(self) -> None:
        """Begins anew. Raises InvalidInput for a folder that the demo did not make."""
        mark = self.folder / "made-by-the-demo"
        if self.folder.exists() and any(self.folder.iterdir()) and not mark.exists():
            raise InvalidInput(f"{self.folder}: the demo would clear it away, and did not make it; move it elsewhere")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        mark.touch()

    def write_data(self, *, shuffled: bool = False, changed: bool = False) -> Planted:
        """The export of tickets and the exam; after the world has changed, with what the helpdesk changed in them.

        A renamed queue has its new name on old tickets too; new products are in the exam, and in no ticket yet.
        """
        folder = self.folder / ("shuffled" if shuffled else "data")
        world, asked = (RENAMED, AFTER) if changed else (BEFORE, BEFORE)
        return write_tickets(folder, seed=SEED, shuffled=shuffled, world=world, asked=asked)

    def alone(self) -> AbstractContextManager[None]:
        """One demo at a time in one folder. Raises Conflict where there is another."""

        def taken(holder: str) -> Conflict:
            return Conflict(f"{self.folder}: process {holder} plays another demo here; wait for its end")

        return held(self.folder.with_suffix(".lock"), taken)


class Server:
    """``sluice serve`` for the demo's endpoint, started when it is first needed and ended with the demo."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.port = free_port(wanted=place.environment.serving.port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, unless it runs."""
        if self._process is not None:
            return
        command = [str(Path(sys.executable).with_name("sluice")), "serve", "demo", self.place.recipe.served_at]
        with (self.place.folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        process = {"pid": self._process.pid, "started": psutil.Process(self._process.pid).create_time()}
        replace_text(self.place.folder / "server.json", json.dumps(process))

    def wait(self, generation: int) -> float:
        """Waits until that generation serves; returns the seconds. Raises Failed when it does not come to that."""
        begun = time.monotonic()
        limit = self.place.environment.serving.ready_seconds
        while time.monotonic() < begun + limit:
            observed = self.place.endpoints.observed(self.place.recipe.served_at)
            if observed and observed.generation >= generation and observed.phase == "steady":
                return time.monotonic() - begun
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise Failed(f"generation {generation} does not serve; {self.place.folder / 'serve.log'} says why")

    def stop(self) -> None:
        """Ends it and all that it started."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._process = None


def end_left_over(place: Place) -> None:
    """Ends the server of a demo that was killed before it could."""
    with suppress(FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        recorded = json.loads((place.folder / "server.json").read_bytes())
        process = living_process(recorded["pid"], recorded["started"])
        if process:
            process.terminate()
            with suppress(psutil.TimeoutExpired):
                process.wait(GRACE_SECONDS)
