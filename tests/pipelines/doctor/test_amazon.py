"""S3's buckets as the doctor sees them: there or not, and in the region that is set here or in another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pipelines.doctor.amazon import checks
from pipelines.doctor.check import Finding, Health, examine
from pipelines.environment import environment_from, load_environment
from tests.contract.loopback import Loopback
from tests.contract.s3 import s3


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with s3(monkeypatch, "desk") as address:
        yield address


def look(**changes: Any) -> dict[str, Finding]:
    places = {"store": "s3://desk/store", "requests": "s3://desk/log", "trust": "", "endpoints": ""}
    given = load_environment("kubeflow").model_dump(mode="json") | places | changes
    return {one.about: one for one in examine(checks(environment_from(given)))}


def test_a_bucket_in_the_region_that_is_set_here(moto: str) -> None:
    assert look() == {
        "bucket desk": Finding("bucket desk", Health.OK, "is in eu-central-1 (store, requests)"),
    }
    assert look(store="gs://desk/store", requests="") == {}


def test_a_bucket_in_another_region(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    found = look()["bucket desk"]
    assert found.health is Health.MISSING
    assert "lies in eu-central-1, and us-west-2 is the region that is set here (store, requests)" in found.said


def test_without_a_region_here_it_is_said_where_the_bucket_lies(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    found = look()["bucket desk"]
    assert found.health is Health.NOT_CHECKED
    assert "lies in eu-central-1 (store, requests), and no region is set here" in found.said


def test_a_bucket_that_is_not_there(moto: str) -> None:
    found = look(requests="s3://gone/log")
    assert found["bucket desk"].health is Health.OK
    assert found["bucket gone"].health is Health.MISSING
    assert "there is none (requests); `aws s3 mb s3://gone --region eu-central-1`" in found["bucket gone"].said


def test_without_a_login_nothing_is_told(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    found = look()["bucket desk"]
    assert found.health is Health.NOT_CHECKED
    assert "there is no login for S3 here" in found.said


class Strict(Loopback):
    """An S3 that lets nobody in, and says where the bucket lies or does not."""

    told = True

    async def answer(self, came: web.Request) -> web.StreamResponse:
        return web.Response(status=403, headers={"x-amz-bucket-region": "eu-central-1"} if self.told else {})


def test_where_a_bucket_lies_is_told_to_whom_it_does_not_let_in(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Strict().running() as strict:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", strict.address)
        assert look()["bucket desk"].health is Health.OK
        strict.told = False
        found = look()["bucket desk"]
        assert found.health is Health.NOT_CHECKED
        assert "answered 403); `aws s3api get-bucket-location --bucket desk`" in found.said
    gone = look()["bucket desk"]
    assert gone.health is Health.MISSING
    assert "S3 does not answer" in gone.said
