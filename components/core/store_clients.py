"""How a store's file system is opened: what passes is outlived, a network that was never there is told of soon.

The clients of Cloud Storage and S3 wait half a minute, whatever fails. That is right in the middle of hours of work,
and with a service that is busy; who has just typed a command and has no network is told in about ten seconds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from contextlib import suppress
from typing import Any

import fsspec

CONNECT_SECONDS = 4.0
"""How long is waited for one connection."""
SILENT_SECONDS = 60.0
"""How long Cloud Storage may send nothing of an answer."""
TELL_SECONDS = 5.0
"""How long after its first failure a service that never answered is given up, or one that is busy is told of."""
LONGEST_SECONDS = 30.0
"""The longest wait that a service may ask for in ``Retry-After``; for more, its client's own waits are taken."""
ATTEMPTS = 6
"""How often S3 is asked, about 15 seconds in all."""
BUSY = (429, 503)
LOGIN = "google_default"
"""The one login that is looked for: without one, gcsfs would look elsewhere for 20 seconds and then ask as nobody."""


class Reach:
    """Whether this process has ever reached a service, since when it has tried to, and whether it waits there."""

    def __init__(self, service: str) -> None:
        self._service, self._reached, self._since = service, False, 0.0
        self._busy_since, self._told = 0.0, False

    def answered(self, status: int, wait: float = 0.0) -> None:
        """The service is there. One that stays busy, or asks for a long ``wait``, is told of, once in a process."""
        self._reached = True
        if status not in BUSY:
            self._busy_since = 0.0
            return
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        if not self._told and now + wait - self._busy_since >= TELL_SECONDS:
            self._told = True
            print(f"{self._service} is busy ({status}); waiting", file=sys.stderr, flush=True)

    def is_away(self) -> bool:
        """No connection came about: whether that is told by now."""
        now = time.monotonic()
        self._since = self._since or now
        return not self._reached and now - self._since >= TELL_SECONDS


REACHED = {"gs": Reach("Cloud Storage (gs://…)"), "s3": Reach("S3 (s3://…)")}


def opened(uri: str) -> tuple[Any, str]:
    """A file system and the root in it. Nothing is remembered of listings: others write there too."""
    if uri.startswith("gs://"):
        return _cloud_storage(uri)
    if uri.startswith("s3://"):
        return _s3(uri)
    system, root = fsspec.core.url_to_fs(uri)
    return system, root


def _cloud_storage(uri: str) -> tuple[Any, str]:
    from aiohttp import ClientTimeout

    # gcsfs's other class asks over gRPC, before each use, which kind of bucket it is.
    from gcsfs.core import GCSFileSystem  # type: ignore[import-untyped]

    # What it gives up on is raised and told as a sentence; it would also print the way there.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    system = GCSFileSystem(
        token=None if os.environ.get("STORAGE_EMULATOR_HOST") else LOGIN,
        use_listings_cache=False,
        requests_timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
        session_kwargs={"middlewares": (_heed_google,)},
    )
    return system, str(system._strip_protocol(uri))


async def _heed_google(request: Any, send: Any) -> Any:
    """Sends a request of gcsfs, which does not wait as long as it is asked to, nor less where nobody is there."""
    from aiohttp import ClientConnectorError, ConnectionTimeoutError
    from gcsfs.retry import NonRetryableError  # type: ignore[import-untyped]

    try:
        answer = await send(request)
    except (ClientConnectorError, ConnectionTimeoutError) as error:
        if REACHED["gs"].is_away():
            raise NonRetryableError("no connection") from error
        raise
    wait = _wanted(answer.headers) or 0.0
    REACHED["gs"].answered(answer.status, wait)
    if answer.status in BUSY:
        await asyncio.sleep(wait)
    return answer


def _s3(uri: str) -> tuple[Any, str]:
    from aiobotocore.session import AioSession  # type: ignore[import-untyped, unused-ignore]

    config = {"connect_timeout": CONNECT_SECONDS, "retries": {"total_max_attempts": ATTEMPTS}}
    system, root = fsspec.core.url_to_fs(uri, use_listings_cache=False, config_kwargs=config)
    if system.session is None:  # else it was opened here before
        system.session = AioSession(**system.kwargs)
        system.session.register("needs-retry.s3", _heed_s3)
    return system, root


def _heed_s3(attempts: int, response: Any = None, caught_exception: Any = None, **_: Any) -> float | None:
    """Seconds until S3 is asked again, where it says so; else botocore decides, which does not heed that."""
    from botocore.exceptions import ConnectionError as Unconnected  # type: ignore[import-untyped, unused-ignore]

    if caught_exception is not None:
        if isinstance(caught_exception, Unconnected) and REACHED["s3"].is_away():
            raise caught_exception
        return None
    answer, asked_again = response[0], attempts < ATTEMPTS
    wait = _wanted(answer.headers) if asked_again else None
    REACHED["s3"].answered(answer.status_code, wait or 0.0)
    return wait if answer.status_code in BUSY else None


def _wanted(headers: Any) -> float | None:
    """What ``Retry-After`` says, in seconds; None where it says nothing, or more than is waited."""
    with suppress(TypeError, ValueError):
        seconds = float(headers.get("Retry-After", ""))
        return seconds if 0 <= seconds <= LONGEST_SECONDS else None
    return None
