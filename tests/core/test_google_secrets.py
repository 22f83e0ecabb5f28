"""Secrets of Secret Manager: Google's own client against a fake that holds its requests against the description."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import secretmanager

from components.core import google_vault
from components.core.errors import Failed, InvalidInput, SluiceError
from components.core.google_secrets import FAKE, secret_value
from tests.contract.google.secret_manager import SecretManager
from tests.contract.google.server import Server

SECRET = "projects/my-project/secrets/hub-token"
FIRST, LATEST = f"{SECRET}/versions/1", f"{SECRET}/versions/latest"
VALUE = "hf_planted-value-4711"


@dataclass
class Vault:
    server: Server
    secrets: SecretManager
    waited: list[float]


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    service, waited = SecretManager(), list[float]()
    service.add(SECRET, VALUE.encode())
    with Server(service).running() as server:
        monkeypatch.setenv(FAKE, server.address)
        monkeypatch.setattr(google_vault.time, "sleep", waited.append)
        monkeypatch.setattr(google_vault, "SECONDS", 0.5)
        yield Vault(server, service, waited)


def refused(name: str = FIRST) -> str:
    """What is said where no value comes: a sentence in which it is not, nor in anything that led to it."""
    with pytest.raises(SluiceError) as told:
        secret_value(name)
    assert VALUE not in "".join(traceback.format_exception(told.value))
    assert "\n" not in str(told.value)
    return f"{type(told.value).__name__} {told.value}"


def test_a_version_is_given_by_number_and_by_alias_and_the_latest_is_the_newest(vault: Vault) -> None:
    assert secret_value(FIRST) == secret_value(LATEST) == VALUE
    vault.secrets.add(SECRET, b"another\r\n")
    assert secret_value(LATEST) == "another"
    assert secret_value(FIRST) == VALUE
    vault.secrets.values[f"{SECRET}/versions/live"] = b"by alias"
    assert secret_value(f"{SECRET}/versions/live") == "by alias"
    assert {one.path for one in vault.server.requests} == {
        f"/v1/{SECRET}/versions/{version}:access" for version in ("1", "latest", "live")
    }


def change(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda payload: payload.update(fields)


@pytest.mark.parametrize(
    ("corruption", "said"),
    [
        (change(dataCrc32c="1"), "the value and its checksum did not arrive together"),
        (lambda payload: payload.pop("dataCrc32c"), "the value and its checksum did not arrive together"),
        (lambda payload: payload.pop("data"), "the value and its checksum did not arrive together"),
        (
            lambda payload: payload.update(data=payload["data"][4:]),
            "the value and its checksum did not arrive together",
        ),
        (change(dataCrc32c=VALUE), "what came is no secret"),
        (change(data={VALUE: VALUE}), "what came is no secret"),
    ],
)
def test_an_answer_that_does_not_hold_is_asked_for_again_and_at_last_refused(
    vault: Vault, corruption: Callable[[dict[str, Any]], object], said: str
) -> None:
    vault.secrets.corrupt(corruption, times=2)
    assert secret_value(FIRST) == VALUE
    assert vault.waited == [1.0, 2.0]
    vault.secrets.corrupt(corruption, times=3)
    told = (
        f"Failed secret {FIRST}: was not given: 3 answers were corrupted on their way: {said}; see what stands between"
    )
    assert refused() == told


@pytest.mark.parametrize("how", [429, 500, 503, "drop before", "drop after", "slow"])
def test_a_fault_that_passes_is_waited_for(vault: Vault, how: int | str) -> None:
    vault.server.fail("versions.access", how, times=2, seconds=1.0)
    assert secret_value(FIRST) == VALUE
    assert vault.waited == [1.0, 2.0]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (401, "renew the login"),
        (403, "give this account roles/secretmanager.secretAccessor on the secret"),
        (404, "make the secret, or correct its name, its version or the project in the environment file"),
        (429, "run again in a minute, or ask for more quota"),
        (500, "run again when the vault answers"),
        (503, "run again when the vault answers"),
        ("drop before", "the vault cannot be reached"),
        ("drop after", "the vault cannot be reached"),
        ("slow", "the vault cannot be reached"),
    ],
)
def test_a_fault_that_stays_is_one_sentence(vault: Vault, how: int | str, said: str) -> None:
    vault.server.fail("versions.access", how, times=3, seconds=1.0)
    told = refused()
    assert f"secret {FIRST}: was not given: " in told
    assert said in told


def test_a_long_wait_is_left_to_a_person(vault: Vault) -> None:
    vault.server.fail("versions.access", 429, headers={"Retry-After": "7"})
    assert secret_value(FIRST) == VALUE
    assert vault.waited == [7.0]
    vault.server.fail("versions.access", 429, headers={"Retry-After": "3600"})
    assert refused().startswith("Failed")


def test_a_secret_that_cannot_be_used_is_told(vault: Vault) -> None:
    cases = {
        vault.secrets.add(SECRET, None): "is in DISABLED state; see its state in the console",
        vault.secrets.add(SECRET, b"\n"): "is empty",
        vault.secrets.add(SECRET, VALUE.encode() + b"\xff"): "is no text",
        f"{SECRET}/versions/99": "not found; make the secret",
        "projects/my-project/secrets/none/versions/latest": "not found or has no versions; make the secret",
    }
    for name, said in cases.items():
        told = refused(name)
        assert told.startswith("InvalidInput")
        assert said in told


@pytest.mark.parametrize("name", ["", SECRET, f"{FIRST}/", f"{FIRST}\n", f"/{FIRST}", f"{SECRET}/versions/.."])
def test_what_names_no_version_is_not_asked_for(vault: Vault, name: str) -> None:
    with pytest.raises(InvalidInput, match="is none; write projects/PROJECT/secrets/NAME/versions/VERSION"):
        secret_value(name)
    assert vault.server.requests == []


def test_without_credentials_it_is_said_how_to_log_in(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(**options: Any) -> None:
        raise DefaultCredentialsError("Your default credentials were not found.")

    monkeypatch.delenv(FAKE)
    monkeypatch.setattr(secretmanager, "SecretManagerServiceClient", nobody)
    with pytest.raises(Failed, match="was not given: Your default credentials were not found; renew the login"):
        secret_value(FIRST)


@pytest.mark.parametrize("address", ["http://secrets.example", "http://127.0.0.1.example:80", "https://10.0.0.1"])
def test_a_fake_elsewhere_is_never_asked(vault: Vault, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(FAKE, address)
    with pytest.raises(InvalidInput, match=f"{FAKE}: {address} is not on this machine.*unset it"):
        secret_value(FIRST)
