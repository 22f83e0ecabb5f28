"""What Google's vaults share, Cloud KMS and Secret Manager: how they are asked, and what is said where none answers.

Both want what they send and get to be compared with its checksum; an answer that does not hold is thrown away. A call
is harmless to repeat, and is made again a few times where the fault passes by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests.exceptions import RequestException  # type: ignore[import-untyped, unused-ignore]

from components.core.connections import why_broken
from components.core.errors import Failed, InvalidInput, SluiceError
from components.core.google_clients import rest_options
from components.core.google_errors import TRIES, WAIT_SECONDS, retry_after, words_of

T = TypeVar("T")
SECONDS = 30.0
"""How long one call may take."""
PASSING = (408, 429, 500, 502, 503, 504)
LOGIN = "renew the login (`gcloud auth application-default login`), or see which account this runs as"


class Corrupted(Exception):
    """An answer whose checksums do not hold."""


@dataclass(frozen=True)
class Vault:
    """One of the services."""

    client: Callable[..., Any]
    """Makes Google's client of it."""
    fake: str
    """The variable that names a fake's address; none but this machine's own is taken."""
    remedy: Mapping[int, str]
    """What to do, by the status that was answered."""

    def asked(self, where: str, ask: Callable[[Any], T]) -> T:
        """What it answers; ``where`` says of what, and what did not happen. Raises InvalidInput and Failed."""
        for number in range(TRIES):
            try:
                with self._connected() as client:
                    return ask(client)
            except (Corrupted, GoogleAPICallError, RequestException, GoogleAuthError) as error:
                wait = _wait(error, number)
                if number + 1 == TRIES or wait is None:
                    raise self._told(where, error) from error
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _connected(self) -> Any:
        """The client, over REST: it needs no channel of its own that would outlive one call."""
        return self.client(**rest_options(self.fake))

    def _told(self, where: str, error: Exception) -> SluiceError:
        words = words_of(error)[:300]
        if isinstance(error, Corrupted):
            return Failed(f"{where}: {TRIES} answers were corrupted on their way: {words}; see what stands between")
        if isinstance(error, GoogleAPICallError):
            if error.code in (400, 404) and not _checksum(error):
                return InvalidInput(f"{where}: {words}; {self.remedy.get(error.code, 'see its state in the console')}")
            remedy = self.remedy.get(int(error.code or 0), "run again when the vault answers")
            return Failed(f"{where}: {words}; {remedy}")
        if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
            return Failed(f"{where}: {words}; {LOGIN}")
        return Failed(f"{where}: the vault cannot be reached: {why_broken(error)}; run again when the network is back")


def _wait(error: Exception, number: int) -> float | None:
    """Seconds until it is asked again; None where that would not help."""
    backoff: float = WAIT_SECONDS[0] * 2**number
    if isinstance(error, GoogleAPICallError):
        if error.code not in PASSING and not _checksum(error):
            return None
        wanted = retry_after(error)
        if wanted is not None:
            return wanted if wanted <= WAIT_SECONDS[1] else None
        return backoff
    return None if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError) else backoff


def _checksum(error: GoogleAPICallError) -> bool:
    """Whether the vault says that what it got is not what was sent."""
    return error.code == 400 and "crc32c" in str(error).lower()
