"""What Google's services answer, as sentences: what was asked for, their own words, and what to do.

A call that may be made again without harm is made again a few times where the fault passes by itself; the rest is told.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from components.core.connections import why_broken
from components.core.errors import Conflict, Failed, InvalidInput, Refused, SluiceError, Unreachable
from components.core.masking import quoted

T = TypeVar("T")
TRIES = 3
WAIT_SECONDS = (1.0, 30.0)
"""How long is waited before a call is made again: at first, doubled each time, and the longest that a service may ask
for in ``Retry-After``; beyond that a person decides."""

LOGS, LOGS_ROLE = r"/entries:list|logging\.(logEntries|entries)\.list", "roles/logging.viewer"
"""How a refusal to show logs names what was called or what is lacked, and the role that is lacked then."""


class Absent(InvalidInput):
    """What was asked for does not exist there."""


@dataclass(frozen=True)
class Caller:
    """Calls a Google service for one project and region."""

    service: str
    """What the service is called, for a sentence: ``Vertex AI``."""
    project: str
    region: str
    account: str = ""
    """The account that steps run as: who asks must be allowed to act as it."""
    sleep: Callable[[float], None] = time.sleep

    def call(self, asked: str, work: Callable[[], T]) -> T:
        """What ``work`` gives. Raises SluiceError; ``asked`` says what was wanted, such as ``submit run r-1``."""
        try:
            return work()
        except SluiceError:
            raise
        except Exception as error:
            told = self._told(asked, error)
            if told is None:
                raise
            raise told from error

    def again(self, asked: str, work: Callable[[], T]) -> T:
        """As ``call``, made again where the fault passes by itself: ``work`` must look before it changes anything."""
        for number in range(TRIES):
            try:
                return self.call(asked, work)
            except Unreachable as error:
                wait = retry_after(error.__cause__) or WAIT_SECONDS[0] * 2**number
                if number + 1 == TRIES or wait > WAIT_SECONDS[1]:
                    raise
                self.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _told(self, asked: str, error: Exception) -> SluiceError | None:
        import requests  # type: ignore[import-untyped, unused-ignore]
        from google.api_core import exceptions
        from google.auth import exceptions as auth

        where = f"{self.service}, project {self.project}, {self.region}: {asked}"
        if isinstance(error, exceptions.GoogleAPICallError):
            return self._answered(where, error)
        if isinstance(error, exceptions.RetryError | requests.Timeout | TimeoutError):
            return Unreachable(f"{where}: no answer in time; ask again, it is done once only")
        if isinstance(error, auth.TransportError | requests.RequestException | ConnectionError):
            return Unreachable(
                f"{where}: the connection broke ({why_broken(error)}); ask again when the network is back, it is done"
                " once only"
            )
        # A login that cannot be renewed is a DefaultCredentialsError there too, but it was there.
        if isinstance(error, auth.DefaultCredentialsError) and not isinstance(error, auth.InvalidOperation):
            return InvalidInput(
                f"{where}: there are no credentials here; log in with `gcloud auth application-default login`, or run"
                " it under an account of the cloud"
            )
        if isinstance(error, auth.GoogleAuthError):
            return _unknown_asker(where, words_of(error))
        return None

    def _answered(self, where: str, error: Any) -> SluiceError:
        code, words = int(error.code or 0), words_of(error)
        if code == 400:
            return InvalidInput(f"{where}: not accepted: {words}; mend the recipe or the environment")
        if code == 401:
            return _unknown_asker(where, words)
        if code == 403:
            return self._forbidden(where, words, error)
        if code == 404:
            return Absent(
                f"{where}: not found: {words}; check project and region in the environment, and that it was not deleted"
            )
        if code == 409:
            return Conflict(f"{where}: somebody else made or changed it: {words}; look at it, and ask again")
        if code == 429:
            return Unreachable(
                f"{where}: too many requests, or a quota is used up: {words}; {_when(error)}, or ask for more quota in"
                " the console"
            )
        if code >= 500 or code == 408:
            return Unreachable(f"{where}: the service has a fault of its own ({code}): {words}; {_when(error)}")
        return Failed(f"{where}: answered {code}: {words}; `sluice doctor` with this environment says what is wrong")

    def _forbidden(self, where: str, words: str, error: Any) -> SluiceError:
        if re.search("actAs|act as", words):  # Vertex AI says it in words, IAM by the permission's name
            account = self.account or "the account that the steps run as"
            return Refused(
                f"{where}: who asks may not act as {account}: {words}; have roles/iam.serviceAccountUser granted"
                " on that account"
            )
        role = LOGS_ROLE if re.search(LOGS, str(error)) else "the role"
        return Refused(
            f"{where}: not permitted: {words}; have {role} granted in project {self.project}, or enable the API there"
        )


def _unknown_asker(where: str, words: str) -> Refused:
    return Refused(
        f"{where}: it is not known who asks: {words}; the login is missing or ended, renew it with"
        " `gcloud auth application-default login`"
    )


def words_of(error: BaseException) -> str:
    """The service's own words, in one line."""
    text = str(getattr(error, "message", "") or error) or type(error).__name__
    text = re.sub(r"^[A-Z]+ https?://\S+: ", "", text)  # over REST the client puts what was called before them
    return quoted(text, 500).rstrip(".")


def _when(error: Any) -> str:
    seconds = retry_after(error)
    return f"ask again in {seconds:g} s" if seconds else "ask again in a minute"


def retry_after(error: Any) -> float | None:
    """Seconds after which the service wants to be asked again; None where it does not say."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    with suppress(TypeError, ValueError):
        return max(0.0, float(headers.get("Retry-After", "")))
    for detail in getattr(error, "details", None) or ():
        delay = getattr(detail, "retry_delay", None)  # google.rpc.RetryInfo
        if delay is not None:
            return float(delay.seconds + delay.nanos / 1e9)
    return None
