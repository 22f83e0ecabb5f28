from __future__ import annotations

from components.serve.gateway.rate import Buckets


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(burst=3, clock=clock)
    assert [buckets.take("app", 60) for _ in range(4)] == [0, 0, 0, 1]
    clock.now = 1.0
    assert [buckets.take("app", 60) for _ in range(2)] == [0, 1]
    clock.now = 1000.0
    assert [buckets.take("app", 60) for _ in range(4)] == [0, 0, 0, 1]


def test_the_wait_that_is_told_is_long_enough() -> None:
    clock = Clock()
    buckets = Buckets(burst=1, clock=clock)
    buckets.take("app", 2)
    wait = buckets.take("app", 2)
    assert wait == 30
    clock.now = wait - 1.0
    assert buckets.take("app", 2)
    clock.now = float(wait)
    assert buckets.take("app", 2) == 0


def test_keys_do_not_share_a_bucket() -> None:
    buckets = Buckets(burst=1, clock=Clock())
    assert [buckets.take(key, 60) for key in ("a", "b", "a")] == [0, 0, 1]
