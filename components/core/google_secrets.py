"""Secret Manager: the value of one version of a secret, compared with its checksum; it is in no sentence and no file.

(https://cloud.google.com/secret-manager/docs/data-integrity)
"""

from __future__ import annotations

import re
from typing import Any

import google_crc32c
from google.cloud import secretmanager
from google.protobuf.json_format import ParseError

from components.core import google_vault
from components.core.errors import InvalidInput
from components.core.google_vault import Corrupted, Vault

FAKE = "SECRET_MANAGER_EMULATOR_HOST"
"""The variable that names a fake's address."""
_NAME = re.compile(r"projects/[a-z0-9:.-]+/secrets/[\w-]{1,255}/versions/[\w-]+", re.ASCII)
_REMEDY = {
    401: google_vault.LOGIN,
    403: "give this account roles/secretmanager.secretAccessor on the secret",
    404: "make the secret, or correct its name, its version or the project in the environment file",
    429: "run again in a minute, or ask for more quota",
}
_VAULT = Vault(lambda **options: secretmanager.SecretManagerServiceClient(**options), FAKE, _REMEDY)


def secret_value(name: str) -> str:
    """The value of ``projects/…/secrets/…/versions/…``, without line ends behind it: no file's last line is meant.

    Raises InvalidInput for a secret that is not there or is no text, Failed where no answer came that holds.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"secret {name}: is none; write projects/PROJECT/secrets/NAME/versions/VERSION")

    def ask(client: Any) -> bytes:
        try:
            payload = client.access_secret_version({"name": name}, retry=None, timeout=google_vault.SECONDS).payload
        except ParseError:
            raise Corrupted("what came is no secret") from None  # their words may quote it
        if payload.data_crc32c is None or google_crc32c.value(payload.data) != payload.data_crc32c:
            raise Corrupted("the value and its checksum did not arrive together")
        return bytes(payload.data)

    data = _VAULT.asked(f"secret {name}: was not given", ask)
    try:
        value = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"secret {name}: is no text; add a version that is UTF-8") from None
    if not value:
        raise InvalidInput(f"secret {name}: is empty; add a version that is not")
    return value
