"""Signing by a key of Cloud KMS: Google's own client against a fake that holds its requests against the description."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import kms

from components.core import google_vault
from components.core.decision import DecisionKind
from components.core.errors import Failed, InvalidInput, Refused, SluiceError
from components.core.google_kms import FAKE, SCHEMES, public_part
from components.core.signers import key_version
from components.core.signing import sign, sign_payload, vault_key, verify
from components.core.trust import TrustedKey, TrustRoots
from tests.contract.google.kms import CHECKSUM, Kms
from tests.contract.google.server import Server
from tests.core.keyring import Keyring, moment

KEY = "projects/p/locations/europe-west4/keyRings/sluice/cryptoKeys/release/cryptoKeyVersions"
VERSION, OTHER = f"{KEY}/1", f"{KEY}/2"
ADDRESS = f"gcpkms:{VERSION}"


@dataclass
class Vault:
    server: Server
    kms: Kms
    waited: list[float]

    def trusted(self, version: str = VERSION) -> TrustRoots:
        """Trust roots that name a version, as its public part was fetched."""
        fields = vault_key(f"gcpkms:{version}")
        key = TrustedKey(name="release", signs=(DecisionKind.RELEASE,), added=moment(), **fields)
        return TrustRoots(keys=(key,))


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    service, waited = Kms(), list[float]()
    service.make(VERSION)
    with Server(service).running() as server:
        monkeypatch.setenv(FAKE, server.address)
        monkeypatch.setattr(google_vault.time, "sleep", waited.append)
        monkeypatch.setattr(google_vault, "SECONDS", 0.5)
        yield Vault(server, service, waited)


def signed(trust: TrustRoots, address: str = ADDRESS) -> bytes:
    return sign(Keyring(Path()).decision(trust.keys[0]), address, trust)


@pytest.mark.parametrize("algorithm", sorted({name for name in SCHEMES if "4096" not in name and "3072" not in name}))
def test_what_the_vault_signs_is_verified_without_it(vault: Vault, monkeypatch, algorithm: str) -> None:
    vault.kms.make(VERSION, algorithm)
    trust = vault.trusted()
    envelope = signed(trust)
    monkeypatch.setenv(FAKE, "http://127.0.0.1:1")
    assert verify(envelope, trust, "here").signer == "release"
    flipped = [envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :] for at in range(0, len(envelope), 7)]
    for changed in flipped:
        with pytest.raises(Refused):
            verify(changed, trust, "here")


def test_a_digest_with_its_checksum_leaves_the_house_and_no_statement_does(vault: Vault) -> None:
    signed(vault.trusted())
    (asked,) = vault.server.asked("asymmetricSign")
    assert asked.path.endswith(f"{VERSION}:asymmetricSign")
    assert set(asked.body) == {"digest", "digestCrc32c"}
    digest = base64.b64decode(asked.body["digest"]["sha256"])
    assert int(asked.body["digestCrc32c"]) == google_crc32c.value(digest)


def change(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda answer: answer.update(fields)


def without(field: str) -> Callable[[dict[str, Any]], object]:
    return lambda answer: answer.pop(field)


def another_signature(answer: dict[str, Any]) -> None:
    data = bytearray(base64.b64decode(answer["signature"]))
    data[-1] ^= 1
    answer["signature"] = base64.b64encode(bytes(data)).decode()


CORRUPTIONS = pytest.mark.parametrize(
    ("corruption", "said"),
    [
        (change(verifiedDigestCrc32c=False), "the digest's checksum did not arrive there"),
        (without("verifiedDigestCrc32c"), "the digest's checksum did not arrive there"),
        (change(signatureCrc32c="1"), "the signature and its checksum did not arrive together"),
        (without("signatureCrc32c"), "the signature and its checksum did not arrive together"),
        (without("signature"), "the signature and its checksum did not arrive together"),
        (another_signature, "the signature and its checksum did not arrive together"),
    ],
)


@CORRUPTIONS
def test_an_answer_that_does_not_hold_is_asked_for_again_and_at_last_refused(
    vault: Vault, corruption: Callable[[dict[str, Any]], object], said: str
) -> None:
    trust = vault.trusted()
    vault.kms.corrupt(corruption, times=2)
    assert verify(signed(trust), trust, "here")
    assert vault.waited == [1.0, 2.0]
    vault.kms.corrupt(corruption, times=3)
    with pytest.raises(Failed, match=f"key {ADDRESS}: did not sign: 3 answers were corrupted.*{said}"):
        signed(trust)


@pytest.mark.parametrize(
    ("corruption", "said"),
    [
        (change(pemCrc32c="1"), "the public key and its checksum did not arrive together"),
        (without("pemCrc32c"), "the public key and its checksum"),
        (lambda answer: answer.update(pem=answer["pem"].replace("A", "B")), "the public key and its checksum"),
    ],
)
def test_a_public_key_that_does_not_hold_is_refused_too(vault: Vault, corruption: Any, said: str) -> None:
    vault.kms.corrupt(corruption, times=2)
    assert public_part(ADDRESS).scheme == "ecdsa-sha2-nistp256"
    vault.kms.corrupt(corruption, times=3)
    with pytest.raises(Failed, match=f"its public part was not given: 3 answers were corrupted.*{said}"):
        public_part(ADDRESS)


def test_a_digest_that_was_corrupted_on_its_way_there_is_sent_again(vault: Vault) -> None:
    trust = vault.trusted()
    vault.server.fail("asymmetricSign", 400, message=CHECKSUM, times=2)
    assert signed(trust)
    vault.server.fail("asymmetricSign", 400, message=CHECKSUM, times=3)
    with pytest.raises(Failed, match="did not match the data in field digest"):
        signed(trust)


@pytest.mark.parametrize("name", [OTHER, "", f"{KEY}/1/"])
def test_an_answer_about_another_version_is_refused_at_once(vault: Vault, name: str) -> None:
    trust = vault.trusted()
    for use in (lambda: signed(trust), lambda: public_part(ADDRESS)):
        vault.kms.corrupt(change(name=name))
        with pytest.raises(Failed, match=rf"key {ADDRESS}: the vault answered for .*nothing of it counts"):
            use()
    assert vault.waited == []


def test_a_version_that_the_trust_roots_do_not_name_signs_nothing(vault: Vault) -> None:
    vault.kms.make(OTHER)
    trust = vault.trusted()
    use = [
        lambda: signed(trust, f"gcpkms:{OTHER}"),
        lambda: sign_payload(b"{}", "application/x", f"gcpkms:{OTHER}", trust.keys[0]),
    ]
    for one in use:
        with pytest.raises(InvalidInput, match=r"cryptoKeyVersions/2: is not the one that the trust roots name; .*"):
            one()


@pytest.mark.parametrize("state", ["DISABLED", "DESTROY_SCHEDULED", "DESTROYED"])
def test_a_version_that_is_not_enabled_is_told(vault: Vault, state: str) -> None:
    trust = vault.trusted()
    vault.kms.versions[VERSION].state = state
    with pytest.raises(InvalidInput, match=f"did not sign: .*current state is: {state}; see its state"):
        signed(trust)


def test_a_key_of_another_kind_signs_no_decision(vault: Vault) -> None:
    vault.kms.versions[VERSION].algorithm = "RSA_DECRYPT_OAEP_2048_SHA256"
    with pytest.raises(InvalidInput, match=r"its algorithm RSA_DECRYPT_OAEP_2048_SHA256 cannot sign decisions; make"):
        public_part(ADDRESS)


def test_a_trusted_key_that_no_version_can_be_is_told(vault: Vault, tmp_path: Path) -> None:
    ring = Keyring(tmp_path)
    key = ring.add("release")
    with pytest.raises(InvalidInput, match="no key of Cloud KMS signs a digest by the scheme ed25519"):
        sign(ring.decision(key), ADDRESS, ring.trust)
    assert vault.server.asked("asymmetricSign") == []


@pytest.mark.parametrize("how", [429, 500, 503, "drop before", "drop after", "slow"])
def test_a_fault_that_passes_is_waited_for(vault: Vault, how: int | str) -> None:
    trust = vault.trusted()
    vault.server.fail("asymmetricSign", how, times=2, seconds=1.0)
    assert verify(signed(trust), trust, "here")
    assert vault.waited == [1.0, 2.0]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (401, "renew the login"),
        (403, r"Forbidden.*roles/cloudkms.signer"),
        (404, r"correct the key's address"),
        (409, "Conflict"),
        (429, "ask for more quota"),
        (500, "run again when the vault answers"),
        (503, "run again when the vault answers"),
        ("drop before", "the vault cannot be reached"),
        ("drop after", "the vault cannot be reached"),
        ("slow", "the vault cannot be reached"),
    ],
)
def test_a_fault_that_stays_is_one_sentence(vault: Vault, how: int | str, said: str) -> None:
    trust = vault.trusted()
    uses = {
        "asymmetricSign": ("did not sign", lambda: signed(trust)),
        "getPublicKey": ("its public part was not given", lambda: public_part(ADDRESS)),
    }
    for operation, (problem, use) in uses.items():
        vault.server.fail(operation, how, times=3, seconds=1.0)
        with pytest.raises(SluiceError, match=f"^key {ADDRESS}: {problem}: .*{said}") as told:
            use()
        assert "\n" not in str(told.value)
        assert "http" not in str(told.value).replace(vault.server.address.removeprefix("http://"), "")


def test_the_vault_says_how_long_to_wait_and_a_person_waits_for_longer(vault: Vault) -> None:
    trust = vault.trusted()
    vault.server.fail("asymmetricSign", 429, headers={"Retry-After": "7"})
    assert signed(trust)
    assert vault.waited == [7.0]
    vault.server.fail("asymmetricSign", 429, headers={"Retry-After": "3600"})
    with pytest.raises(Failed, match="ask for more quota"):
        signed(trust)
    assert vault.waited == [7.0]


def test_without_credentials_it_is_said_how_to_log_in(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    trust = vault.trusted()

    def nobody(**options: Any) -> None:
        raise DefaultCredentialsError("Your default credentials were not found.")

    monkeypatch.delenv(FAKE)
    monkeypatch.setattr(kms, "KeyManagementServiceClient", nobody)
    with pytest.raises(Failed, match="did not sign: Your default credentials were not found; renew the login"):
        signed(trust)


@pytest.mark.parametrize("address", ["http://kms.example", "http://127.0.0.1.example:80", "https://10.0.0.1", "x"])
def test_a_fake_elsewhere_is_never_asked(vault: Vault, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    trust = vault.trusted()
    monkeypatch.setenv(FAKE, address)
    with pytest.raises(InvalidInput, match=f"{FAKE}: {address} is not on this machine.*unset it"):
        signed(trust)


@pytest.mark.parametrize(
    "address",
    [
        "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k",
        f"gcpkms:{KEY}/",
        f"gcpkms:{KEY}/0",
        f"gcpkms:{KEY}/latest",
        f"gcpkms:/{VERSION}",
        f"gcpkms://{VERSION}",
        f"gcpkms:{VERSION}/",
        f"gcpkms:{VERSION}\n",
        VERSION,
        "",
    ],
)
def test_an_address_that_pins_no_version_is_invalid(vault: Vault, address: str) -> None:
    with pytest.raises(ValueError, match="pins no version"):
        key_version(address)
    with pytest.raises(InvalidInput, match="pins no version"):
        public_part(address)
    trust = vault.trusted()
    with pytest.raises(InvalidInput, match=r"^key "):
        signed(trust, address)
    assert vault.server.asked("asymmetricSign") == []


def test_a_public_key_is_the_one_that_the_vault_holds(vault: Vault) -> None:
    part = public_part(ADDRESS)
    assert load_pem_public_key(part.pem) == vault.kms.versions[VERSION].private.public_key()


def test_a_public_part_that_is_none_and_a_vault_that_gives_none_are_told(vault: Vault) -> None:
    nonsense = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    vault.kms.corrupt(change(pem=nonsense, pemCrc32c=str(google_crc32c.value(nonsense.encode()))))
    with pytest.raises(InvalidInput, match="its public part is none"):
        vault_key(ADDRESS)
    with pytest.raises(InvalidInput, match=r"key awskms:alias/x: its public part cannot be fetched.*--public"):
        vault_key("awskms:alias/x")
