"""How many requests a key may send: a token bucket each (Turner, IEEE Communications Magazine 24(10), 1986)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Buckets:
    """A bucket a key, each filled at its own rate."""

    def __init__(self, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._clock = burst, clock
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str, per_minute: int) -> int:
        """Takes one request of ``key``. Returns 0, or the seconds after which there will be one again."""
        now, rate = self._clock(), per_minute / 60
        level, at = self._levels.get(key, (float(self._burst), now))
        level = min(self._burst, level + (now - at) * rate)
        if level < 1:
            self._levels[key] = (level, now)
            return max(1, math.ceil((1 - level) / rate))
        self._levels[key] = (level - 1, now)
        return 0
