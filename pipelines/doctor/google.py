"""What a Vertex AI environment rests on: login, clock, project and region, APIs, account, buckets, quota.

All over REST with the login of whoever asks, once each: a doctor tells how things are now. Who asks may see less than
what steps may do, so "you may not look" is no verdict.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote

from components.core.connections import why_broken
from components.core.errors import Failed, InvalidInput, Refused, Unreachable
from components.core.google_errors import Absent, Caller
from pipelines.doctor import clock
from pipelines.doctor.check import Check, NotChecked, is_forbidden
from pipelines.doctor.places import buckets
from pipelines.environment import VertexEnvironment

TIMEOUT = (5, 20)
"""Seconds to connect, and to wait for an answer."""
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ACT_AS = "iam.serviceAccounts.actAs"
CPUS = "custom_model_training_cpus"
"""The quota that a step's machine is counted against."""
SMALLEST_MACHINE = 4
"""CPUs of the machine that Vertex AI gives a step that asks for none in particular (e2-standard-4)."""
CONTINENTS = {"EU": "europe-", "US": "us-", "ASIA": "asia-"}
"""Multi-regions, and how the regions in them begin."""


@dataclass(frozen=True)
class Google:
    """Google's services, asked for one environment."""

    environment: VertexEnvironment

    @property
    def fake(self) -> str:
        """Where all services are where nothing leaves this machine; empty for Google's own addresses."""
        address = self.environment.api_endpoint
        return address if address.startswith("http://") else ""

    @cached_property
    def credentials(self) -> Any:
        """Who asks. A fake is told nobody's login."""
        import google.auth
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials() if self.fake else google.auth.default(scopes=[SCOPE])[0]

    def ask(self, service: str, path: str, *, asked: str, body: Any = None) -> dict[str, Any]:
        """What a service answers. Raises SluiceError, and NotChecked where nobody is logged in."""
        environment = self.environment
        name = {"aiplatform": "Vertex AI", "storage": "Cloud Storage"}.get(service, service)
        caller = Caller(name, environment.project, environment.region, environment.service_account)
        return caller.call(asked, lambda: self._answer(service, path, asked, body))

    def date(self) -> str:
        """The moment of an answer of Vertex AI's, whatever it says."""
        caller = Caller("Vertex AI", self.environment.project, self.environment.region)
        path = f"/v1/projects/{self.environment.project}/locations/{self.environment.region}"
        response = caller.call("look at the clock", lambda: self._response("aiplatform", path, None))
        return str(response.headers.get("Date", ""))

    def _answer(self, service: str, path: str, asked: str, body: Any) -> dict[str, Any]:
        from google.api_core import exceptions

        response = self._response(service, path, body)
        if response.status_code >= 400:
            raise exceptions.from_http_response(response)
        try:
            found: dict[str, Any] = response.json()
        except ValueError as error:
            raise Failed(f"{asked}: gave an answer that is not Google's; see what stands between") from error
        return found

    def _response(self, service: str, path: str, body: Any) -> Any:
        from google.auth import exceptions as auth
        from google.auth.transport.requests import AuthorizedSession
        from requests import RequestException  # type: ignore[import-untyped, unused-ignore]

        host = self._address(service)
        try:
            with AuthorizedSession(self.credentials) as session:  # type: ignore[no-untyped-call, unused-ignore]
                if body is None:
                    return session.get(host + path, timeout=TIMEOUT)
                return session.post(host + path, json=body, timeout=TIMEOUT)
        except RequestException as error:
            raise Unreachable(
                f"{host} does not answer ({why_broken(error)}); see the network, a proxy, and that the region in"
                " the environment is spelt as Google spells it"
            ) from error
        except (auth.TransportError, auth.InvalidOperation):  # the network; or a service that lets nobody in unknown
            raise
        except auth.GoogleAuthError as error:  # told once, by the check of the login
            raise NotChecked("the login is missing or ended; log in first, as `credentials` says") from error

    def _address(self, service: str) -> str:
        if service == "storage" and os.environ.get("STORAGE_EMULATOR_HOST"):
            return os.environ["STORAGE_EMULATOR_HOST"].rstrip("/")
        if service == "aiplatform":
            return self.environment.address().rstrip("/")
        return self.fake or f"https://{service}.googleapis.com"


def checks(environment: VertexEnvironment) -> Iterator[Check]:
    """All that is looked at for an environment."""
    google = Google(environment)
    yield Check("credentials", partial(_login, google))
    yield Check("clock", lambda: clock.compare(google.date(), "Vertex AI"))
    yield Check("project and region", partial(_region, google))
    for name in apis(environment):
        yield Check(f"API {name}", partial(_api, google, name))
    for what, account in environment.named_accounts().items():
        yield Check(what, partial(_account, google, account))
    for bucket, named in buckets(environment, "gs://").items():
        yield Check(f"bucket {bucket}", partial(_bucket, google, bucket, named))
    yield Check("quota", partial(_quota, google))


def apis(environment: VertexEnvironment) -> list[str]:
    """The APIs that the project must have enabled."""
    found = ["aiplatform", "compute", "iam", "logging", "storage"]
    said = environment.model_dump_json()
    wanted = {"artifactregistry": "-docker.pkg.dev/", "cloudkms": '"gcpkms:', "secretmanager": '"secret://'}
    return sorted([*found, *(name for name, mark in wanted.items() if mark in said)])


def _login(google: Google) -> str:
    if google.fake:
        raise NotChecked(f"{google.fake} has no TLS, so no login is sent there; name Google's own address to check it")
    from google.auth.transport.requests import Request

    def work() -> str:
        google.credentials.refresh(Request())  # type: ignore[no-untyped-call, unused-ignore]
        return str(getattr(google.credentials, "service_account_email", "") or "a person's own login")

    return Caller("Google", google.environment.project, google.environment.region).call("log in", work)


def _region(google: Google) -> str:
    project, region = google.environment.project, google.environment.region
    google.ask("aiplatform", f"/v1/projects/{project}/locations/{region}", asked="look at project and region")
    return f"{project}, {region}: Vertex AI is there"


def _api(google: Google, name: str) -> str:
    project, asked = google.environment.project, f"look whether {name} is enabled"
    path = f"/v1/projects/{project}/services/{name}.googleapis.com"
    found = _if_permitted(google, "serviceusage", path, asked)
    if found.get("state") != "ENABLED":
        raise InvalidInput(
            f"is not enabled in {project}; `gcloud services enable {name}.googleapis.com --project {project}`"
        )
    return f"is enabled in {project}"


def _account(google: Google, account: str) -> str:
    """An account of steps is there and whoever submits may act as it: Vertex AI refuses a run otherwise."""
    environment = google.environment
    path = f"/v1/projects/-/serviceAccounts/{quote(account, safe='@')}"
    try:
        found = google.ask("iam", path, asked=f"look at {account}")
    except Absent as error:
        raise InvalidInput(
            f"there is no {account}; `gcloud iam service-accounts create {account.partition('@')[0]} --project"
            f" {environment.project}`, or correct it in the environment file"
        ) from error
    except Refused as error:
        if not is_forbidden(error):
            raise
        found = {}
    if found.get("disabled"):
        raise InvalidInput(f"{account} is disabled; `gcloud iam service-accounts enable {account}`")
    asked, body = f"ask who may act as {account}", {"permissions": [ACT_AS]}
    granted = _if_permitted(google, "iam", f"{path}:testIamPermissions", asked, body)
    if ACT_AS not in granted.get("permissions", ()):
        raise InvalidInput(
            f"who asks may not act as {account}, so no run of theirs is taken; have roles/iam.serviceAccountUser"
            " granted on that account, or, where a dispatcher submits for all, have it look: `gcloud run jobs execute"
            " sluice-doctor`"
        )
    return f"{account}: whoever asks may act as it"


def _bucket(google: Google, bucket: str, named: str) -> str:
    region = google.environment.region
    try:
        found = _if_permitted(google, "storage", f"/storage/v1/b/{quote(bucket)}", f"look at bucket {bucket}")
    except Absent as error:
        raise InvalidInput(
            f"there is none ({named}); `gcloud storage buckets create gs://{bucket} --location {region}"
            " --uniform-bucket-level-access`, or correct the environment file"
        ) from error
    place = str(found.get("location", ""))
    parts = [part.lower() for part in found.get("customPlacementConfig", {}).get("dataLocations", ())]
    if region in (place.lower(), *parts):
        return f"is in {region} ({named})"
    if region.startswith(CONTINENTS.get(place.upper(), "no region begins so")):
        return f"is in {place}, which {region} is part of ({named})"
    raise InvalidInput(
        f"lies in {place or 'no place that is told'} and runs in {region} ({named}): each byte is carried there and"
        f" paid for; make one with --location {region} and name that, a bucket cannot be moved"
    )


def _quota(google: Google) -> str:
    project, region = google.environment.project, google.environment.region
    metric = quote(f"aiplatform.googleapis.com/{CPUS}", safe="")
    path = f"/v1beta1/projects/{project}/services/aiplatform.googleapis.com/consumerQuotaMetrics/{metric}"
    try:
        found = _if_permitted(google, "serviceusage", path, f"look at the quota {CPUS}")
    except Absent as error:
        raise NotChecked(f"{CPUS} is not told; look at IAM & Admin → Quotas in the console") from error
    limit = _limit(found, region)
    if limit is None:
        raise NotChecked(f"{CPUS} in {region} is not told; look at IAM & Admin → Quotas in the console")
    if 0 <= limit < SMALLEST_MACHINE:
        raise InvalidInput(
            f"{CPUS} in {region} is {limit}, and a step's machine has {SMALLEST_MACHINE}; ask for more in IAM & Admin →"
            " Quotas, or take another region"
        )
    return f"{CPUS} in {region}: {'without limit' if limit < 0 else limit}; what others use of it is not told"


def _limit(metric: dict[str, Any], region: str) -> int | None:
    """The most specific limit that holds in a region; None where none is told."""
    found: int | None = None
    for limit in metric.get("consumerQuotaLimits", ()):
        for bucket in limit.get("quotaBuckets", ()):  # the least specific first
            if bucket.get("dimensions", {}).get("region", region) == region and "effectiveLimit" in bucket:
                found = int(bucket["effectiveLimit"])
    return found


def _if_permitted(google: Google, service: str, path: str, asked: str, body: Any = None) -> dict[str, Any]:
    """What a service answers; NotChecked where whoever asks may not look."""
    try:
        return google.ask(service, path, asked=asked, body=body)
    except Refused as error:
        if is_forbidden(error):
            raise NotChecked(str(error)) from error
        raise
