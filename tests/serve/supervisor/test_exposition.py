"""Where Prometheus asks: one address, whatever becomes of the gateways."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable
from contextlib import closing

from prometheus_client.parser import text_string_to_metric_families

from components.core.endpoint import Phase
from components.core.manifest import Manifest
from components.serve.api_keys import new_key
from components.serve.exposition import port_of, together
from components.serve.gateway.metrics import Metrics
from components.serve.processes import free_port
from components.serve.settings import Limits, Serving
from tests.serve.supervisor.case import Case

CHAT = "/v1/chat/completions"


def counted(page: str, **labels: str) -> float:
    """How many calls a page counts under these labels."""
    samples = (one for family in text_string_to_metric_families(page) for one in family.samples)
    called = (one for one in samples if one.name == "sluice_requests_total")
    return sum(one.value for one in called if labels.items() <= one.labels.items())


def scraped(case: Case) -> str:
    with closing(urllib.request.urlopen(case.observed.metrics, timeout=10)) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return answer.read().decode()


def of(model: Manifest) -> dict[str, str]:
    return {"model": model.digest[:12], "route": CHAT}


def test_pages_of_several_gateways_are_one_with_each_family_once() -> None:
    first, second = Metrics(), Metrics()
    first.count(CHAT, "200", 0.02)
    first.count(CHAT, "401", 0.001)
    second.count(CHAT, "200", 0.02)
    page = together({"a": first.exposed().decode(), "b": second.exposed().decode()}).decode()
    assert page.count("# TYPE sluice_requests_total counter") == 1
    assert counted(page, model="a") == 2
    assert [counted(page, model=model, status="200") for model in "ab"] == [1, 1]
    assert 'sluice_request_seconds_bucket{le="0.025",model="b",route="/v1/chat/completions"} 1.0' in page.splitlines()
    assert together({}) == b""


def test_its_port_is_given_or_follows_the_clients_port() -> None:
    assert port_of(Serving(port=8081)) == 9081
    assert port_of(Serving(port=65000)) == 64000
    assert port_of(Serving(port=8081, metrics_port=9464)) == 9464


def test_one_address_stays_while_models_change_and_gateways_die(make_case: Callable[..., Case]) -> None:
    case = make_case(metrics_port=free_port())
    first, second = case.model("first"), case.model("second")
    supervisor = case.serves(first)
    address = case.observed.metrics
    assert address == f"http://127.0.0.1:{case.serving.metrics_port}/metrics"
    assert f"metrics for Prometheus at {address}" in case.said
    assert case.ask()[0] == 200
    assert counted(scraped(case), status="200", **of(first)) == 1
    case.release(second)
    case.until_observed(Phase.STEADY, 2, champion=second.digest, previous=first.digest)
    assert [case.ask()[0] for _ in range(2)] == [200, 200]
    page = scraped(case)
    assert [counted(page, status="200", **of(model)) for model in (first, second)] == [1, 2]
    for gateway in case.of_kind("gateway"):
        gateway.kill()
        gateway.wait(10)
    case.until(lambda: case.answers() == (200, second.digest), "it serves again")
    case.until(lambda: counted(scraped(case), status="200", **of(second)) == 1, "a new gateway counts anew")
    assert case.observed.metrics == address
    assert case.stop(supervisor) == 0
    assert case.observed.metrics == ""


def test_what_a_gateway_refuses_is_counted_by_status_and_not_logged(make_case: Callable[..., Case]) -> None:
    case = make_case(limits=Limits(burst=1))
    model, once = case.model("first"), new_key(case.folder / "keys.json", "once", per_minute=1)
    supervisor = case.serves(model)
    asks = b'{"model": "other", "messages": [{"role": "user", "content": "hello"}]}'
    calls = {404: (asks, once), 429: (asks, once), 401: (asks, "sk-wrong"), 400: (b"{", case.key)}
    assert [case.posts(*call) for call in calls.values()] == list(calls)
    page = scraped(case)
    assert {status: counted(page, status=str(status), **of(model)) for status in calls} == dict.fromkeys(calls, 1)
    assert case.stop(supervisor) == 0
    assert not case.logged()


def test_a_taken_port_is_told_and_no_reason_not_to_serve(make_case: Callable[..., Case]) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        case = make_case(metrics_port=other.getsockname()[1])
        case.serves(case.model("first"))
        assert case.ask()[0] == 200
        assert case.observed.metrics == ""
        assert f"no metrics: port {case.serving.metrics_port} on 127.0.0.1: is taken by" in case.said
        assert "give another port as serving.metrics_port in the environment file; what serves goes on" in case.said
    case.until(lambda: case.observed.metrics, "it listens once the port is free")
    assert "sluice_requests" in scraped(case)
