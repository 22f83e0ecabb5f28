"""A Vertex AI environment as the doctor sees it, with each thing that can be wrong about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipelines.doctor.check import Finding, Health, examine
from pipelines.doctor.google import checks
from pipelines.environment import VertexEnvironment, load_environment
from tests.contract.google.project import GoogleProject
from tests.contract.google.server import Request, Server
from tests.contract.google.storage import Storage
from tests.contract.loopback import Loopback

ACCOUNT = "lifecycle@sluice-example.iam.gserviceaccount.com"
BUCKETS = ("sluice-example", "sluice-example-requests", "sluice-example-trust")


class Placed(Storage):
    """Cloud Storage whose buckets lie somewhere."""

    def __init__(self, *buckets: str) -> None:
        super().__init__(*buckets)
        self.places: dict[str, dict[str, Any]] = {}

    def _buckets_get(self, request: Request) -> Any:
        about = super()._buckets_get(request)
        return {**about, "location": "EUROPE-WEST4", **self.places.get(request.names["bucket"], {})}


class Cloud:
    """The services, and what the doctor finds there."""

    def __init__(self) -> None:
        self.project, self.storage = GoogleProject("sluice-example", "europe-west4"), Placed(*BUCKETS)
        self.project.accounts[ACCOUNT] = False
        self.project.may[ACCOUNT] = ["iam.serviceAccounts.actAs"]
        self.server = Server(self.project, self.storage)

    def environment(self, **changes: Any) -> VertexEnvironment:
        given = load_environment("vertex").model_dump() | {"api_endpoint": self.server.address} | changes
        return VertexEnvironment.model_validate(given)

    def found(self, **changes: Any) -> dict[str, Finding]:
        return {one.about: one for one in examine(checks(self.environment(**changes)))}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    cloud = Cloud()
    with cloud.server.running():
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud.server.address)
        yield cloud


def others_are_well(found: dict[str, Finding], *but: str) -> bool:
    """Whether all else was looked at and is well: no fault keeps other checks from theirs."""
    return {name for name, one in found.items() if one.health is not Health.OK} == {"credentials", *but}


def test_all_is_well_and_a_fake_is_sent_no_login(cloud: Cloud) -> None:
    found = cloud.found()
    assert others_are_well(found)
    assert found["credentials"].health is Health.NOT_CHECKED
    assert {f"API {name}" for name in cloud.project.enabled} < set(found)
    assert found["bucket sluice-example"].said == "is in europe-west4 (store, pipeline_root)"
    assert found["quota"].said.startswith("custom_model_training_cpus in europe-west4: 42")
    assert not any("Authorization" in request.headers for request in cloud.server.requests)


def test_an_api_that_the_environment_has_no_use_for_is_not_asked_for(cloud: Cloud) -> None:
    assert "API cloudkms" not in cloud.found(keys={})
    cloud.project.enabled.discard("cloudkms")
    found = cloud.found()
    assert others_are_well(found, "API cloudkms")
    assert found["API cloudkms"].said == (
        "is not enabled in sluice-example; `gcloud services enable cloudkms.googleapis.com --project sluice-example`"
    )


@pytest.mark.parametrize(
    ("changes", "words"), [({"project": "another"}, "not permitted"), ({"region": "europe-west9"}, "not found")]
)
def test_a_wrong_project_or_region(cloud: Cloud, changes: dict[str, str], words: str) -> None:
    one = cloud.found(**changes)["project and region"]
    assert one.health is Health.MISSING
    assert words in one.said
    assert next(iter(changes.values())) in one.said


def absent(cloud: Cloud) -> None:
    cloud.project.accounts.clear()


def disabled(cloud: Cloud) -> None:
    cloud.project.accounts[ACCOUNT] = True


def not_to_act_as(cloud: Cloud) -> None:
    cloud.project.may.clear()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (absent, f"there is no {ACCOUNT}; `gcloud iam service-accounts create lifecycle --project sluice-example`"),
        (disabled, "is disabled; `gcloud iam service-accounts enable"),
        (
            not_to_act_as,
            "may not act as lifecycle@sluice-example.iam.gserviceaccount.com, so no run of theirs is taken",
        ),
    ],
)
def test_an_account_that_no_run_can_be_submitted_as(cloud: Cloud, change: Callable[[Cloud], None], words: str) -> None:
    change(cloud)
    found = cloud.found()
    assert words in found["account"].said
    assert found["account"].health is Health.MISSING
    assert others_are_well(found, "account")


def test_the_account_of_each_graph_is_looked_at(cloud: Cloud) -> None:
    found = cloud.found(accounts={"release": ACCOUNT.replace("lifecycle", "release")})
    assert found["account"].health is Health.OK
    assert "gcloud iam service-accounts create release" in found["account of release"].said


def test_who_may_not_look_at_an_account_may_still_act_as_it(cloud: Cloud) -> None:
    cloud.server.fail("serviceAccounts.get", 403)
    assert others_are_well(cloud.found())


@pytest.mark.parametrize(
    "place", [{"location": "EU"}, {"location": "EUR9", "customPlacementConfig": {"dataLocations": ["EUROPE-WEST4"]}}]
)
def test_a_bucket_in_several_regions_of_which_one_is_ours(cloud: Cloud, place: dict[str, Any]) -> None:
    cloud.storage.places["sluice-example"] = place
    assert others_are_well(cloud.found())


@pytest.mark.parametrize("place", [{"location": "US"}, {"location": "US-EAST1"}, {"location": ""}])
def test_a_bucket_in_another_region(cloud: Cloud, place: dict[str, Any]) -> None:
    cloud.storage.places["sluice-example-requests"] = place
    found = cloud.found()
    assert others_are_well(found, "bucket sluice-example-requests")
    assert "and runs in europe-west4 (requests)" in found["bucket sluice-example-requests"].said
    assert "make one with --location europe-west4" in found["bucket sluice-example-requests"].said


def test_a_bucket_that_is_not_there(cloud: Cloud) -> None:
    del cloud.storage.buckets["sluice-example-trust"]
    found = cloud.found()
    assert others_are_well(found, "bucket sluice-example-trust")
    assert "`gcloud storage buckets create gs://sluice-example-trust" in found["bucket sluice-example-trust"].said


@pytest.mark.parametrize(
    ("limits", "health", "words"),
    [
        ([{"effectiveLimit": "0"}], Health.MISSING, "is 0, and a step's machine has 4; ask for more"),
        ([{"effectiveLimit": "42"}, {"effectiveLimit": "2", "dimensions": {"region": "europe-west4"}}],
         Health.MISSING, "is 2, and"),
        ([{"effectiveLimit": "42"}, {"effectiveLimit": "0", "dimensions": {"region": "us-east1"}}],
         Health.OK, "europe-west4: 42"),
        ([{"effectiveLimit": "-1"}], Health.OK, "without limit"),
        ([], Health.NOT_CHECKED, "is not told; look at IAM & Admin"),
    ],
)  # fmt: skip
def test_quota(cloud: Cloud, limits: list[dict[str, Any]], health: Health, words: str) -> None:
    cloud.project.limits = limits
    found = cloud.found()["quota"]
    assert (found.health, words in found.said) == (health, True)


@pytest.mark.parametrize(
    ("operation", "about"),
    [
        ("serviceusage.services.get", "API aiplatform"),
        ("serviceAccounts.testIamPermissions", "account"),
        ("storage.buckets.get", "bucket sluice-example"),
        ("consumerQuotaMetrics.get", "quota"),
    ],
)
def test_what_whoever_asks_may_not_see_is_not_called_missing(cloud: Cloud, operation: str, about: str) -> None:
    cloud.server.fail(operation, 403, times=9)
    one = cloud.found()[about]
    assert one.health is Health.NOT_CHECKED
    assert "not permitted" in one.said
    assert "have the role granted" in one.said


def test_a_login_that_ends_in_the_middle_is_told_where_it_ended(cloud: Cloud) -> None:
    cloud.server.fail("serviceAccounts.get", 401, times=9)
    found = cloud.found()
    assert others_are_well(found, "account")
    assert found["account"].health is Health.MISSING
    assert (
        "the login is missing or ended, renew it with `gcloud auth application-default login`" in found["account"].said
    )


@pytest.mark.parametrize("fault", [429, 500, 503, "drop before", "drop after"])
def test_a_service_that_fails_is_one_line_and_the_others_are_looked_at(cloud: Cloud, fault: int | str) -> None:
    cloud.server.fail("consumerQuotaMetrics.get", fault, times=9)
    found = cloud.found()
    assert others_are_well(found, "quota")
    assert "\n" not in found["quota"].line
    assert ";" in found["quota"].said


def test_a_clock_that_is_wrong_is_told_by_an_answers_date(cloud: Cloud) -> None:
    cloud.project.date = "Mon, 05 Jan 2026 00:00:00 GMT"
    found = cloud.found()
    assert others_are_well(found, "clock")
    assert "s ahead of Vertex AI, so logins and decisions count as too old or too early; set the clock" in (
        found["clock"].said
    )


def test_without_a_login_there_is_one_to_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    one = login()
    assert one.health is Health.MISSING
    assert "log in with `gcloud auth application-default login`" in one.said
    assert_others_wait_for_a_login()


class Tokens(Loopback):
    """Where Google's clients trade a key for a token."""

    granted = True

    async def answer(self, came: web.Request) -> web.StreamResponse:
        if self.granted:
            return web.json_response({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})
        return web.json_response({"error": "invalid_grant", "error_description": "Token has expired"}, status=400)


def test_a_login_is_tried_and_an_ended_one_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with Tokens().running() as tokens:
        account = {"type": "service_account", "client_email": ACCOUNT, "private_key": key.decode(),
                   "token_uri": tokens.address, "project_id": "sluice-example", "private_key_id": "1"}  # fmt: skip
        (tmp_path / "account.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        assert login() == Finding("credentials", Health.OK, ACCOUNT)
        tokens.granted = False
        ended = login()
        assert_others_wait_for_a_login()
    assert ended.health is Health.MISSING
    assert "it is not known who asks: " in ended.said
    assert key.decode()[40:80] not in ended.said


def googles_own() -> VertexEnvironment:
    """An environment at Google's own addresses, where nobody is asked without a login."""
    given = load_environment("vertex").model_dump() | {"api_endpoint": "", "example": False}
    return VertexEnvironment.model_validate(given)


def login() -> Finding:
    """What is found of the login; nothing else is asked."""
    (check,) = [one for one in checks(googles_own()) if one.about == "credentials"]
    return next(examine([check]))


def assert_others_wait_for_a_login() -> None:
    """What was not looked at is not called missing: the login is, and once."""
    others = [one for one in examine(checks(googles_own())) if one.about != "credentials"]
    assert {"clock", "project and region", "API storage", "account", "bucket sluice-example", "quota"} <= {
        one.about for one in others
    }
    assert {(one.health, one.said) for one in others} == {
        (Health.NOT_CHECKED, "the login is missing or ended; log in first, as `credentials` says")
    }
