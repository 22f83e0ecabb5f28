"""Cloud KMS: signs with one pinned version of a key, and gives its public part. The private part never leaves it.

All checks are made that its documentation asks for (https://cloud.google.com/kms/docs/data-integrity-guidelines): the
digest travels with its CRC32C and the vault says that it looked, the signature's is compared, an answer that does not
hold is thrown away and asked for again a few times, and it must be about the version that was named. At the end the
signature is verified here, with the public key that the trust roots name. A call is harmless to repeat.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import google_crc32c
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import kms
from requests.exceptions import RequestException  # type: ignore[import-untyped, unused-ignore]
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, SecretsHandler, Signature, Signer, SSlibKey

from components.core.errors import Failed, InvalidInput, SluiceError
from components.core.signers import key_version

T = TypeVar("T")
FAKE = "KMS_EMULATOR_HOST"
"""The variable that names a fake's address; none but this machine's own is taken."""
SECONDS, TRIES = 30.0, 3
WAIT_SECONDS = (1.0, 30.0)
"""How long is waited before a call is made again: at first, doubled each time; and the longest that the vault may ask
for in ``Retry-After``."""
PASSING = (408, 429, 500, 502, 503, 504)
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
    401: "renew the login (`gcloud auth application-default login`), or see which account this runs as",
    403: "give this account roles/cloudkms.signer, and roles/cloudkms.publicKeyViewer to fetch the public part, on the"
    " key",
    404: "correct the key's address: project, place, ring, key and version",
    429: "run again in a minute, or ask for more quota",
}


class PublicPart(NamedTuple):
    """The public key of a version, in PEM, and how it signs."""

    pem: bytes
    scheme: str


class Corrupted(Exception):
    """An answer whose checksums do not hold."""


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
            answer = client.asymmetric_sign(request, retry=None, timeout=SECONDS)
            if not answer.verified_digest_crc32c:
                raise Corrupted("the digest's checksum did not arrive there")
            _check(answer.signature, answer.signature_crc32c, "the signature")
            _check_version(self._address, answer.name)
            return bytes(answer.signature)

        signature = Signature(self._public_key.keyid, _asked(self._address, "did not sign", ask).hex())
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
        answer = client.get_public_key({"name": version}, retry=None, timeout=SECONDS)
        _check(answer.pem.encode(), answer.pem_crc32c, "the public key")
        _check_version(address, answer.name)
        return answer

    found = _asked(address, "its public part was not given", ask)
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


def _asked(address: str, problem: str, ask: Callable[[Any], T]) -> T:
    """What the vault answers, asked again where the fault passes by itself; ``problem`` says what did not happen."""
    for number in range(TRIES):
        try:
            with _client() as client:
                return ask(client)
        except (Corrupted, GoogleAPICallError, RequestException, GoogleAuthError) as error:
            wait = _wait(error, number)
            if number + 1 == TRIES or wait is None:
                raise _told(f"key {address}: {problem}", error) from error
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _client() -> Any:
    """The client, over REST: it needs no channel of its own that would outlive one signature."""
    fake = os.environ.get(FAKE, "")
    if not fake:
        return kms.KeyManagementServiceClient(transport="rest")
    if urlsplit(fake).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise InvalidInput(f"{FAKE}: {fake} is not on this machine, and a fake elsewhere signs nothing; unset it")
    options = {"api_endpoint": fake}
    return kms.KeyManagementServiceClient(transport="rest", credentials=AnonymousCredentials(), client_options=options)


def _wait(error: Exception, number: int) -> float | None:
    """Seconds until it is asked again; None where that would not help."""
    backoff: float = WAIT_SECONDS[0] * 2**number
    if isinstance(error, GoogleAPICallError):
        if error.code not in PASSING and not _checksum(error):
            return None
        headers = getattr(error.response, "headers", None) or {}
        with suppress(TypeError, ValueError):
            wanted = float(headers.get("Retry-After", ""))
            return wanted if 0 <= wanted <= WAIT_SECONDS[1] else None
        return backoff
    return None if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError) else backoff


def _checksum(error: GoogleAPICallError) -> bool:
    """Whether the vault says that what it got is not what was sent."""
    return error.code == 400 and "crc32c" in str(error).lower()


def _told(where: str, error: Exception) -> SluiceError:
    text = re.sub(r"^[A-Z]+ https?://\S+: ", "", str(getattr(error, "message", "") or error))  # what was called
    words = " ".join(text.split())[:300].rstrip(".") or type(error).__name__
    if isinstance(error, Corrupted):
        return Failed(f"{where}: {TRIES} answers were corrupted on their way: {words}; see what stands between")
    if isinstance(error, GoogleAPICallError):
        if error.code in (400, 404) and not _checksum(error):
            return InvalidInput(f"{where}: {words}; {_REMEDY.get(error.code, 'see its state in the console')}")
        return Failed(f"{where}: {words}; {_REMEDY.get(int(error.code or 0), 'run again when the vault answers')}")
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return Failed(f"{where}: {words}; {_REMEDY[401]}")
    return Failed(f"{where}: the vault cannot be reached: {words}; run again when the network is back")
