"""The dispatcher as a service: carries out the run requests in an environment's store, each one once.

It looks through the store from time to time, and at a request at once when a message says that one was written (HTTP,
as Pub/Sub pushes). Either may come twice, late, or never, and the process may end anywhere: what was made of a request
is written down after it was started, and starting it again finds the same run.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from components.core.errors import Conflict, Failed, InvalidInput, Refused, SluiceError
from components.core.moment import parse_moment
from components.core.run import Run
from components.core.run_request import FOLDER
from components.core.store import Store
from pipelines.backends.backend import open_backend
from pipelines.dispatched import DONE, Dispatched, made_of
from pipelines.dispatcher import dispatch, read_request
from pipelines.environment import Environment
from pipelines.notify import is_news, tell_of
from pipelines.recipe import RecipeBase
from pipelines.runs import RunFolder

MOST_BYTES = 256 * 1024
"""Of a message; a notification has one or two kB."""
_NAME = re.compile(rf"(?:^|/){FOLDER}/([0-9a-f]{{64}})\.json$")
_AGAIN = re.compile(rf"^{FOLDER}/([0-9a-f]{{64}})/([a-z][-a-z0-9]*)$")
_LOG = logging.getLogger(__name__)


@dataclass
class DispatchService:
    """Carries out requests for some recipes in one environment."""

    environment: Environment
    recipes: tuple[RecipeBase, ...]
    _one: threading.Lock = field(default_factory=threading.Lock)
    """Within this process one at a time; another process is kept off by the run's claim."""
    _told: set[str] = field(default_factory=set)
    """Runs whose end was told of, by us or by others."""

    def __post_init__(self) -> None:
        self.store = Store(self.environment.store)
        self._by_digest = {recipe.digest: recipe for recipe in self.recipes}

    def carry_out(self, name: str, after: str = "") -> Dispatched | None:
        """Starts what a request asks for, and says what was made of it; None where it is for another dispatcher.

        ``after`` is the run that was given up where it is asked for again: another attempt is made, if it was.
        Raises Failed for what may pass, Conflict where another process is at it: ask again then.
        """
        with self._one:
            known = made_of(self.store, name, after)
            if known is not None:
                return known
            recipe = self._recipe_of(name)
            if recipe is None:
                return None
            began = datetime.now(UTC)
            try:
                folder = dispatch(name, recipe, self.environment)
            except (Failed, Conflict):
                raise
            except SluiceError as error:
                made, said = Dispatched(request=name, refused=str(error), after=after), str(error)
            else:
                made, said = Dispatched(request=name, run=folder.run, after=after), _started(folder, began)
            self.store.create(made.key, made.to_bytes())
            _say(made, said)
            return made

    def _recipe_of(self, name: str) -> RecipeBase | None:
        """The recipe that a request is for, if it is one of ours. Nothing is made of a request that is damaged: whoever
        asks again mends it."""
        try:
            request = read_request(self.store, name)
        except (InvalidInput, Refused) as error:
            _LOG.warning("%s", error)
            return None
        return self._by_digest.get(request.recipe) if request.environment == self.environment.name else None

    def look(self) -> list[Dispatched]:
        """Carries out all requests that nothing was made of yet; one that fails is left for the next time."""
        done = {key.removeprefix(f"{DONE}/") for key in self.store.list(DONE)}
        found = list[Dispatched]()
        for key in self.store.list(FOLDER):
            asked = _NAME.search(key) or _AGAIN.search(key)
            if asked is None or f"{key.removeprefix(f'{FOLDER}/').removesuffix('.json')}.json" in done:
                continue
            try:
                made = self.carry_out(*asked.groups())
            except (Failed, Conflict) as error:
                _LOG.warning("request %s: %s; tried again", asked[1][:12], error)
                continue
            if made is not None:
                found.append(made)
        self._tell()
        return found

    def _tell(self) -> None:
        """Notifies whom the end of a run concerns that nobody follows; a service that is away is asked again."""
        if not self.environment.webhook:
            return
        try:
            backend = open_backend(self.environment)
            backend.fetch()
            ended = [
                run
                for folder, run in backend.runs.records()
                if isinstance(run, Run) and run.run not in self._told and backend.runs.has(folder)
            ]
        except SluiceError as error:
            _LOG.warning("which runs have ended is not known: %s; looked again", error)
            return
        for run in ended:
            if is_news(run, datetime.now(UTC)):
                self._told.add(run.run)
                tell_of(run, self.environment)

    def keep_looking(self, seconds: float) -> None:
        """Looks again and again, until the process is told to end; a store that is away is tried again."""
        while True:
            try:
                self.look()
            except Failed as error:
                _LOG.warning("%s; tried again", error)
            time.sleep(seconds)


def named_in(message: Mapping[str, Any]) -> str | None:
    """The request that a push message of Pub/Sub is about (a notification of Cloud Storage); None for another object.

    Raises InvalidInput for what is no such message.
    """
    inner = message.get("message")
    if not isinstance(inner, dict):
        raise InvalidInput("the body has no `message`; a push subscription of Pub/Sub, not unwrapped, sends one")
    attributes = inner.get("attributes")
    place = attributes.get("objectId") if isinstance(attributes, dict) else None
    if place is None:
        try:
            place = json.loads(base64.b64decode(inner.get("data") or "", validate=True)).get("name")
        except (ValueError, binascii.Error, AttributeError, TypeError) as error:
            raise InvalidInput(
                "the message names no object: it has neither `objectId` nor data with a `name`"
            ) from error
    found = _NAME.search(place) if isinstance(place, str) else None
    return found[1] if found else None


def server(service: DispatchService, host: str, port: int) -> ThreadingHTTPServer:
    """The HTTP server that takes messages (``POST /``) and says that it lives (``GET /healthz``).

    A message that was dealt with, or that will never make sense, is answered 2xx: it does not come again. One that may
    work later is answered 503, and Pub/Sub sends it again. Raises Failed where the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            self._answer(HTTPStatus.OK if self.path == "/healthz" else HTTPStatus.NOT_FOUND, {"status": self.path})

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or int(length) > MOST_BYTES:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"send at most {MOST_BYTES} bytes"})
                return
            self._answer(*answer(service, self.rfile.read(int(length))))

        def log_message(self, format: str, *args: Any) -> None:
            _LOG.debug(format, *args)

        def _answer(self, status: HTTPStatus, document: Mapping[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise Failed(f"dispatcher: cannot listen on {host}:{port}: {error.strerror}; take another --port") from error


def answer(service: DispatchService, body: bytes) -> tuple[HTTPStatus, dict[str, Any]]:
    """What is answered to a message, once it was dealt with."""
    try:
        message = json.loads(body)
        name = named_in(message if isinstance(message, dict) else {})
        made = service.carry_out(name) if name else None
    except (Failed, Conflict) as error:
        return HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)}
    except (ValueError, RecursionError, InvalidInput) as error:
        _LOG.warning("a message that makes no sense was dropped: %s", error)
        return HTTPStatus.ACCEPTED, {"error": str(error)}
    return HTTPStatus.OK, made.model_dump(mode="json") if made else {"ignored": True}


def _started(folder: RunFolder, began: datetime) -> str:
    """Whether a run was asked for by us, or by somebody before ``began``: a command, or a dispatcher that has died."""
    asked = folder.launch().now
    if parse_moment(asked) < began:
        return f"was asked for before, at {asked}, and carried out as {folder.run}; nothing else is started"
    return f"started {folder.run}"


def _say(made: Dispatched, said: str) -> None:
    """One line of JSON, as Cloud Logging reads it."""
    line = {"severity": "WARNING" if made.refused else "INFO", "message": said}
    print(json.dumps({**line, "request": made.request, "run": made.run}, ensure_ascii=False), flush=True)
