from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.core.errors import Failed, InvalidInput
from components.core.google_secrets import FAKE
from components.core.masking import masked, masked_output, quoted, remember
from components.core.run import StepRun
from components.core.secrets import resolve_secret
from components.core.store import Store
from tests.contract.google.secret_manager import SecretManager
from tests.contract.google.server import Server

VALUE = "hf_planted value/4711"


def test_a_secret_comes_from_the_variable_that_its_name_says(monkeypatch) -> None:
    monkeypatch.setenv("SLUICE_SECRET_HF_TOKEN", "s3")
    assert resolve_secret("secret://hf-token") == "s3"


def test_a_secret_that_is_not_there_is_named_by_its_variable(monkeypatch) -> None:
    monkeypatch.delenv("SLUICE_SECRET_HF_TOKEN", raising=False)
    with pytest.raises(InvalidInput, match="SLUICE_SECRET_HF_TOKEN is not set"):
        resolve_secret("secret://hf-token")


def test_a_literal_is_not_taken_for_a_secret_and_not_repeated() -> None:
    with pytest.raises(InvalidInput) as raised:
        resolve_secret("hunter2")
    assert "hunter2" not in str(raised.value)


def test_a_reference_in_the_variable_is_asked_for_in_the_vault_and_its_value_is_known_for_a_secret(monkeypatch) -> None:
    vault = SecretManager()
    name = vault.add("projects/my-project/secrets/hub", b"told-by-the-vault")
    monkeypatch.setenv("SLUICE_SECRET_HF_TOKEN", f"secret://{name}")
    with Server(vault).running() as server:
        monkeypatch.setenv(FAKE, server.address)
        assert resolve_secret("secret://hf-token") == "told-by-the-vault"
    assert masked("a told-by-the-vault b") == "a [secret] b"
    assert masked(f"secret://{name}") == f"secret://{name}"


@pytest.mark.parametrize(
    "variable",
    [
        "SLUICE_SECRET_X",
        "HF_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
        "PGPASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "SLACK_WEBHOOK_URL",
    ],
)
def test_a_text_is_masked_as_it_is_and_as_in_an_address(monkeypatch, variable: str) -> None:
    monkeypatch.setenv(variable, VALUE)
    assert masked(f"x {VALUE} y hf_planted%20value%2F4711 z") == "x [secret] y [secret] z"


def test_what_is_no_secret_or_part_of_many_words_is_left(monkeypatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "sluice")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", "/var/run/token")
    assert masked("sluice reads /var/run/token") == "sluice reads /var/run/token"


def test_what_was_read_from_a_file_is_masked_once_it_is_known() -> None:
    assert masked(f"x {remember('a-token-out-of-a-file')} y") == "x [secret] y"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no such token: Bearer abcdefghij0123456789", "no such token: Bearer [secret]"),
        ('{"authorization":"bearer abcdefghij0123456789"}', '{"authorization":"bearer [secret]"}'),
        ("of ya29.a0AfB_byC-xyz expired", "of [secret] expired"),
        ("x eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2lnbmVk-_ y", "x [secret] y"),
        ("the bearer of this token is unknown", "the bearer of this token is unknown"),
    ],
)
def test_tokens_that_a_client_fetches_itself_are_known_by_their_form(text: str, said: str) -> None:
    assert masked(text) == said


def test_half_a_secret_is_masked_too(monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", VALUE)
    assert quoted(f"told\n{VALUE}", limit=10) == "told [secr"


def test_an_error_and_what_is_recorded_of_it_are_masked(monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", VALUE)
    assert str(Failed(f"the server says: {VALUE}")) == "the server says: [secret]"
    assert json.loads(StepRun(name="base", error=f"told {VALUE}").model_dump_json())["error"] == "told [secret]"


FAILS = """
import logging
import sys
from types import SimpleNamespace
from components.core.errors import Failed
from components.core.settings import StepSettings
from components.core.step import run_step

class Settings(StepSettings):
    pass

logging.basicConfig(level="INFO")

def method(attempt, settings):
    print("a library prints {value}")
    sys.stderr.writelines(["and {value}"])
    logging.getLogger("a.library").info("and logs %s", "{value}")
    try:
        raise KeyError("{value}")
    except KeyError as cause:
        raise {kind}("the server says: {value}") from cause

page = SimpleNamespace(path=sys.argv[1] + "/page", metadata={{}})
run_step(method, Settings(), step="base", store=sys.argv[1] + "/store", code="x", page=page, figures=page)
"""


def test_what_is_masked_while_a_step_works_is_not_afterwards(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HF_TOKEN", VALUE)
    with masked_output():
        print(VALUE)
        print(VALUE, file=sys.stderr)
    print(VALUE)
    assert capsys.readouterr() == (f"[secret]\n{VALUE}\n", "[secret]\n")


@pytest.mark.parametrize("kind", ["Failed", "RuntimeError"])
def test_a_step_that_fails_with_a_secret_in_its_words_does_not_repeat_it(
    monkeypatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", VALUE)
    script = FAILS.format(value=VALUE, kind=kind)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert done.returncode != 0
    assert VALUE not in done.stdout + done.stderr
    assert "a library prints [secret]" in done.stdout
    assert "INFO:a.library:and logs [secret]" in done.stderr
    leave = json.loads(done.stdout.splitlines()[-1])
    assert leave["message"].endswith("the server says: [secret]")
    assert ("Traceback" in done.stderr) == (kind == "RuntimeError")
    report = Store(str(tmp_path / "store")).read(leave["report"])
    assert b"the server says: [secret]" in report
