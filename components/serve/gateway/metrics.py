"""What a gateway counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Counters of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("sluice_requests", "Answered calls.", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "sluice_request_seconds",
            "From a call's headers to its answer's end.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.first_token = Histogram(
            "sluice_first_token_seconds",
            "From a call's headers to its stream's first word.",
            buckets=SECONDS,
            registry=registry,
        )
        self.tokens = Counter("sluice_tokens", "Tokens, as the model server counted.", ["kind"], registry=registry)
        self.prompt_tokens, self.completion_tokens = (self.tokens.labels(kind) for kind in ("prompt", "completion"))
        self.in_flight = Gauge("sluice_in_flight", "Requests that are worked on.", registry=registry)
        self.log_refusals = Counter(
            "sluice_log_refusals",
            "Requests refused, or answers withheld, because they could not be logged.",
            registry=registry,
        )
        self.retries = Counter("sluice_upstream_retries", "Further tries of the model server.", registry=registry)

    def count(self, route: str, outcome: str, seconds: float) -> None:
        """Counts an answered call."""
        self.requests.labels(route, outcome).inc()
        self.seconds.labels(route).observe(seconds)

    def exposed(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
