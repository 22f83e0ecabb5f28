"""Cloud KMS: signs with one pinned version of a key, and gives its public part. The private part never leaves it.

All checks are made that its documentation asks for (https://cloud.google.com/kms/docs/data-integrity-guidelines): the
digest travels with its CRC32C and the vault says that it looked, the signature's is compared, an answer that does not
hold is thrown away and asked for again a few times, and it must be about the version that was named. At the end the
signature is verified here, with the public key that the trust roots name. A call is harmless to repeat.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import google_crc32c
from google.cloud import kms
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, SecretsHandler, Signature, Signer, SSlibKey

from components.core import google_vault
from components.core.errors import Failed, InvalidInput
from components.core.google_vault import Corrupted, Vault
from components.core.signers import key_version

FAKE = "KMS_EMULATOR_HOST"
"""The variable that names a fake's address."""
SCHEMES = {
    "EC_SIGN_P256_SHA256": "ecdsa-sha2-nistp256",
    "EC_SIGN_P384_SHA384": "ecdsa-sha2-nistp384",
    "RSA_SIGN_PSS_2048_SHA256": "rsassa-pss-sha256",
    "RSA_SIGN_PSS_3072_SHA256": "rsassa-pss-sha256",
    "RSA_SIGN_PSS_4096_SHA256": "rsassa-pss-sha256",
    "RSA_SIGN_PSS_4096_SHA512": "rsassa-pss-sha512",
    "RSA_SIGN_PKCS1_2048_SHA256": "rsa-pkcs1v15-sha256",
    "RSA_SIGN_PKCS1_3072_SHA256": "rsa-pkcs1v15-sha256",
    "RSA_SIGN_PKCS1_4096_SHA256": "rsa-pkcs1v15-sha256",
    "RSA_SIGN_PKCS1_4096_SHA512": "rsa-pkcs1v15-sha512",
}
"""How the algorithms that a key may have there are called in the trust roots: those that sign a digest."""
_REMEDY = {
    401: google_vault.LOGIN,
    403: "give this account roles/cloudkms.signer, and roles/cloudkms.publicKeyViewer to fetch the public part, on the"
    " key",
    404: "correct the key's address: project, place, ring, key and version",
    429: "run again in a minute, or ask for more quota",
}
_VAULT = Vault(lambda **options: kms.KeyManagementServiceClient(**options), FAKE, _REMEDY)


class PublicPart(NamedTuple):
    """The public key of a version, in PEM, and how it signs."""

    pem: bytes
    scheme: str


class KmsSigner(Signer):
    """A version of a key in Cloud KMS, as securesystemslib's signers are: ``gcpkms:projects/…/cryptoKeyVersions/N``."""

    SCHEME = "gcpkms"

    def __init__(self, address: str, public_key: SSlibKey) -> None:
        self._address, self._version, self._public_key = address, key_version(address), public_key
        if public_key.scheme not in SCHEMES.values():
            raise ValueError(
                f"no key of Cloud KMS signs a digest by the scheme {public_key.scheme}: {', '.join(_schemes())}"
            )

    @property
    def public_key(self) -> SSlibKey:
        """The key that the trust roots name."""
        return self._public_key

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,
        public_key: Key,
        secrets_handler: SecretsHandler | None = None,  # noqa: ARG003 - no secret of ours unlocks a vault
    ) -> KmsSigner:
        """The signer at an address. Raises ValueError for one that pins no version."""
        if not isinstance(public_key, SSlibKey):
            raise ValueError(f"{priv_key_uri}: the public key is of a kind that Cloud KMS does not have")
        return cls(priv_key_uri, public_key)

    def sign(self, payload: bytes) -> Signature:
        """A signature that holds. Raises InvalidInput for a key that cannot be used, Failed where none came."""
        algorithm = self._public_key.get_hash_algorithm_name()
        digest = hashlib.new(algorithm, payload).digest()
        request = {"name": self._version, "digest": {algorithm: digest}, "digest_crc32c": google_crc32c.value(digest)}

        def ask(client: Any) -> bytes:
            answer = client.asymmetric_sign(request, retry=None, timeout=google_vault.SECONDS)
            if not answer.verified_digest_crc32c:
                raise Corrupted("the digest's checksum did not arrive there")
            _check(answer.signature, answer.signature_crc32c, "the signature")
            _check_version(self._address, answer.name)
            return bytes(answer.signature)

        signature = Signature(self._public_key.keyid, _VAULT.asked(f"key {self._address}: did not sign", ask).hex())
        try:
            self._public_key.verify_signature(signature, payload)
        except UnverifiedSignatureError as error:
            raise InvalidInput(
                f"key {self._address}: is not the one that the trust roots name; name the version there that they do,"
                " or let this one be trusted with `sluice keys rotate`"
            ) from error
        return signature


def public_part(address: str) -> PublicPart:
    """The public key of the version at an address. Raises InvalidInput for a key that cannot sign, Failed else."""
    try:
        version = key_version(address)
    except ValueError as error:
        raise InvalidInput(f"key {error}") from error

    def ask(client: Any) -> Any:
        answer = client.get_public_key({"name": version}, retry=None, timeout=google_vault.SECONDS)
        _check(answer.pem.encode(), answer.pem_crc32c, "the public key")
        _check_version(address, answer.name)
        return answer

    found = _VAULT.asked(f"key {address}: its public part was not given", ask)
    scheme = SCHEMES.get(found.algorithm.name)
    if scheme is None:
        raise InvalidInput(
            f"key {address}: its algorithm {found.algorithm.name} cannot sign decisions; make a key of one of these:"
            f" {', '.join(SCHEMES)}"
        )
    return PublicPart(found.pem.encode(), scheme)


def _schemes() -> list[str]:
    return sorted(set(SCHEMES.values()))


def _check(data: bytes, told: int | None, what: str) -> None:
    if told is None or google_crc32c.value(data) != told:
        raise Corrupted(f"{what} and its checksum did not arrive together")


def _check_version(address: str, name: str) -> None:
    if name != key_version(address):
        raise Failed(
            f"key {address}: the vault answered for {name or 'no version that it names'}; nothing of it counts: write"
            " the address as the vault does, with the project's id, and ask who stands between"
        )
