"""A fake of Cloud KMS: ``asymmetricSign`` and ``getPublicKey`` of key versions that sign a digest.

The signatures are real ones, and so are the checksums unless ``corrupt`` says otherwise. It does not imitate: making
keys, rings and versions, who may use which, protection by hardware, keys that decrypt, sign data whole or are not RSA's
or NIST's curves', a version's way from PENDING_GENERATION on, and the delay until a change of its state counts.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import google_crc32c
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.contract.google.server import ApiError, Request

HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}
CHECKSUM = "The checksum in field digest_crc32c did not match the data in field digest."
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass
class Version:
    """A key version. ``state`` is the service's word for whether it can be used."""

    algorithm: str
    private: Private
    state: str = "ENABLED"


class Kms:
    """The service. ``corrupt`` changes the next ``times`` answers after they were made."""

    documents = ("cloudkms.v1",)

    def __init__(self) -> None:
        self.versions: dict[str, Version] = {}
        self._corrupt: list[Callable[[dict[str, Any]], object]] = []

    def make(self, name: str, algorithm: str = "EC_SIGN_P256_SHA256") -> Version:
        """A new version of a key, of an algorithm as the service names them."""
        if algorithm.startswith("EC"):
            curve = ec.SECP256R1() if "P256" in algorithm else ec.SECP384R1()
            private: Private = ec.generate_private_key(curve)
        else:
            private = rsa.generate_private_key(
                65537, next(int(part) for part in algorithm.split("_") if part.isdigit())
            )
        self.versions[name] = Version(algorithm, private)
        return self.versions[name]

    def corrupt(self, change: Callable[[dict[str, Any]], object], times: int = 1) -> None:
        """Lets ``change`` have the next answers."""
        self._corrupt += [change] * times

    def answer(self, request: Request) -> Any:
        """A signature or a public key. Raises ApiError."""
        name = request.path.removeprefix("/v1/").removesuffix(":asymmetricSign").removesuffix("/publicKey")
        version = self.versions.get(name)
        if version is None:
            raise ApiError(404, f"CryptoKeyVersion {name} not found.")
        if version.state != "ENABLED":
            raise ApiError(400, f"{name} is not enabled, current state is: {version.state}.")
        operation = request.operation.id.rpartition(".")[2]
        if operation not in ("asymmetricSign", "getPublicKey"):
            raise ApiError(501, f"the fake of Cloud KMS does not have {request.operation.id}")
        made = _signed(version, request.body or {}) if operation == "asymmetricSign" else _public(version)
        answer = {**made, "name": name, "protectionLevel": "SOFTWARE"}
        if self._corrupt:
            self._corrupt.pop(0)(answer)
        return answer


def _signed(version: Version, body: dict[str, Any]) -> dict[str, Any]:
    wanted = version.algorithm.rpartition("_")[2].lower()
    digest = base64.b64decode(body.get("digest", {}).get(wanted, ""), validate=True)
    if len(digest) != HASHES[wanted].digest_size:
        raise ApiError(400, f"Digest of the wrong length or algorithm for {version.algorithm}.")
    told = body.get("digestCrc32c")
    if told is not None and int(told) != google_crc32c.value(digest):
        raise ApiError(400, CHECKSUM)
    signature = _sign(version, digest, Prehashed(HASHES[wanted]))
    return {
        "signature": base64.b64encode(signature).decode(),
        "signatureCrc32c": str(google_crc32c.value(signature)),
        "verifiedDigestCrc32c": told is not None,
    }


def _sign(version: Version, digest: bytes, algorithm: Prehashed) -> bytes:
    if isinstance(version.private, ec.EllipticCurvePrivateKey):
        return version.private.sign(digest, ec.ECDSA(algorithm))
    mask = padding.PSS(padding.MGF1(algorithm._algorithm), padding.PSS.DIGEST_LENGTH)
    return version.private.sign(digest, mask if "PSS" in version.algorithm else padding.PKCS1v15(), algorithm)


def _public(version: Version) -> dict[str, Any]:
    pem = version.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "pem": pem.decode(),
        "pemCrc32c": str(google_crc32c.value(pem)),
        "algorithm": version.algorithm,
    }
