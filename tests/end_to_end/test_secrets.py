"""Nothing that is written holds a secret: values that can be told from everything else are planted wherever secrets are
kept, a recipe fails with one of them in a library's words, and all files, requests and printed lines are gone through.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.core.google_secrets import FAKE
from components.core.run_request import RequestedInput, RunRequest
from components.core.store import Store
from pipelines.compile import compile_graphs
from pipelines.demo.tickets import write_tickets
from pipelines.environment import Environment, load_environment
from pipelines.recipe import RecipeBase, load_recipe
from tests.contract.cluster import Cluster, KubeflowPlay, VertexPlay
from tests.contract.google.cloud_logging import CloudLogging
from tests.contract.google.secret_manager import SecretManager
from tests.contract.google.server import Server as Google
from tests.contract.google.storage import Storage
from tests.contract.google.vertex import Vertex
from tests.contract.kubeflow.server import Server as Kubeflow
from tests.contract.loopback import Loopback
from tests.end_to_end.conftest import RECIPE, Project
from tests.end_to_end.test_clouds import THERE, environment_of
from tests.pipelines.conftest import add

HUB_TOKEN, WEBHOOK_PATH = "hf_planted+Zq7Hub/Token", "T0/planted+Zq7Webhook"
VARIABLES = {
    "HF_TOKEN": HUB_TOKEN,
    "KFP_TOKEN": "planted+Zq7Kfp/Token",
    "PGPASSWORD": "planted+Zq7Postgres",
    "MLFLOW_TRACKING_USERNAME": "sluice",
    "MLFLOW_TRACKING_PASSWORD": "planted+Zq7Mlflow",
    "AWS_SECRET_ACCESS_KEY": "planted+Zq7Aws/Secret",
    "AWS_SESSION_TOKEN": "planted+Zq7Aws/Session",
}
GOOGLE_TOKEN = "ya29.planted+Zq7Access"
MARK = "Zq7"
"""What is in every planted value and in nothing else."""
COMMIT = "0123456789" * 4


class Outside:
    """A hub that repeats the token that it was shown, a webhook's receiver that is out of order, and where an account
    of Google's gets its tokens."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.told: list[tuple[str, bytes]] = []

    @contextmanager
    def running(self) -> Iterator[str]:
        """Listens while the block runs; its address."""
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outside.shown.append(self.headers.get("Authorization", ""))
                self._answer(418, f"no such token: {outside.shown[-1]}")

            do_HEAD = do_GET

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/token":
                    token = {"access_token": GOOGLE_TOKEN, "expires_in": 3600, "token_type": "Bearer"}
                    self._answer(200, "OK", json.dumps(token).encode())
                else:
                    outside.told.append((self.path, body))
                    self._answer(500, "out of order")

            def _answer(self, status: int, reason: str, body: bytes = b"") -> None:
                self.send_response(status, reason)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@dataclass
class Place:
    """A project, where it is run, and all that the fakes were sent and the commands printed."""

    project: Project
    outside: Outside
    vault: SecretManager
    heard: dict[str, bytes] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    """The logins that the fakes were shown while they repeated them."""
    repeats: str = ""
    """A pattern of paths: a request to one is refused in words that repeat its login."""
    env: str = "here.yaml"

    def sluice(self, *words: str, code: int | None = 0) -> str:
        """Runs a command in the environment and keeps what it printed."""
        done = self.project.sluice(*words, "--env", self.env, code=code)
        self.printed[" ".join(words)] = done.stdout + done.stderr
        return done.stdout

    def listen(self, server: Loopback) -> None:
        """Keeps each request that comes to a fake, but for the header that is to carry a token."""
        answer: Callable[[web.Request], Any] = server.answer

        async def heard(came: web.Request) -> web.StreamResponse:
            headers = {name: value for name, value in came.headers.items() if name != "Authorization"}
            line = f"{came.method} {came.path_qs} {headers}\n"
            self.heard[f"request {len(self.heard)}: {came.method} {came.path}"] = line.encode() + await came.read()
            if re.match(self.repeats or "$.", came.path):
                login = came.headers.get("Authorization", "")
                self.shown.add(login)
                return web.json_response(refusal(f"{login} may not. " * 8 + login), status=403)
            found: web.StreamResponse = await answer(came)
            return found

        server.answer = heard  # type: ignore[method-assign]


@pytest.fixture(params=["local", "vertex", "kubeflow"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "project"
    write_tickets(folder / "data", seed=3, genuine=300, questions=60)
    found = Place(Project(folder), Outside(), SecretManager())
    with ExitStack() as stack:
        address = stack.enter_context(found.outside.running())
        monkeypatch.setenv("OUR_WEBHOOK", f"{address}/{WEBHOOK_PATH}")
        (tmp_path / "login.json").write_text(json.dumps(account(f"{address}/token")))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
        recipe = RECIPE[: RECIPE.index("base:")] + RECIPE[RECIPE.index("tokenise:") :]
        hub = {"id": "acme/chat", "revision": COMMIT, "endpoint": address, "token": "secret://hf-token"}
        recipe += f"base: {json.dumps({'hub': hub})}\n"
        if request.param != "local":
            recipe = recipe.replace("root: data", "root: gs://desk/data")
            found.env = THERE
            _put_there(request.param, found, stack, monkeypatch)
        (folder / "recipe.yaml").write_text(recipe)
        here = load_environment("local").model_dump(mode="json", exclude_defaults=True)
        here |= {"name": "here", "webhook": "env://OUR_WEBHOOK"}
        (folder / "here.yaml").write_text(yaml.safe_dump(here))
        yield found


def refusal(words: str) -> dict[str, Any]:
    """What both services send: one has the words in the error, the other beside it."""
    return {"error": {"message": words}, "message": words}


def account(token_uri: str) -> dict[str, str]:
    """The key file of a service account."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    about = {"type": "service_account", "project_id": "sluice-example", "private_key_id": "1", "token_uri": token_uri}
    return about | {"client_email": "me@sluice-example.iam.gserviceaccount.com", "private_key": pem}


def _put_there(backend: str, place: Place, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What plays a service, and an environment on it; on Kubeflow a pod is given its secrets, so they are here."""
    folder, logging, vertex, kubeflow = place.project.folder, CloudLogging(), Vertex(), Kubeflow()
    google = Google(Storage("desk"), vertex, logging, place.vault)
    for server in (google, kubeflow):
        place.listen(server)
        stack.enter_context(server.running())
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", google.address)
    monkeypatch.setenv(FAKE, google.address)
    for path in (folder / "data").iterdir():
        Store("gs://desk/data").upload(path, path.name)
    there = environment_of(backend, folder, google.address if backend == "vertex" else kubeflow.address)
    if backend == "vertex":
        place.vault.add("projects/sluice-example/secrets/hub", HUB_TOKEN.encode())
        place.vault.add("projects/sluice-example/secrets/slack", os.environ["OUR_WEBHOOK"].encode())
        there |= {"webhook": "secret://slack", "secrets": {"hf-token": "secret://hub"}}
        monkeypatch.delenv("HF_TOKEN")
        monkeypatch.delenv("OUR_WEBHOOK")
    else:
        there |= {"webhook": "env://OUR_WEBHOOK", "token": "env://KFP_TOKEN", "secrets": {"hf-token": "secret://hub/t"}}
        monkeypatch.setenv("SLUICE_SECRET_HF_TOKEN", HUB_TOKEN)
    (folder / THERE).write_text(yaml.safe_dump(there))
    play = VertexPlay(vertex, logging) if backend == "vertex" else KubeflowPlay(kubeflow)
    stack.enter_context(Cluster(folder / "machines", play).running())


def planted(data: bytes) -> bool:
    """Whether a planted value is in a text, as it is, as in an address, or encoded; or a key."""
    values = [*VARIABLES.values(), GOOGLE_TOKEN, WEBHOOK_PATH]
    encoded = [_encoded(value) for value in values if MARK in value]
    return any(form.encode() in data for form in (MARK, "PRIVATE KEY", *encoded))


def written(place: Place) -> list[Path]:
    """All files of the project but the keys that sign, which are kept there."""
    files = [path for path in place.project.folder.rglob("*") if path.is_file()]
    return [path for path in files if path.suffix != ".pem"]


def asked(recipe: RecipeBase, environment: Environment) -> str:
    """A release that a lifecycle asks for, on what is a model in name alone; the request's name."""
    store, model = Store(environment.store), add(environment, "weights")
    inputs = tuple(
        RequestedInput(role=role, content_digest=model.content_digest, reference=model.reference())
        for role in ("model", "overlap", "suites")
    )
    spec = compile_graphs(recipe, environment)["release"].digest
    facts = {"graph": "release", "spec": spec, "asker": "lifecycle", "recipe": recipe.digest, "inputs": inputs}
    request = RunRequest(**facts, environment=environment.name)
    request.put(store)
    return request.name


def repeated(place: Place) -> list[str]:
    """Where a planted value is among all that was printed, sent and written."""
    found = [name for name, text in place.printed.items() if planted(text.encode())]
    found += [name for name, data in place.heard.items() if planted(data)]
    found += [f"notification {data!r}" for _, data in place.outside.told if planted(data)]
    return found + [str(path) for path in written(place) if planted(path.read_bytes())]


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode().rstrip("=")


@pytest.mark.parametrize("value", [HUB_TOKEN, quote(HUB_TOKEN, safe=""), _encoded(HUB_TOKEN), WEBHOOK_PATH])
def test_a_planted_value_would_be_found(value: str) -> None:
    assert planted(f"x {value} y".encode())
    assert not planted(b"hf-token secret://hub SLUICE_SECRET_HF_TOKEN")


@pytest.mark.long
def test_no_planted_value_is_in_anything_that_is_written(place: Place) -> None:
    place.sluice("compile", "recipe.yaml")
    if place.env != "here.yaml":  # on this machine the first run makes them
        for name in ("release", "monitor"):
            place.sluice("keys", "new", name)
    place.sluice("run", "recipe.yaml", code=4)
    assert f"Bearer {HUB_TOKEN}" in place.outside.shown
    status = json.loads(place.sluice("status", "latest", "--json", code=4))
    assert "no such token: Bearer [secret]" in status["error"]
    for words in (("status", "latest"), ("logs", "latest", "base"), ("report", "latest"), ("runs", "--json")):
        place.sluice(*words, code=4 if words[0] == "status" else 0)
    place.sluice("why", "latest", "base")
    if not place.vault.values:  # the doctor asks Google about more than is played here
        place.sluice("doctor", code=None)
    assert place.outside.told
    assert {path for path, _ in place.outside.told} == {f"/{WEBHOOK_PATH}"}
    assert "did not arrive: the receiver answered 500" in place.printed["run recipe.yaml"]
    assert repeated(place) == []
    assert (place.project.folder / "build").exists()
    assert place.heard or place.env == "here.yaml"


@pytest.mark.long
@pytest.mark.parametrize("place", ["vertex", "kubeflow"], indirect=True)
def test_what_a_service_repeats_of_the_login_that_it_was_shown_is_nowhere(place: Place, monkeypatch) -> None:
    monkeypatch.chdir(place.project.folder)
    for name in ("release", "monitor"):
        place.sluice("keys", "new", name)
    environment, recipe = load_environment(THERE), load_recipe(Path("recipe.yaml"))
    request = asked(recipe, environment)
    place.repeats = "(?!/(storage|upload|download|resumable|token))"
    for words in (
        ("run", "recipe.yaml"),
        ("smoke",),
        ("schedule", "recipe.yaml", "--every", "0 3 * * 1"),
        ("schedules",),
        ("dispatch", "recipe.yaml", "--once"),
        ("doctor",),
    ):
        place.sluice(*words, code=None)
    # what may be permitted later is asked again, so nothing of it is kept
    assert not Store(environment.store).exists(f"dispatched/{request}.json")
    login = "Bearer [secret]" if any(place.shown) else ""  # Vertex AI's client shows none to a fake
    said = [place.printed["run recipe.yaml"], place.printed["dispatch recipe.yaml --once"]]
    assert [f"{login} may not." in text for text in said] == [True, True]
    place.repeats = "/(storage|upload|download|resumable)"
    place.sluice("run", "recipe.yaml", code=4)
    place.sluice("runs", code=None)
    assert any(MARK in login for login in place.shown)
    assert repeated(place) == []


def test_a_client_s_key_is_printed_once_and_kept_nowhere(project: Project) -> None:
    key = json.loads(project.sluice("api-keys", "new", "desk", "--json").stdout)["key"]
    assert key not in project.sluice("api-keys", "list").stdout
    kept = [path for path in project.folder.rglob("*") if path.is_file()]
    assert any("desk" in path.read_text(errors="replace") for path in kept)
    assert [path for path in kept if key.encode() in path.read_bytes()] == []
