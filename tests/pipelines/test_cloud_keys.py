"""Keys in Cloud KMS and trust roots in Cloud Storage, against fakes of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.core import gcs_objects, google_kms, google_vault
from components.core.decision import DecisionKind
from components.core.errors import Conflict, Failed, InvalidInput
from components.core.signing import sign, vault_key, verify
from components.core.trust import SERVICES, TrustRoots, read_trust
from pipelines.environment import Environment, environment_from, load_environment
from pipelines.keys import add_key, key_address, prepare, retire_key, revoke_key, rotate_key
from pipelines.proof.find import own_trust, trust_roots
from pipelines.proof.tree import Mark
from tests.contract.google.kms import Kms
from tests.contract.google.server import Server
from tests.contract.google.storage import Storage
from tests.core.keyring import Keyring

TRUST = "gs://sluice-example-trust/trust.json"


@dataclass
class Cloud:
    server: Server
    storage: Storage
    kms: Kms

    def version(self, environment: Environment, name: str = "release") -> str:
        """Makes the key version that an environment names; returns its address."""
        address = environment.keys[name]
        self.kms.make(address.removeprefix("gcpkms:"))
        return address


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    monkeypatch.chdir(tmp_path)
    storage, kms = Storage("sluice-example-trust"), Kms()
    with Server(storage, kms).running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        monkeypatch.setenv(google_kms.FAKE, server.address)
        monkeypatch.setattr(google_vault, "WAIT_SECONDS", (0.0, 0.0))
        monkeypatch.setattr(gcs_objects, "FIRST_SECONDS", 0.01)
        from gcsfs.core import GCSFileSystem

        GCSFileSystem.clear_instance_cache()
        yield Cloud(server, storage, kms)


@pytest.fixture
def vertex() -> Environment:
    return load_environment("vertex")


@pytest.fixture
def sluice(typed):
    """As in a project, which there is none of here."""
    return typed


def signed(environment: Environment, trust: TrustRoots, at: datetime) -> bytes:
    ends = at + timedelta(days=7)
    given = {"environment": environment.name, "issued": at.isoformat(), "expires": ends.isoformat()}
    decision = Keyring(Path()).decision(trust.active_key("release"), kind=DecisionKind.RELEASE, **given)
    return sign(decision, key_address(environment, "release"), trust)


def second_version(environment: Environment) -> Environment:
    document = environment.model_dump(mode="json")
    document["keys"]["release"] = document["keys"]["release"].removesuffix("/1") + "/2"
    return environment_from(document)


def test_services_are_trusted_with_two_commands_and_no_file(cloud: Cloud, vertex: Environment, sluice) -> None:
    for name in SERVICES:
        address = cloud.version(vertex, name)
        code, out, err = sluice("keys", "add", name, "--env", "vertex")
        assert (code, err) == (0, "")
        assert f"trusts {address} as the key of {name}" in out
    trust = read_trust(TRUST)
    assert {key.name: key.signs for key in trust.keys} == SERVICES
    assert trust.active_key("release").scheme == "ecdsa-sha2-nistp256"
    assert verify(signed(vertex, trust, datetime.now(UTC)), trust, "here").signer == "release"
    assert [key["name"] for key in json.loads(sluice("keys", "list", "--env", "vertex", "--json")[1])] == [*SERVICES]


def test_a_person_s_key_elsewhere_in_the_vault_is_named(cloud: Cloud, vertex: Environment, sluice) -> None:
    address = vertex.keys["release"].replace("release", "anna")
    cloud.kms.make(address.removeprefix("gcpkms:"), "RSA_SIGN_PKCS1_2048_SHA256")
    with_anna = environment_from({**vertex.model_dump(mode="json"), "keys": {**vertex.keys, "anna": address}})
    Path("environments").mkdir()
    Path("environments/vertex.yaml").write_text(json.dumps(with_anna.model_dump(mode="json")))
    assert sluice("keys", "add", "anna", "--from", address, "--env", "vertex")[0] == 0
    assert read_trust(TRUST).active_key("anna").scheme == "rsa-pkcs1v15-sha256"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "gcpkms:projects/p"), "pins no version of a key of Cloud KMS"),
        (("--from", "awskms:alias/x"), "cannot be fetched from there"),
        (("--from", "gcpkms:x", "--public", "x.pem"), "--public and --from: name one of the two"),
        (("--scheme", "ed25519"), "--scheme: belongs to --public"),
        ((), "not found"),
    ],
)
def test_what_cannot_be_trusted_is_a_sentence(cloud: Cloud, sluice, words: tuple[str, ...], said: str) -> None:
    Path("x.pem").write_text("x")
    code, out, err = sluice("keys", "add", "release", *words, "--env", "vertex")
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert cloud.storage.buckets["sluice-example-trust"] == {}


def test_another_version_takes_over_and_what_the_old_one_signed_holds(
    cloud: Cloud, vertex: Environment, sluice
) -> None:
    cloud.version(vertex)
    first = add_key(vertex, "release", vault_key(vertex.keys["release"]))
    before = signed(vertex, read_trust(TRUST), datetime.now(UTC))
    with pytest.raises(InvalidInput, match="a key belongs to one name"):
        rotate_key(vertex, "release")
    later = second_version(vertex)
    cloud.version(later)
    second, path = rotate_key(later, "release")
    trust = read_trust(TRUST)
    assert (path, second.signs, trust.active_key("release")) == (None, first.signs, second)
    after = signed(later, trust, datetime.now(UTC))
    assert [verify(one, trust, "here").key_id for one in (before, after)] == [first.key_id, second.key_id]
    with pytest.raises(InvalidInput, match="is not the one that the trust roots name"):
        signed(vertex, trust, datetime.now(UTC))


def test_ended_keys_leave_nothing_here_to_remove(cloud: Cloud, vertex: Environment) -> None:
    cloud.version(vertex)
    add_key(vertex, "release", vault_key(vertex.keys["release"]))
    named = environment_from({**vertex.model_dump(mode="json"), "keys": {}})
    assert retire_key(named, "release").removed is None
    assert revoke_key(named, read_trust(TRUST).keys[0].key_id, why="seen in a log").key.revoked
    assert prepare(named) == []


def test_of_two_who_change_the_trust_roots_at_once_the_second_is_told(
    cloud: Cloud, vertex: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SERVICES:
        cloud.version(vertex, name)
    fields = {name: vault_key(vertex.keys[name]) for name in SERVICES}
    write = gcs_objects.GcsObjects.write

    def late(*given: Any) -> None:
        monkeypatch.setattr(gcs_objects.GcsObjects, "write", write)
        add_key(vertex, "monitor", fields["monitor"])
        write(*given)

    monkeypatch.setattr(gcs_objects.GcsObjects, "write", late)
    with pytest.raises(Conflict, match=r"trust roots gs://.*: somebody else changed them meanwhile; nothing was"):
        add_key(vertex, "release", fields["release"])
    assert [key.name for key in read_trust(TRUST).keys] == ["monitor"]
    add_key(vertex, "release", fields["release"])
    assert [key.name for key in read_trust(TRUST).keys] == ["monitor", "release"]


@pytest.mark.parametrize("how", [429, 503, "drop before", "drop after"])
def test_a_change_whose_answer_was_lost_is_known_for_ones_own(cloud: Cloud, vertex: Environment, how) -> None:
    cloud.version(vertex)
    fields = vault_key(vertex.keys["release"])
    cloud.server.fail("objects.insert", how)
    add_key(vertex, "release", fields)
    assert [key.name for key in read_trust(TRUST).keys] == ["release"]
    assert {one.query["ifGenerationMatch"] for one in cloud.server.asked("objects.insert")} == {"0"}


@pytest.mark.parametrize(
    ("how", "said"), [(401, "log in again"), (403, "roles/storage.objectUser"), (400, "look what")]
)
def test_trust_roots_that_cannot_be_changed_are_a_sentence(cloud: Cloud, vertex: Environment, how, said) -> None:
    cloud.version(vertex)
    fields = vault_key(vertex.keys["release"])
    cloud.server.fail("objects.insert", how, times=5)
    with pytest.raises(Failed, match=rf"trust roots {TRUST}: .*{said}"):
        add_key(vertex, "release", fields)


def test_trust_roots_in_a_bucket_are_read_and_verified_by(cloud: Cloud, vertex: Environment) -> None:
    cloud.version(vertex)
    add_key(vertex, "release", vault_key(vertex.keys["release"]))
    trust, node = trust_roots(vertex)
    assert (node.mark, [key.name for key in trust.keys]) == (Mark.HOLDS, ["release"])
    assert own_trust(TRUST)[0] == trust


def test_trust_roots_that_are_not_there_are_told_as_such(cloud: Cloud, vertex: Environment) -> None:
    with pytest.raises(InvalidInput, match=rf"trust roots: there is no {TRUST}; bring it back from a copy"):
        read_trust(TRUST)
    assert trust_roots(vertex)[1].mark is Mark.NOTE
    with pytest.raises(InvalidInput, match="is no object of a bucket"):
        add_key(vertex.model_copy(update={"trust": "gs://bucket"}), "release", {})
    with pytest.raises(InvalidInput, match="trust roots: there is no gs://bucket"):
        read_trust("gs://bucket")


@pytest.mark.parametrize("how", [401, 403, 500])
def test_trust_roots_that_cannot_be_read_trust_nobody(cloud: Cloud, vertex: Environment, how, monkeypatch) -> None:
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", _at_once)
    for operation in ("objects.get", "objects.list"):
        cloud.server.fail(operation, how, times=50)
    with pytest.raises(Failed, match=r"trust roots: store gs://sluice-example-trust: cannot read trust.json: "):
        read_trust(TRUST)
    trust, node = trust_roots(vertex)
    assert (trust.keys, node.mark) == ((), Mark.BROKEN)


async def _at_once(seconds: float) -> None:
    """Waits for nothing."""
