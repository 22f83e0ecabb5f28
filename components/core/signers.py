"""securesystemslib's signers, without the client of a vault that nobody signs with, and our own for Cloud KMS."""

from __future__ import annotations

import importlib
import re
import sys

from components.core.errors import Failed

GOOGLE = "gcpkms:"
CLIENT = "google.cloud.kms"
_VERSION = re.compile(
    r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+/cryptoKeyVersions/[1-9]\d*"
)


def load_signers(key_address: str = "") -> None:
    """Imports the library, for a key at that address or none.

    By itself it imports Google's client wherever that is installed: two thirds of a second of work, on which each
    rollback and each verification would wait. So that is hidden from it until a key lies there.
    """
    if not {"securesystemslib.signer", CLIENT} & sys.modules.keys():
        sys.modules[CLIENT] = None  # type: ignore[assignment]  # what the interpreter takes for not installed
        try:
            importlib.import_module("securesystemslib.signer")
        finally:
            del sys.modules[CLIENT]
    if key_address.startswith(GOOGLE):
        from securesystemslib.signer import SIGNER_FOR_URI_SCHEME

        try:
            from components.core.google_kms import KmsSigner
        except ImportError as error:
            raise Failed(f"key {key_address}: {error}; install google-cloud-kms where this runs") from error
        SIGNER_FOR_URI_SCHEME[KmsSigner.SCHEME] = KmsSigner


def key_version(address: str) -> str:
    """The version of a key of Cloud KMS that an address pins, by its resource's name. Raises ValueError for another.

    Without a version, what signs tomorrow would be another key than the one that is trusted today.
    """
    name = address.removeprefix(GOOGLE)
    if name == address or not _VERSION.fullmatch(name):
        raise ValueError(
            f"{address!r} pins no version of a key of Cloud KMS; write {GOOGLE}projects/PROJECT/locations/PLACE/"
            "keyRings/RING/cryptoKeys/KEY/cryptoKeyVersions/NUMBER"
        )
    return name
