"""Notifications against receivers that take them, refuse them, are slow, rude or dead."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components.core import google_vault
from components.core.google_secrets import FAKE
from components.core.run import Run, State
from pipelines import notify as notifications
from pipelines.environment import LocalEnvironment, load_environment
from pipelines.notify import NEWS, Event, What, events_of, is_news, message, notify, tell_of
from tests.contract.google.secret_manager import SecretManager
from tests.contract.google.server import Server

EVENT = Event(What.ALERT, "Alert: nobody asked.", "monitoring-helpdesk-1234")
SECRET = "T0000/very-secret"


def environment(webhook: str | None = "env://WEBHOOK") -> LocalEnvironment:
    return LocalEnvironment(version=1, name="local", backend="local", store="store", webhook=webhook)


class Receiver:
    """What arrived, and how it is answered."""

    def __init__(self) -> None:
        self.bodies: list[dict] = []
        self.statuses: list[int] = []
        self.location = ""
        self.wait: Callable[[], object] = lambda: None


@contextmanager
def listening(receiver: Receiver) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            receiver.wait()
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Prints nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/{SECRET}?a=b"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def told(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Tells of an event; returns whether it arrived and what was printed."""

    def tell(address: str = "", given: LocalEnvironment | None = None) -> tuple[bool, str]:
        with listening(receiver) as own:
            monkeypatch.setenv("WEBHOOK", address or own)
            arrived = notify(given or environment(), EVENT)
        printed = capsys.readouterr()
        assert SECRET not in printed.out + printed.err
        assert printed.out == ""
        return arrived, printed.err

    return tell


def test_an_event_arrives_in_slacks_shape(told, receiver: Receiver) -> None:
    assert told() == (True, "")
    (body,) = receiver.bodies
    assert body["text"] == "Sluice, local: alert: Alert: nobody asked."
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "context"]
    assert body["blocks"][2]["elements"][0]["text"] == EVENT.run


def test_without_a_webhook_nothing_is_sent_and_nothing_said(told, receiver: Receiver) -> None:
    assert told(given=environment(None)) == (False, "")
    assert receiver.bodies == []


def test_a_receiver_that_fails_once_is_asked_again(told, receiver: Receiver) -> None:
    receiver.statuses = [500]
    assert told() == (True, "")
    assert len(receiver.bodies) == 2


def test_a_receiver_that_goes_on_failing_is_told_of_in_one_line(told, receiver: Receiver) -> None:
    receiver.statuses = [500, 503, 200]
    arrived, printed = told()
    assert (arrived, len(receiver.bodies)) == (False, 2)
    assert printed == "notification (alert) did not arrive: the receiver answered 503\n"


def test_a_receiver_that_says_no_is_not_asked_again(told, receiver: Receiver) -> None:
    receiver.statuses = [404]
    assert told() == (False, "notification (alert) did not arrive: the receiver answered 404\n")
    assert len(receiver.bodies) == 1


def test_a_redirection_is_not_followed(told, receiver: Receiver) -> None:
    elsewhere = Receiver()
    with listening(elsewhere) as other:
        receiver.statuses, receiver.location = [307], other
        arrived, printed = told()
    assert not arrived
    assert "answered 307, a redirection, which is not followed" in printed
    assert elsewhere.bodies == []


def test_a_slow_receiver_fails_nothing(told, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "SECONDS", 0.2)
    enough = threading.Event()
    receiver.wait = lambda: enough.wait(30)
    with listening(Receiver()):
        threading.Timer(2, enough.set).start()
        arrived, printed = told()
    assert (arrived, printed) == (False, "notification (alert) did not arrive: no answer within 0.2 seconds\n")


def test_a_receiver_that_drips_its_answer_gets_no_longer_than_others(told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "SECONDS", 0.3)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                threading.Thread(target=_drip, args=(connection, ended), daemon=True).start()

        threading.Thread(target=drip, daemon=True).start()
        arrived, printed = told(f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}")
        ended.set()
    assert (arrived, printed) == (False, "notification (alert) did not arrive: no answer within 0.3 seconds\n")


def _drip(connection: socket.socket, ended: threading.Event) -> None:
    with connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not ended.wait(0.1):
            connection.sendall(b"x")


def test_a_dead_receiver_fails_nothing(told) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    arrived, printed = told(f"http://127.0.0.1:{port}/{SECRET}")
    assert not arrived
    assert printed == "notification (alert) did not arrive: the receiver cannot be reached: Connection refused\n"


@pytest.mark.parametrize("rude", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 999999 what\r\n\r\n"])
def test_a_receiver_that_speaks_another_language_fails_nothing(told, rude: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(rude)

        threading.Thread(target=answer, daemon=True).start()
        arrived, printed = told(f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}")
    assert not arrived
    assert printed.startswith("notification (alert) did not arrive: the receiver cannot be reached")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "address",
    [f"ftp://host/{SECRET}", f"http:///{SECRET}", SECRET, f"http://host:99999/{SECRET}", f"http://[::1/{SECRET}"],
)
def test_what_is_no_address_is_told_of_without_being_printed(told, address: str) -> None:
    assert told(address) == (
        False,
        "notification (alert) did not arrive: env://WEBHOOK holds no address of a webhook; put one there\n",
    )


def test_an_address_that_cannot_be_spoken_to_is_not_printed_either(told) -> None:
    arrived, printed = told(f"http://127.0.0.1:1/a b\n{SECRET}")
    assert not arrived
    assert "did not arrive" in printed


def test_a_variable_that_is_not_set_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WEBHOOK", raising=False)
    assert not notify(environment(), EVENT)
    assert "the variable WEBHOOK is not set" in capsys.readouterr().err


def test_a_secret_is_read_as_in_a_step_where_no_vault_has_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SLUICE_SECRET_OUR_WEBHOOK", raising=False)
    assert not notify(environment("secret://our/webhook"), EVENT)
    assert "the variable SLUICE_SECRET_OUR_WEBHOOK is not set" in capsys.readouterr().err


def test_on_vertex_the_address_is_asked_for_in_secret_manager(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = load_environment("vertex").model_copy(update={"webhook": "secret://slack"})
    vault = SecretManager()
    monkeypatch.setattr(google_vault, "WAIT_SECONDS", (0.0, 0.0))
    with listening(receiver) as address, Server(vault).running() as server:
        monkeypatch.setenv(FAKE, server.address)
        vault.add("projects/sluice-example/secrets/slack", f"{address}\n".encode())
        assert notify(there, EVENT)
        assert len(receiver.bodies) == 1
        server.fail("versions.access", 403)
        assert not notify(there, EVENT)
    said = capsys.readouterr().err
    assert "notification (alert) did not arrive: secret projects/sluice-example/secrets/slack/versions/latest" in said
    assert "roles/secretmanager.secretAccessor" in said
    assert SECRET not in said


def test_the_texts_of_strangers_call_nobody_and_link_nowhere() -> None:
    body = message("local", Event(What.FAILED, "<!channel> <http://evil|here> & more", "run"))
    assert "<" not in body["text"]
    assert all(block.get("text", {}).get("type", "plain_text") == "plain_text" for block in body["blocks"])


def test_a_long_text_fits_into_a_block_and_an_empty_one_is_none() -> None:
    assert len(message("local", Event(What.FAILED, "x" * 10_000))["blocks"][1]["text"]["text"]) < 3_000
    assert message("local", Event(What.FAILED, ""))["blocks"][1]["text"]["text"]


def a_run(graph: str, state: State, **changes: object) -> Run:
    facts = dict.fromkeys(("backend", "recipe", "recipe_digest", "environment", "environment_digest"), "x")
    given = {"run": f"{graph}-1", "graph": graph, "state": state, "spec": "", "now": "", "outcome": "It was decided."}
    return Run(**{**facts, **given, **changes})


@pytest.mark.parametrize(
    ("run", "what"),
    [
        (a_run("lifecycle", State.FAILED, error="finetune: no memory"), What.FAILED),
        (a_run("release", State.REFUSED), What.REFUSED),
        (a_run("release", State.HELD), What.HELD),
        (a_run("monitoring", State.HELD), What.ALERT),
        (a_run("monitoring", State.DONE, requests=("abc",)), What.RETRAINING),
    ],
)
def test_people_are_told_of(run: Run, what: What) -> None:
    (event,) = events_of(run)
    assert (event.what, event.run) == (what, run.run)
    assert event.text == (run.error or run.outcome)


@pytest.mark.parametrize(
    "run",
    [
        a_run("lifecycle", State.DONE, requests=("abc",)),
        a_run("release", State.DONE),
        a_run("monitoring", State.DONE),
        a_run("lifecycle", State.CANCELLED),
        a_run("lifecycle", State.RUNNING),
    ],
)
def test_people_are_not_told_of(run: Run) -> None:
    assert events_of(run) == []


def test_a_failure_without_a_word_is_told_of_too() -> None:
    assert events_of(a_run("lifecycle", State.FAILED))[0].text


def in_a_store(folder: Path, webhook: str = "env://WEBHOOK") -> LocalEnvironment:
    return environment(webhook).model_copy(update={"store": str(folder / "store")})


def test_of_many_who_see_a_runs_end_one_tells(receiver: Receiver, tmp_path: Path, monkeypatch) -> None:
    place, ended = in_a_store(tmp_path), a_run("release", State.REFUSED)
    with listening(receiver) as own:
        monkeypatch.setenv("WEBHOOK", own)
        threads = [threading.Thread(target=tell_of, args=(ended, place)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tell_of(ended, place)
        tell_of(ended.model_copy(update={"run": "release-2"}), place)
    assert [body["blocks"][2]["elements"][0]["text"] for body in receiver.bodies] == ["release-1", "release-2"]


def test_who_cannot_send_leaves_it_to_another(receiver: Receiver, tmp_path: Path, monkeypatch, capsys) -> None:
    place, ended = in_a_store(tmp_path), a_run("lifecycle", State.FAILED, error="no memory")
    monkeypatch.delenv("WEBHOOK", raising=False)
    tell_of(ended, place)
    assert "the variable WEBHOOK is not set" in capsys.readouterr().err
    with listening(receiver) as own:
        monkeypatch.setenv("WEBHOOK", own)
        tell_of(ended, place)
    assert len(receiver.bodies) == 1


def test_a_store_that_is_away_fails_nothing(receiver: Receiver, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "store").write_text("no folder")
    with listening(receiver) as own:
        monkeypatch.setenv("WEBHOOK", own)
        tell_of(a_run("release", State.HELD), in_a_store(tmp_path))
    assert receiver.bodies == []
    assert capsys.readouterr().err.startswith("notification (held run) did not arrive: store ")


def test_what_ended_long_ago_or_has_not_ended_is_no_news() -> None:
    now = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    for ended, news in ((now - NEWS / 2, True), (now - NEWS, False)):
        assert is_news(a_run("release", State.HELD, ended=ended.isoformat()), now) is news
    assert not is_news(a_run("release", State.RUNNING), now)
