from __future__ import annotations

import base64
import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from components.core.attempt import Attempt, Outcome
from components.core.errors import Failed, InvalidInput
from components.core.store import Store
from components.data.probe import identity
from components.data.probe.inside import LINE, probe
from components.data.probe.settings import Probe

POD = "system:serviceaccount:kubeflow:sluice-steps"


def probed(store: Store, nonce: str = "n", first: str = "", second: str = "", account: str = "") -> Outcome:
    return probe(Attempt(store, "probe"), Probe(), nonce, first, second, account)


@contextmanager
def metadata_server(status: int, text: str) -> Iterator[str]:
    """Google's metadata server, as far as it says who runs; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Metadata-Flavor"] == "Google"
            assert self.path == "/computeMetadata/v1/instance/service-accounts/default/email"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def pod_token(path: Path, subject: str) -> Path:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    path.write_text(f"header.{claims}.signature")
    return path


def test_a_sound_store_is_told_with_who_runs_and_the_line_is_printed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = probed(store, "today")
    assert capsys.readouterr().out == f"{LINE}today\n"
    assert outcome.report.said == f"{store.uri} is written, read, and created in once; it runs as {getpass.getuser()}"
    assert outcome.word == outcome.report.attempt


def test_two_words_of_one_attempt_are_a_hit_and_two_attempts_are_none(store: Store) -> None:
    word, other = probed(store).word, probed(store).word
    assert "came from the cache" in probed(store, first=word, second=word).report.said
    with pytest.raises(Failed, match=r"cache: the second of two equal tasks was worked on anew; have caching enabled"):
        probed(store, first=word, second=other)


def test_a_report_that_another_machine_cannot_read_is_told(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"there is no probe/elsewhere/report\.json"):
        probed(store, first="elsewhere", second="elsewhere")


def test_a_store_that_creates_twice_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(key: str, data: bytes) -> bool:
        store.write(key, data)
        return True

    monkeypatch.setattr(store, "create", create)
    with pytest.raises(Failed, match="does not keep `create if absent`, so two runs could claim the same; use a store"):
        probed(store)


def test_a_store_that_gives_back_other_bytes_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "read", lambda _: b"others")
    with pytest.raises(Failed, match="gives back other bytes than were written"):
        probed(store)


def test_who_runs_on_google_is_held_against_the_environment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with metadata_server(200, "a@p.iam.gserviceaccount.com") as address:
        monkeypatch.setenv("GCE_METADATA_HOST", address)
        assert "runs as a@p.iam" in probed(store, account="a@p.iam.gserviceaccount.com").report.said
        with pytest.raises(InvalidInput, match=r"this step runs as a@p\.iam.*, and the environment names b@p\.iam"):
            probed(store, account="b@p.iam.gserviceaccount.com")


@pytest.mark.parametrize(("status", "text"), [(404, "none"), (200, "<html>")])
def test_a_metadata_server_that_cannot_tell_accuses_nobody(
    store: Store, monkeypatch: pytest.MonkeyPatch, status: int, text: str
) -> None:
    with metadata_server(status, text) as address:
        monkeypatch.setenv("GCE_METADATA_HOST", address)
        assert "cannot be told here" in probed(store, account="a@p").report.said
    assert "cannot be told here" in probed(store, account="a@p").report.said  # nobody listens there any more


def test_who_runs_in_a_pod_is_held_against_the_environment(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "KUBERNETES", pod_token(tmp_path / "token", POD))
    assert "runs as sluice-steps" in probed(store, account="sluice-steps").report.said
    with pytest.raises(InvalidInput, match="this step runs as sluice-steps, and the environment names another"):
        probed(store, account="another")


@pytest.mark.parametrize("text", ["", "no token", "a.###.b", "a.bm9uZQ.b", "a.e30.b", "a.W10.b"])
def test_a_token_that_names_nobody_accuses_nobody(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "token").write_text(text)
    monkeypatch.setattr(identity, "KUBERNETES", tmp_path / "token")
    assert "cannot be told here" in probed(store, account="sluice-steps").report.said
