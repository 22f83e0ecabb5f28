"""A plan as ``terraform show -json`` writes it, put together by hand: small, and good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

PROJECT = "a-project"
OBJECTS = "projects/_/buckets/a-project-sluice-{}/objects/{}"
WORKFLOWS = (
    "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/sluice-github/attribute."
)
RIGHTS = (
    "assertion.event_name == 'pull_request' ? 'plan' : (assertion.event_name in ['push', 'workflow_dispatch']"
    " && assertion.ref_protected == 'true' && (assertion.ref == 'refs/heads/main') ? 'ci' : 'none')"
)
ADMINS = "group:admins@example.com"
Block = tuple[str, str, dict[str, Any]]
"""A resource: type without ``google_``, name, values."""


def account(name: str) -> str:
    return f"sluice-{name}@{PROJECT}.iam.gserviceaccount.com"


def member(who: str) -> str:
    return who if ":" in who else f"serviceAccount:{account(who)}"


def under(bucket: str, prefix: str) -> list[dict[str, str]]:
    return [{"title": "under", "expression": f'resource.name.startsWith("{OBJECTS.format(bucket, prefix)}")'}]


def on_bucket(bucket: str, role: str, who: str, condition: Sequence[dict[str, str]] = ()) -> Block:
    values = {"bucket": f"a-project-sluice-{bucket}", "role": f"roles/storage.{role}", "member": member(who)}
    return "storage_bucket_iam_member", f"{bucket}-{role}-{who}", {**values, "condition": list(condition)}


def on_key(key: str, role: str, who: str) -> Block:
    at = f"projects/{PROJECT}/locations/europe-west4/keyRings/sluice/cryptoKeys/{key}"
    return "kms_crypto_key_iam_member", f"{key}-{role}-{who}", {
        "crypto_key_id": at, "role": f"roles/cloudkms.{role}", "member": member(who)
    }  # fmt: skip


def on_account(name: str, role: str, who: str) -> Block:
    at = f"projects/{PROJECT}/serviceAccounts/{account(name)}"
    values = {"service_account_id": at, "role": f"roles/iam.{role}", "member": member(who)}
    return "service_account_iam_member", f"{name}-{role}-{who}", values


def on_project(role: str, who: str, condition: Sequence[dict[str, str]] = ()) -> Block:
    values = {"project": PROJECT, "role": role, "member": member(who), "condition": list(condition)}
    return "project_iam_member", f"{role}-{who}", values


def own_role(name: str, *permissions: str) -> Block:
    return "project_iam_custom_role", name, {"project": PROJECT, "role_id": name, "permissions": list(permissions)}


def made(type_: str, name: str, /, **values: Any) -> Block:
    return type_, name, {"name": name, **values}


def provider(name: str, condition: str = "assertion.repository_id == '7'", rights: str = RIGHTS) -> Block:
    values = {"attribute_condition": condition, "attribute_mapping": {"attribute.rights": rights}}
    return made("iam_workload_identity_pool_provider", name, **values)


def _accounts() -> list[Block]:
    names = ("lifecycle", "train", "release", "monitor", "serve", "submit", "ci")
    return [made("service_account", name, account_id=f"sluice-{name}", project=PROJECT) for name in names]


def _buckets() -> list[Block]:
    names = ("store", "requests", "trust", "state")
    return [
        made("storage_bucket", name, name=f"a-project-sluice-{name}", uniform_bucket_level_access=True)
        for name in names
    ]


GOOD: tuple[Block, ...] = (
    *_accounts(),
    *_buckets(),
    made("kms_crypto_key", "release", purpose="ASYMMETRIC_SIGN"),
    made("kms_crypto_key", "monitor", purpose="ASYMMETRIC_SIGN"),
    made("kms_crypto_key", "anna", purpose="ASYMMETRIC_SIGN"),
    made("kms_crypto_key", "data", purpose="ENCRYPT_DECRYPT"),
    made("artifact_registry_repository", "images", repository_id="sluice"),
    made("iam_workload_identity_pool", "github", workload_identity_pool_id="sluice-github"),
    provider("github"),
    on_key("release", "signer", "release"),
    on_key("monitor", "signer", "monitor"),
    on_key("anna", "signer", "user:anna@example.com"),
    *(on_account(one, "serviceAccountUser", "submit") for one in ("lifecycle", "release", "monitor")),
    on_account("train", "serviceAccountUser", "lifecycle"),
    on_account("ci", "workloadIdentityUser", f"{WORKFLOWS}rights/ci"),
    own_role("starts", "aiplatform.pipelineJobs.create", "aiplatform.schedules.create"),
    own_role("aliases", "aiplatform.models.update"),
    own_role("registers", "aiplatform.models.upload"),
    on_project(f"projects/{PROJECT}/roles/starts", "submit"),
    on_project(f"projects/{PROJECT}/roles/aliases", "release"),
    on_project(f"projects/{PROJECT}/roles/registers", "lifecycle"),
    on_bucket("state", "objectUser", "release", under("state", "endpoints/generations.jsonl")),
    on_bucket("state", "objectUser", "serve", under("state", "endpoints/observed/")),
    on_bucket("trust", "objectUser", ADMINS),
    *(on_bucket("trust", "objectViewer", one) for one in ("lifecycle", "release", "monitor", "submit")),
    *(on_bucket("store", "objectCreator", one) for one in ("lifecycle", "train", "release", "monitor")),
    on_bucket("store", "objectUser", "train", under("store", "store/checkpoints/")),
    *(on_bucket("requests", "objectViewer", one) for one in ("lifecycle", "monitor")),
    on_bucket("requests", "objectCreator", "serve"),
    ("artifact_registry_repository_iam_member", "writer", {
        "repository": "sluice", "role": "roles/artifactregistry.writer", "member": member("ci")}),
)  # fmt: skip


def without(*names: str) -> tuple[Block, ...]:
    """The good plan without some resources, each of which is there."""
    assert {one[1] for one in GOOD} >= set(names)
    return tuple(one for one in GOOD if one[1] not in names)


def without_bucket(word: str) -> tuple[Block, ...]:
    """The good plan without a bucket, and without what is given on it."""
    return tuple(one for one in GOOD if not (one[0].startswith("storage_bucket") and one[1].startswith(word)))


def written(*blocks: Block, unknown: dict[str, Any] | None = None, **document: Any) -> str:
    """A plan of some resources. ``unknown``: what of each is not known, by its name."""
    changes = [
        {
            "address": f"google_{type_}.{name}",
            "mode": "managed",
            "type": f"google_{type_}",
            "name": name,
            "change": {"after": values, "after_unknown": (unknown or {}).get(name, {})},
        }
        for type_, name, values in blocks
    ]
    place = {"module_calls": {"environment": {"expressions": {"admins": {"constant_value": "admins@example.com"}}}}}
    return json.dumps({"resource_changes": changes, "configuration": {"root_module": place}, **document})
