"""securesystemslib's signers, without the client of a vault that nobody signs with."""

from __future__ import annotations

import importlib
import sys

GOOGLE = "gcpkms:"
CLIENT = "google.cloud.kms"


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
        signer = importlib.import_module("securesystemslib.signer._gcp_signer")
        if signer.GCP_IMPORT_ERROR:
            importlib.reload(signer)
