"""Trust roots in S3, played by moto's server: made with the first key, changed by one at a time, and read by a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner

from components.core.errors import Conflict, Failed, InvalidInput
from components.core.s3_objects import S3Objects
from components.core.trust import SERVICES, read_trust
from pipelines.environment import Environment, load_environment
from pipelines.keys import add_key, read_public, retire_key
from pipelines.signers import check_signer
from tests.contract.s3 import s3

TRUST = "s3://sluice-example-trust/trust.json"


@pytest.fixture
def kubeflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Environment]:
    """The shipped example, and the bucket that it names for the trust roots."""
    from s3fs import S3FileSystem

    monkeypatch.chdir(tmp_path)
    with s3(monkeypatch, "sluice-example-trust"):
        S3FileSystem.clear_instance_cache()
        yield load_environment("kubeflow")


def with_person(environment: Environment) -> Environment:
    """The environment, with a key of anna's."""
    return environment.model_copy(update={"keys": {**environment.keys, "anna": "awskms:alias/anna"}})


def public_pem() -> bytes:
    """The public part of a key of the kind that AWS KMS makes."""
    key = CryptoSigner.generate_ecdsa()._private_key.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_newcomer_s_commands_lead_to_trust_roots_that_a_run_may_start_with(kubeflow: Environment, typed) -> None:
    with pytest.raises(InvalidInput, match=rf"there are no trust roots {TRUST}"):
        check_signer(kubeflow, "lifecycle")
    for name in SERVICES:
        Path(f"{name}.pem").write_bytes(public_pem())
        code, _, said = typed("keys", "add", name, "--public", f"{name}.pem", "--env", "kubeflow")
        assert (code, said) == (0, "")
    listed = json.loads(typed("keys", "list", "--env", "kubeflow", "--json")[1])
    assert [key["name"] for key in listed] == [*SERVICES]
    for graph in ("lifecycle", "monitoring"):
        check_signer(kubeflow, graph)


def test_a_key_is_replaced_by_retiring_it_and_adding_the_other(kubeflow: Environment) -> None:
    first = add_key(kubeflow, "release", read_public(public_pem(), ""))
    with pytest.raises(InvalidInput, match=r"has an active key.*`sluice keys retire release --env kubeflow`"):
        add_key(kubeflow, "release", read_public(public_pem(), ""))
    assert retire_key(kubeflow, "release").removed is None
    second = add_key(kubeflow, "release", read_public(public_pem(), ""))
    trust = read_trust(TRUST)
    assert trust.active_key("release") == second
    assert [key.key_id for key in trust.keys] == [first.key_id, second.key_id]


@pytest.mark.parametrize("before", [[], ["anna"]])
def test_of_two_who_change_them_at_once_the_second_is_told(
    kubeflow: Environment, monkeypatch: pytest.MonkeyPatch, before: list[str]
) -> None:
    for name in before:
        add_key(with_person(kubeflow), name, read_public(public_pem(), ""))
    write = S3Objects.write

    def late(*given: object) -> None:
        monkeypatch.setattr(S3Objects, "write", write)
        add_key(kubeflow, "monitor", read_public(public_pem(), ""))
        write(*given)

    monkeypatch.setattr(S3Objects, "write", late)
    with pytest.raises(Conflict, match=r"nothing was changed.*`sluice keys list --env kubeflow`"):
        add_key(kubeflow, "release", read_public(public_pem(), ""))
    assert [key.name for key in read_trust(TRUST).keys] == [*before, "monitor"]


def test_an_answer_that_was_lost_is_known_for_ones_own(kubeflow: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    write = S3Objects.write

    def twice(*given: object) -> None:
        write(*given)
        write(*given)

    monkeypatch.setattr(S3Objects, "write", twice)
    add_key(kubeflow, "release", read_public(public_pem(), ""))
    assert [key.name for key in read_trust(TRUST).keys] == ["release"]


def test_a_bucket_that_is_not_there_and_a_place_that_is_none_are_sentences(kubeflow: Environment) -> None:
    fields = read_public(public_pem(), "")
    for trust, kind, said in (
        ("s3://nowhere/trust.json", Failed, "create the bucket, or correct its name in `trust`"),
        ("s3://bucket", InvalidInput, "write `trust: s3://BUCKET/NAME`"),
        ("memory://trust.json", InvalidInput, "where they cannot be changed; name a file"),
    ):
        with pytest.raises(kind, match=said):
            add_key(kubeflow.model_copy(update={"trust": trust}), "release", fields)


def test_without_a_login_nothing_is_guessed(kubeflow: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    with pytest.raises(Failed, match="there is no login for S3 here"):
        add_key(kubeflow, "release", read_public(public_pem(), ""))
