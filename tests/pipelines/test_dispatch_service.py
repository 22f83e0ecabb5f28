"""The dispatcher as a service: each request once, whatever comes twice, late, damaged or not at all."""

from __future__ import annotations

import base64
import json
import os
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.core.canonical import sha256
from components.core.errors import Failed, InvalidInput
from components.core.run import Run, State
from components.core.run_request import RunRequest
from components.core.store import Store
from pipelines import dispatch_service
from pipelines.backends import local_run
from pipelines.compile import Compiled
from pipelines.dispatch_service import Dispatched, DispatchService, answer, named_in, server
from pipelines.environment import LocalEnvironment
from pipelines.recipe import load_recipe
from pipelines.runs import RunFolder
from tests.pipelines.small import RECIPE

SPEC = "the text of a compiled graph"


class Place:
    """An environment with a recipe, what was spawned in it, and its dispatcher."""

    def __init__(self, folder: Path) -> None:
        (folder / "recipe.yaml").write_text(RECIPE)
        self.recipe = load_recipe(folder / "recipe.yaml")
        self.environment = LocalEnvironment(
            version=1, name="local", backend="local", store=str(folder / "store"), runs=str(folder / "runs")
        )
        self.store, self.spawned = Store(self.environment.store), list[str]()

    @property
    def service(self) -> DispatchService:
        """A dispatcher that has just been started."""
        return DispatchService(self.environment, (self.recipe,))

    def ask(self, **changes: str) -> str:
        """Puts a run request into the store and returns its name."""
        facts = {"graph": "release", "spec": sha256(SPEC), "asker": "lifecycle", "recipe": self.recipe.digest}
        request = RunRequest(**{**facts, "environment": "local", **changes})
        request.put(self.store)
        return request.name

    def made(self, name: str) -> Dispatched:
        """What the store says was made of a request."""
        key = Dispatched(request=name).key
        return Dispatched.read(self.store.read(key), key)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path)

    def spawn(folder: RunFolder) -> None:
        folder.claim(os.getpid())
        place.spawned.append(folder.run)

    monkeypatch.setattr(local_run, "_spawn", spawn)
    monkeypatch.setattr("pipelines.compile.compile_graphs", lambda *_: {"release": Compiled("release", "local", SPEC)})
    return place


def pushed(name: str) -> bytes:
    """A message as Pub/Sub pushes it for a new object of the store."""
    return json.dumps(
        {"message": {"attributes": {"objectId": f"store/requests/{name}.json"}, "messageId": "1"}}
    ).encode()


def test_what_is_asked_for_is_started_once_by_looks_and_messages_in_any_order(place: Place) -> None:
    first, second = place.ask(), place.ask(case="another")
    service = place.service
    assert answer(service, pushed(second))[0] == 200
    assert [made.request for made in service.look()] == [first]
    assert service.look() == []
    assert answer(service, pushed(second))[1]["run"] == place.made(second).run
    assert place.service.look() == []
    assert sorted(place.spawned) == sorted([place.made(first).run, place.made(second).run])


@pytest.mark.parametrize("at", ["before it was started", "before it was written down"])
def test_killed_in_between_the_next_one_goes_on_and_starts_no_second_run(
    place: Place, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    name, real = place.ask(), dispatch_service.dispatch

    def killed(*given: Any) -> RunFolder:
        if at == "before it was written down":
            real(*given)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(dispatch_service, "dispatch", killed)
        with pytest.raises(SystemExit):
            place.service.look()
    assert not place.store.exists(Dispatched(request=name).key)
    assert [made.run for made in place.service.look()] == place.spawned


def test_what_somebody_has_started_before_is_not_said_to_be_started(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = place.ask(), place.ask(case="another")
    before = dispatch_service.dispatch(first, place.recipe, place.environment)  # as `sluice run` does itself
    place.service.look()
    said = {line["request"]: line["message"] for line in map(json.loads, capsys.readouterr().out.splitlines())}
    when = f"was asked for before, at {before.launch().now}, and carried out as {before.run}"
    assert said == {first: f"{when}; nothing else is started", second: f"started {place.made(second).run}"}
    assert place.spawned == [before.run, place.made(second).run]


def test_many_dispatchers_at_once_start_one_run(place: Place) -> None:
    place.ask()
    services = [place.service for _ in range(8)]
    threads = [threading.Thread(target=service.look) for service in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(place.spawned) == 1


def test_who_may_not_ask_is_refused_once_and_the_store_says_why(place: Place) -> None:
    name = place.ask(asker="monitoring")
    assert answer(place.service, pushed(name))[0] == 200  # nothing would come of sending it again
    assert "monitoring may not ask for release" in place.made(name).refused
    assert (place.service.look(), place.spawned) == ([], [])


def test_what_may_pass_is_asked_for_again_and_what_passed_is_carried_out(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> RunFolder:
        raise Failed("the service does not answer")

    name = place.ask()
    with monkeypatch.context() as patch:
        patch.setattr(dispatch_service, "dispatch", away)
        assert answer(place.service, pushed(name)) == (503, {"error": "the service does not answer"})
        assert place.service.look() == []
    assert len(place.service.look()) == len(place.spawned) == 1


@pytest.mark.parametrize("changes", [{"recipe": "f" * 64}, {"environment": "production"}])
def test_what_another_dispatcher_is_for_is_left_to_it(place: Place, changes: dict[str, str]) -> None:
    name = place.ask(**changes)
    assert answer(place.service, pushed(name)) == (200, {"ignored": True})
    assert not place.store.exists(Dispatched(request=name).key)


def test_a_damaged_request_is_left_until_it_is_asked_again(place: Place) -> None:
    name = place.ask()
    place.store.write(f"requests/{name}.json", b"{")
    assert (place.service.look(), place.spawned) == ([], [])
    place.ask()
    assert len(place.service.look()) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"message": 1}', b'{"message": {"data": "?"}}', b"[" * 9999]
)
def test_a_message_that_makes_no_sense_does_not_come_again(place: Place, body: bytes) -> None:
    assert answer(place.service, body)[0] == 202


def test_a_message_names_its_object_in_an_attribute_or_in_its_data() -> None:
    name = "a" * 64
    data = base64.b64encode(json.dumps({"name": f"requests/{name}.json"}).encode()).decode()
    assert named_in({"message": {"data": data}}) == named_in(json.loads(pushed(name))) == name
    assert named_in({"message": {"attributes": {"objectId": "reports/x.json"}}}) is None
    with pytest.raises(InvalidInput, match="names no object"):
        named_in({"message": {}})


def test_over_http_a_message_is_answered_and_a_port_that_is_taken_is_said(place: Place) -> None:
    name = place.ask()
    with server(place.service, "127.0.0.1", 0) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{listening.server_port}"
        with urllib.request.urlopen(f"{address}/healthz", timeout=10) as said:
            assert said.status == 200
        with urllib.request.urlopen(urllib.request.Request(address, pushed(name)), timeout=10) as said:
            assert json.load(said)["run"] == place.spawned[0]
        with pytest.raises(urllib.error.HTTPError, match="413"):
            urllib.request.urlopen(urllib.request.Request(address, b"x" * 300_000), timeout=10)
        with pytest.raises(Failed, match="cannot listen on"):
            server(place.service, "127.0.0.1", listening.server_port)
        listening.shutdown()


def test_runs_that_nobody_follows_are_told_of_when_they_have_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[str]()
    monkeypatch.setattr(dispatch_service, "tell_of", lambda run, environment: told.append(run.run))
    place.environment = place.environment.model_copy(update={"webhook": "env://WEBHOOK"})
    place.ask()
    service = place.service
    (made,) = service.look()
    folder = RunFolder(Path(place.environment.runs) / made.run)
    assert told == []
    launch = folder.launch()
    given = dict.fromkeys(("recipe", "recipe_digest", "environment", "environment_digest", "spec", "now"), "x")
    run = Run(run=made.run, graph=launch.graph, backend="elsewhere", **given)
    ended = {"state": State.FAILED, "ended": datetime.now(UTC).isoformat()}
    for change, expected in (({}, []), (ended, [made.run]), (ended, [made.run])):
        folder.write(run.model_copy(update=change))
        service.look()
        assert told == expected
    old = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    folder.write(run.model_copy(update={**ended, "ended": old}))
    place.service.look()
    assert told == [made.run]


def test_a_service_that_is_away_keeps_nobody_from_dispatching(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(environment: LocalEnvironment) -> None:
        raise Failed("Vertex AI: no answer in time")

    monkeypatch.setattr(dispatch_service, "open_backend", away)
    place.environment = place.environment.model_copy(update={"webhook": "env://WEBHOOK"})
    place.ask()
    assert len(place.service.look()) == 1
    assert "which runs have ended is not known: Vertex AI: no answer in time; looked again" in caplog.text
