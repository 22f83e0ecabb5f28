"""What the clients of object stores raise, as one sentence: what was asked of which store, the service's own words, and
what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.core.connections import why_broken
from components.core.errors import Failed, SluiceError, Unreachable
from components.core.masking import quoted

_CLIENTS = ("gcsfs", "google", "requests", "aiohttp", "botocore", "aiobotocore", "s3fs")
_NO_LOGIN = {"RefreshError", "DefaultCredentialsError", "NoCredentialsError", "PartialCredentialsError"}
_UNKNOWN_ASKER = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed"}
"""S3's codes for what is HTTP's 401 elsewhere."""
_LOGIN = {"gs": "`gcloud auth application-default login`", "s3": "`aws configure`"}
_RIGHTS = {
    "gs": "roles/storage.objectUser",
    "s3": "s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject",
}


def told(uri: str, asked: str, error: Exception) -> SluiceError | None:
    """The error for a person; None for one that is not of an object store's client. ``asked``: ``cannot read key``."""
    scheme, _, rest = uri.partition("://")
    if scheme not in _LOGIN or not _of_a_client(error):
        return None
    where, status, words = f"store {uri}: {asked}", _status(error), _words(error)
    if status == 401:
        return Failed(
            f"{where}: it is not known who asks: {words}; log in again with {_LOGIN[scheme]}, or see which account"
            " this runs as"
        )
    if status == 403:
        bucket = rest.partition("/")[0]
        return Failed(
            f"{where}: not permitted: {words}; have {_RIGHTS[scheme]} granted to this account on the bucket {bucket};"
            " `sluice doctor` with this environment says whether that is enough"
        )
    if status == 429:
        return Unreachable(f"{where}: too many requests: {words}; run again in a minute")
    if status == 408 or status >= 500:
        return Unreachable(f"{where}: the service has a fault of its own ({status}): {words}; run again in a minute")
    if status:
        return Failed(
            f"{where}: the service answered {status}: {words}; `sluice doctor` with this environment says what is wrong"
        )
    return Unreachable(f"{where}: the service cannot be reached ({why_broken(error)}); see the network, then run again")


def change_failed(where: str, words: str, code: int, remedies: Mapping[int, str]) -> Failed:
    """The error of one who reads and changes single objects; where no remedy is known for a status, nor is what became
    of the change."""
    remedy = remedies.get(code, "see that the service can be reached, look what lies there now, and run again")
    lost = "" if code in remedies else "; whether a change was made is not known"
    return Failed(f"{where}: {words}{lost}: {remedy}")


def _of_a_client(error: Exception) -> bool:
    """Whether a client of an object store raised it. gcsfs tells two refusals by their words alone, and s3fs turns
    botocore's errors into Python's; others are the caller's, or of the disk that is copied to."""
    if isinstance(error, OSError | ValueError) and str(error).startswith(("Forbidden: ", "Bad Request: ")):
        return True
    raised = (error, error.__cause__)
    return any(type(one).__module__.partition(".")[0] in _CLIENTS for one in raised)


def _answer(error: Exception) -> dict[str, Any]:
    """What S3 answered, as botocore keeps it; empty where it did not, or it is not S3."""
    for one in (error, error.__cause__):
        found = getattr(one, "response", None)
        if isinstance(found, dict):
            return found
    return {}


def _status(error: Exception) -> int:
    """The HTTP status that was answered; 0 where none was."""
    answer, name = _answer(error), type(error).__name__
    if answer.get("Error", {}).get("Code") in _UNKNOWN_ASKER or name in _NO_LOGIN:
        return 401
    if answer:
        return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if name == "ProxyError" and not error.args:  # gcsfs's word for a 502
        return 502
    code = {"Forbidden": 403, "Bad Request": 400}.get(str(error).partition(": ")[0], getattr(error, "code", 0))
    return int(code) if str(code).isdecimal() else 0


def _words(error: Exception) -> str:
    said = _answer(error).get("Error", {})
    text = str(said.get("Message") or said.get("Code") or error)
    if text.startswith(("Forbidden: ", "Bad Request: ")):  # the address is in the first line
        text = text.partition("\n")[2]
    return quoted(text.removesuffix(f", {getattr(error, 'code', '')}")).rstrip(".") or type(error).__name__
