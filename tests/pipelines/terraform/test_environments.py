"""The environments that come with Sluice keep the first promise, and the page says who can reach what in the last."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipelines.terraform import promise, roles
from pipelines.terraform.cost import idle_prices, not_counted
from pipelines.terraform.plan import Plan
from pipelines.terraform.promise import Check
from pipelines.terraform.reach import Reach
from tests.infra.access_page import OF, PAGE, checked, page
from tests.infra.terraform import ENVIRONMENTS, planned, prepared

Planned = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def plan_of(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """The plan of an environment by its name; each is made once. Skips where there is no Terraform."""
    terraform = prepared(tmp_path_factory.mktemp("infra"))
    return cache(lambda name: planned(terraform, name))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_keeps_the_first_promise(plan_of: Planned, name: str) -> None:
    check = checked(plan_of(name))
    assert check.breaches() == []
    assert [grant.address for grant in check.reach.grants if not grant.sure] == [], "every condition is understood"


def test_the_bucket_of_terraforms_own_state_is_the_admins(tmp_path: Path) -> None:
    given = {"project": "sluice-example-dev", "region": "europe-west4", "admins": "sluice-admins@example.com"}
    words = [word for name, value in given.items() for word in ("-var", f"{name}={value}")]
    document = prepared(tmp_path).plan("bootstrap", *words)
    rules = promise.written()
    about_it = rules.model_copy(update={"rules": tuple(one for one in rules.rules if "bucket terraform" in one.thing)})

    def check(document: dict[str, Any]) -> Check:
        return Check(Reach(Plan(json.dumps(document)), roles.listed()), about_it)

    assert [str(held.things[0]) for held in check(document).held] == ["bucket terraform", "bucket terraform"]
    assert check(document).breaches() == []
    text = json.dumps(document).replace("group:sluice-admins@", "group:everybody@")
    assert [one.partition(" (")[0] for one in check(json.loads(text)).breaches()] == [
        "group:everybody@example.com → write: bucket terraform", "group:everybody@example.com → read: bucket terraform",
    ]  # fmt: skip


def test_a_grant_that_is_added_to_the_real_plan_is_found(plan_of: Planned) -> None:
    document = plan_of("prod")
    kind = "google_kms_crypto_key_iam_member"
    (signer,) = [
        one
        for one in document["resource_changes"]
        if one["type"] == kind and one["address"].endswith('signer["release"]')
    ]
    trains = signer["change"]["after"]["member"].replace("sluice-release@", "sluice-train@")
    bad = {
        **signer,
        "address": "bad",
        "change": {**signer["change"], "after": {**signer["change"]["after"], "member": trains}},
    }
    (found,) = checked({**document, "resource_changes": [*document["resource_changes"], bad]}).breaches()
    assert found == "train → sign: key release (roles/cloudkms.signer, bad); nobody but release may"
    without = [one for one in document["resource_changes"] if one is not signer]
    (found,) = checked({**document, "resource_changes": without}).breaches()
    assert found.startswith("release cannot sign: key release, and has to")


def test_the_page_is_that_of_the_plan(plan_of: Planned) -> None:
    assert PAGE.read_text() == page(plan_of(OF)), "stale; `make infra-access` writes it"
    assert "infra-access: setup" in (PAGE.parents[2] / "Makefile").read_text()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_an_environment_holds_has_a_price_or_a_reason(plan_of: Planned, name: str) -> None:
    assert [
        line for line in not_counted(Plan(json.dumps(plan_of(name))), idle_prices()) if "nobody has said" in line
    ] == []
