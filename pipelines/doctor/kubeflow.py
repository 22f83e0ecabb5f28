"""What a Kubeflow environment rests on: the server, its version, clock and login, and the steps' service account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from components.core.connections import why_broken
from components.core.errors import InvalidInput, Refused, Unreachable
from pipelines.backends.kubeflow_service import SMALLEST, SMALLEST_SCHEDULE, KubeflowService
from pipelines.backends.kubeflow_token import has_token, token_file, token_of
from pipelines.doctor import clock
from pipelines.doctor.check import Check, NotChecked
from pipelines.environment import KubeflowEnvironment

TIMEOUT = (5, 20)
"""Seconds to connect, and to wait for an answer."""


def checks(environment: KubeflowEnvironment) -> Iterator[Check]:
    """All that is looked at for an environment."""
    yield Check("credentials", partial(_token, environment))
    yield Check("clock", partial(_clock, environment))
    yield Check("server", partial(_server, environment))
    yield Check("server for schedules", partial(_schedules, environment))
    yield Check("runs", partial(_runs, environment))
    for what, account in environment.named_accounts().items():
        yield Check(what, partial(_account, environment, account))


def _token(environment: KubeflowEnvironment) -> str:
    """That there is a token, where one is named; whether it counts, the server says."""
    if not has_token(environment):
        raise NotChecked("no token is named, and none is sent; add `token: env://VARIABLE` if the server wants one")
    token_of(environment)
    return f"the token that {environment.token or token_file()} names"


def _clock(environment: KubeflowEnvironment) -> str:
    import requests  # type: ignore[import-untyped, unused-ignore]

    try:
        answer = requests.get(f"{environment.host.rstrip('/')}/apis/v2beta1/healthz", timeout=TIMEOUT)
    except requests.RequestException as error:
        why = why_broken(error)
        raise Unreachable(
            f"{environment.host} does not answer ({why}); see that it is up and reachable from here"
        ) from error
    return clock.compare(answer.headers.get("Date", ""), environment.host)


def _server(environment: KubeflowEnvironment) -> str:
    found = KubeflowService(environment, TIMEOUT).require(SMALLEST, "run these graphs")
    return f"{environment.host} is version {found}"


def _schedules(environment: KubeflowEnvironment) -> str:
    service = KubeflowService(environment, TIMEOUT)
    service.require(SMALLEST, "run these graphs")
    try:
        return f"version {service.require(SMALLEST_SCHEDULE, 'tell a step the time that its run was scheduled for')}"
    except Refused as error:
        raise NotChecked(f"schedules will be refused, all else works: {error}") from error


def _runs(environment: KubeflowEnvironment) -> str:
    """That whoever asks may look at runs there, in the namespace where there are several."""
    next(KubeflowService(environment, TIMEOUT).jobs(), None)
    return f"whoever asks may list them in {environment.namespace}"


def _account(environment: KubeflowEnvironment, name: str) -> str:
    space = environment.namespace
    ask_cluster(
        lambda cluster: cluster.read_namespaced_service_account(name, space, _request_timeout=TIMEOUT),
        absent=f"there is no {name} in namespace {space}; `kubectl create serviceaccount {name} --namespace {space}`,"
        " or correct it in the environment file",
        look=f"kubectl get serviceaccount {name} --namespace {space}",
    )
    return f"{name} is in namespace {space}"


def ask_cluster(ask: Callable[[Any], Any], *, absent: str, look: str) -> Any:
    """What Kubernetes answers to who asks here.

    ``absent`` is said where it has no such thing; NotChecked where it does not say, ``look`` is how others see it.
    """
    from kubernetes import client, config  # type: ignore[import-untyped]
    from urllib3.exceptions import HTTPError

    login = client.Configuration()
    try:
        _load_login(config, login)
    except (config.ConfigException, TypeError, ValueError) as error:  # none; or a file that is no kubeconfig
        raise NotChecked(f"there is no login for the cluster here; ask who has one: `{look}`") from error
    login.retries = False
    try:
        return ask(client.CoreV1Api(client.ApiClient(login)))
    except client.ApiException as error:
        if error.status == 404:
            raise InvalidInput(absent) from error
        if error.status == 401:
            raise Refused(
                "the login for the cluster is missing or ended; renew it, see `kubectl auth whoami`"
            ) from error
        raise NotChecked(f"the cluster answered {error.status} {error.reason}; have somebody look: `{look}`") from error
    except HTTPError as error:
        raise NotChecked(f"the cluster does not answer from here; look from where it does: `{look}`") from error


def _load_login(config: Any, login: Any) -> None:
    """The login for the cluster that kubectl would use, or the pod's own."""
    try:
        config.load_kube_config(client_configuration=login)
    except config.ConfigException:
        config.load_incluster_config(client_configuration=login)
