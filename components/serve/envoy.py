"""Envoy's configuration for one endpoint, as plain data: what it starts with, its clusters, its routes.

Clusters and routes are files that it watches (``path_config_source``): written beside and renamed, they are live in a
millisecond. A route to a cluster that is not there would answer 503 without a word, so it is refused here, and once
more by Envoy (``validate_clusters``). https://www.envoyproxy.io/docs/envoy/latest/api-v3
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from components.core.canonical import canonical_json, sha256
from components.core.errors import InvalidInput
from components.serve.settings import Limits, Serving

Document = dict[str, Any]

ROUTES, CLUSTERS, BOOTSTRAP = "routes.json", "clusters.json", "envoy.json"
CHAMPION = "champion"
NOBODY = "No model is ready here yet; try again in a moment."
_TYPES = "type.googleapis.com/envoy"
_HCM = f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_TYPES}.extensions.filters.http.router.v3.Router"
_HTTP_OPTIONS = f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions"
_ROUTE = f"{_TYPES}.config.route.v3.RouteConfiguration"
_CLUSTER = f"{_TYPES}.config.cluster.v3.Cluster"
_CONNECTIONS = f"{_TYPES}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"

LOG_LINES: Document = {
    "log_format": {"json_format": {"severity": "%l", "time": "%Y-%m-%dT%T.%f%z", "logger": "envoy.%n", "message": "%j"}}
}
"""Envoy's own, as the gateway's; %j is the message, escaped."""
MOST_CONNECTIONS = 10_000
SLACK_SECONDS = 30.0
RETRIES: Document = {
    # Only while no byte of an answer has gone to the client: the router gives up retrying then. `reset` is for a
    # gateway that died before it answered; its successor is there within the twenty tries (eight seconds on average).
    "retry_on": "connect-failure,refused-stream,reset",
    "num_retries": 20,
    "retry_back_off": {"base_interval": "0.05s", "max_interval": "1s"},
}


def longest(limits: Limits) -> float:
    """The longest time that the router waits for an answer's end (seconds).

    Never shorter than the gateway's own limit, which a request may use twice when its first gateway died.
    """
    return 2 * limits.request_seconds + SLACK_SECONDS


def bootstrap(serving: Serving, folder: Path, admin: Path) -> Document:
    """What Envoy starts with: a listener, where clusters and routes are, and an admin socket of this user alone."""
    return {
        "node": {"id": "router", "cluster": "sluice"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {"cds_config": _watched(folder / CLUSTERS)},
        "overload_manager": {"resource_monitors": [_limit_of_connections()]},
        "static_resources": {"listeners": [_listener(serving, folder)]},
        "application_log_config": LOG_LINES,
    }


_NOT_HERE = "there is no such route here; /openapi.json names all"
_INSIDE_ONLY: list[Document] = [
    {"match": {"path": path}, "direct_response": {"status": 404, "body": {"inline_string": _NOT_HERE}}}
    for path in ("/metrics", "/healthz", "/readyz")
]
"""What a gateway tells whoever runs it, and no client."""


def clusters(gateways: Mapping[str, tuple[str, int]]) -> Document:
    """The clusters of all gateways, by name: host and port of each."""
    return _versioned([_cluster(name, *gateways[name]) for name in sorted(gateways)])


def routes(weighted: Mapping[str, tuple[str, int]], known: Collection[str], limits: Limits) -> Document:
    """Where requests go: role to cluster and weight (whole number). Nothing in it answers 503 with a sentence.

    Raises InvalidInput for a cluster that is not among the known ones.
    """
    for role, (cluster, _) in weighted.items():
        if cluster not in known:
            raise InvalidInput(
                f"route of the {role}: there is no cluster {cluster} (there are {', '.join(sorted(known)) or 'none'});"
                " nothing was changed: add the cluster first"
            )
    answer: Document = {"direct_response": {"status": 503, "body": {"inline_string": NOBODY}}}
    if weighted:
        answer = {"route": {**_targets(weighted), **_patience(limits)}}
    host = {
        "name": "endpoint",
        "domains": ["*"],
        "include_request_attempt_count": True,
        "routes": [*_INSIDE_ONLY, {"match": {"prefix": "/"}, **answer}],
    }
    return _versioned([{"@type": _ROUTE, "name": "routes", "validate_clusters": True, "virtual_hosts": [host]}])


def targets(document: Document) -> list[str]:
    """The clusters that routes lead to."""
    found: list[str] = []
    for resource in document["resources"]:
        for host in resource["virtual_hosts"]:
            for route in host["routes"]:
                weighted = route.get("route", {}).get("weighted_clusters", {}).get("clusters", [])
                found += [cluster["name"] for cluster in weighted]
    return found


def place_of(cluster: Document) -> tuple[str, tuple[str, int]]:
    """Name, and host and port, of a cluster as ``clusters`` writes it and Envoy shows it."""
    (group,) = cluster["load_assignment"]["endpoints"]
    (one,) = group["lb_endpoints"]
    place = one["endpoint"]["address"]["socket_address"]
    return cluster["name"], (place["address"], place["port_value"])


def _targets(weighted: Mapping[str, tuple[str, int]]) -> Document:
    """The champion first and a candidate last: then a raised weight moves nobody away from the candidate."""
    ordered = sorted(weighted, key=lambda role: (role != CHAMPION, role))
    shares = [{"name": weighted[role][0], "weight": weighted[role][1]} for role in ordered]
    return {"weighted_clusters": {"clusters": shares}}


def _patience(limits: Limits) -> Document:
    whole = _seconds(longest(limits))
    return {"timeout": whole, "idle_timeout": whole, "retry_policy": RETRIES}


def _versioned(resources: list[Document]) -> Document:
    """Resources with the digest of what they say as their version: Envoy shows it once they are live."""
    return {"version_info": sha256(canonical_json(resources))[:16], "resources": resources}


def _watched(path: Path) -> Document:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _seconds(value: float) -> str:
    return f"{value:.3f}s"


def _limit_of_connections() -> Document:
    limit = {"@type": _CONNECTIONS, "max_active_downstream_connections": MOST_CONNECTIONS}
    return {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": limit}


def _listener(serving: Serving, folder: Path) -> Document:
    manager = {"name": "http", "typed_config": _manager(serving.limits, folder)}
    return {
        "name": "endpoint",
        "address": {"socket_address": {"address": serving.host, "port_value": serving.port}},
        # With it two routers would share a port without a word, each with half of the traffic.
        "enable_reuse_port": False,
        # A body must fit, or it could not be sent again; a client that does not read holds no more than this.
        "per_connection_buffer_limit_bytes": serving.limits.body_bytes + 64 * 1024,
        "filter_chains": [{"filters": [manager]}],
    }


def _manager(limits: Limits, folder: Path) -> Document:
    """Every client is an external one, on loopback too: its request id is replaced, its x-envoy-… headers are gone."""
    return {
        "@type": _HCM,
        "stat_prefix": "endpoint",
        "codec_type": "AUTO",
        "use_remote_address": True,
        # An empty list would mean: all private addresses. This one nobody has.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "generate_request_id": True,
        "preserve_external_request_id": False,
        "always_set_request_id_in_response": False,
        "server_header_transformation": "PASS_THROUGH",
        "normalize_path": True,
        "merge_slashes": True,
        "max_request_headers_kb": 32,
        "common_http_protocol_options": {"idle_timeout": "300s", "max_headers_count": 100},
        "http2_protocol_options": {"max_concurrent_streams": 128},
        "request_headers_timeout": "10s",
        "stream_idle_timeout": _seconds(longest(limits)),
        "rds": {"route_config_name": "routes", "config_source": _watched(folder / ROUTES)},
        "local_reply_config": _own_answers(),
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
    }


def _own_answers() -> Document:
    """What the router answers itself has OpenAI's error shape too."""

    def shape(kind: str, message: str) -> Document:
        error = {"message": message, "type": kind, "param": None, "code": "router"}
        return {"json_format": {"error": error}}

    def mapper(comparison: str, status: int, kind: str) -> Document:
        """For what says why in its body: what the router does not take at all often has an empty one."""
        value = {"default_value": status, "runtime_key": f"sluice.{status}"}
        only = {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}
        return {"filter": only, "body_format_override": shape(kind, "%LOCAL_REPLY_BODY%")}

    refused = shape("invalid_request_error", "the router takes no such request: %RESPONSE_CODE_DETAILS%")
    mappers = [mapper("GE", 500, "server_error"), mapper("EQ", 404, "invalid_request_error")]
    return {"mappers": mappers, "body_format": refused}


def _cluster(name: str, host: str, port: int) -> Document:
    address = {"socket_address": {"address": host, "port_value": port}}
    most = {"max_connections": MOST_CONNECTIONS, "max_pending_requests": MOST_CONNECTIONS}
    most |= {"max_requests": MOST_CONNECTIONS, "max_retries": MOST_CONNECTIONS}
    # Less than what a gateway keeps an idle connection open for, or one would be closed in the middle of a send.
    options = {
        "common_http_protocol_options": {"idle_timeout": "60s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": _CLUSTER,
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [most]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS.removeprefix("type.googleapis.com/"): {"@type": _HTTP_OPTIONS, **options}
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
