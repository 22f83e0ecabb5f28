"""Whether this machine's clock and a service's agree: decisions, logins and signed requests go by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from components.core.errors import InvalidInput
from pipelines.doctor.check import NotChecked

SKEW = timedelta(minutes=1)
"""Between two honest clocks and a slow answer. Signatures bear five minutes, S3 fifteen."""


def compare(date: str, whose: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str:
    """How far the clocks are apart, by an answer's ``Date``. Raises InvalidInput for more than ``SKEW``."""
    try:
        theirs = parsedate_to_datetime(date)
        apart = clock() - theirs
    except (TypeError, ValueError) as error:  # none; or without a zone
        raise NotChecked(f"{whose} does not say what time it is; compare this machine's with another's") from error
    seconds = apart.total_seconds()
    if abs(apart) > SKEW:
        way = "ahead of" if seconds > 0 else "behind"
        raise InvalidInput(
            f"this machine is {abs(seconds):.0f} s {way} {whose}, so logins and decisions count as too old or too"
            " early; set the clock, and let it follow a time server"
        )
    return f"agrees with {whose}"
