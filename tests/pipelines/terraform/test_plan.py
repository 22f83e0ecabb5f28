"""A plan's grants: what is not known before it is applied is found by what it refers to, or is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.core.errors import InvalidInput
from pipelines.terraform import roles
from pipelines.terraform.grants import Grant, Names, Thing, grants_of
from pipelines.terraform.plan import Plan
from tests.pipelines.terraform.small_plan import PROJECT, Block, made, own_role, written

SIGNER = "roles/cloudkms.signer"
KEY = "projects/p/locations/l/keyRings/sluice/cryptoKeys/release"
ACCOUNT = made("service_account", "a", account_id="sluice-train", project=PROJECT)
OTHER = made("service_account", "b", account_id="sluice-serve", project=PROJECT)


def grant(**values: Any) -> Block:
    return "kms_crypto_key_iam_member", "x", {"crypto_key_id": KEY, "role": SIGNER, **values}


def grants(*blocks: Block, unknown: dict[str, Any], written_as: dict[str, Any], calls: Any = None) -> list[Grant]:
    """The grants of a plan whose resource ``x`` has some values that are not known, and is written so."""
    document = json.loads(written(*blocks, unknown={"x": unknown}))
    of_x = {
        "type": f"google_{blocks[-1][0]}",
        "name": "x",
        "expressions": {name: {"references": references} for name, references in written_as.items()},
    }
    document["configuration"]["root_module"] = {"resources": [of_x], "module_calls": calls or {}}
    plan = Plan(json.dumps(document))
    return grants_of(plan, roles.listed(), Names(plan))


def test_a_member_is_the_account_that_it_refers_to() -> None:
    references = ["google_service_account.a.member", "google_service_account.a", "var.known"]
    (found,) = grants(ACCOUNT, OTHER, grant(), unknown={"member": True}, written_as={"member": references})
    assert (found.member, found.thing) == ("train", Thing("key", "release"))


def test_a_reference_is_followed_through_outputs_and_variables() -> None:
    calls = {
        "m": {
            "expressions": {"who": {"references": ["google_service_account.a.email"]}},
            "module": {"outputs": {"back": {"expression": {"references": ["var.who"]}}}},
        }
    }
    (found,) = grants(
        ACCOUNT, grant(), unknown={"member": True}, written_as={"member": ["module.m.back", "module.m"]}, calls=calls
    )
    assert found.member == "train"


def test_a_thing_and_a_role_are_what_they_refer_to() -> None:
    key = made("kms_crypto_key", "k", purpose="ASYMMETRIC_SIGN")
    key[2]["name"] = "monitor"
    mine = own_role("mine", "cloudkms.cryptoKeyVersions.useToSign")
    x = ("kms_crypto_key_iam_member", "x", {"member": "user:anna@example.com"})
    (found,) = grants(
        key,
        mine,
        x,
        unknown={"crypto_key_id": True, "role": True},
        written_as={
            "crypto_key_id": ["google_kms_crypto_key.k.id"],
            "role": ["google_project_iam_custom_role.mine.id"],
        },
    )
    assert found.thing == Thing("key", "monitor")
    assert found.permissions == {"cloudkms.cryptoKeyVersions.useToSign"}
    assert found.member == "anna@example.com"


def test_a_binding_has_all_that_it_refers_to() -> None:
    x = ("kms_crypto_key_iam_binding", "x", {"crypto_key_id": KEY, "role": SIGNER, "members": ["user:a@b.c", None]})
    found = grants(
        ACCOUNT,
        OTHER,
        x,
        unknown={"members": [False, True]},
        written_as={"members": ["google_service_account.a.member"]},
    )
    assert [one.member for one in found] == ["a@b.c", "train"]


@pytest.mark.parametrize(
    ("references", "words"),
    [
        (
            ["local.who"],
            r"google_kms_crypto_key_iam_member.x: member is not known .* made of \(local.who\) does not say",
        ),
        (["each.value"], r"made of \(each.value\) does not say what it will be; compose it from names"),
        (["google_service_account.gone.email"], r"made of \(google_service_account.gone.email\)"),
        (["google_service_account.a.email", "local.who"], r"made of \(local.who\)"),
        (["google_service_account.a.email", "google_service_account.b.email"], "member is one of 2 accounts"),
        ([], r"made of \(nothing\)"),
    ],
)
def test_a_member_that_cannot_be_found_is_an_error(references: list[str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        grants(ACCOUNT, OTHER, grant(), unknown={"member": True}, written_as={"member": references})


def test_a_condition_that_is_not_known_counts_as_none_and_not_as_met() -> None:
    x = grant(member="user:anna@example.com", condition=[{"title": "t"}])
    (found,) = grants(x, unknown={"condition": [{"expression": True}]}, written_as={})
    assert (found.thing, found.sure) == (Thing("key", "release"), False)


@pytest.mark.parametrize(
    ("expression", "thing"),
    [
        ('resource.name.startsWith("projects/_/buckets/p-sluice-store/objects/a/")', Thing("bucket", "store", "a/")),
        ('resource.name == "projects/p/secrets/token"', None),
        ('resource.name.startsWith("projects/_/buckets/p-sluice-store/objects/a/") || true', None),
        ('!resource.name.startsWith("projects/_/buckets/p-sluice-store/objects/a/")', None),
        ('resource.name.startsWith("projects/_/buckets/p-sluice")', None),
        ('request.time < timestamp("2030-01-01T00:00:00Z")', None),
    ],
)
def test_a_condition_is_understood_or_counts_as_none(expression: str, thing: Thing | None) -> None:
    values = {"bucket": "p-sluice-store", "role": "roles/storage.objectUser", "member": "user:a@b.c"}
    x = ("storage_bucket_iam_member", "x", {**values, "condition": [{"expression": expression}]})
    (found,) = grants(x, unknown={}, written_as={})
    assert (found.thing, found.sure) == (thing or Thing("bucket", "store"), thing is not None)


def test_a_policy_is_read_whole() -> None:
    bindings = [{"role": SIGNER, "members": ["user:a@b.c", "user:d@e.f"]}]
    x = ("kms_crypto_key_iam_policy", "x", {"crypto_key_id": KEY, "policy_data": json.dumps({"bindings": bindings})})
    assert [one.member for one in grants(x, unknown={}, written_as={})] == ["a@b.c", "d@e.f"]
    with pytest.raises(
        InvalidInput, match="policy_data is not known before it is applied; give each right as a _member"
    ):
        grants((x[0], "x", {"crypto_key_id": KEY}), unknown={"policy_data": True}, written_as={})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "terraform plan: is no JSON"),
        ("[]", "is no plan, for it has no resources or no configuration; run `terraform plan -out=FILE`"),
        ('{"resource_changes": []}', "is no plan"),
        ('{"resource_changes": [], "configuration": {}, "complete": false}', "only a part .* again without -target"),
        ('{"resource_changes": [], "configuration": {}, "errored": true}', "only a part"),
    ],
)
def test_what_is_no_whole_plan_is_a_sentence(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Plan(text)
