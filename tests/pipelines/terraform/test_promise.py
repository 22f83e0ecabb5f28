"""The first promise as rights: a good plan holds it, and each bad grant breaks it for that very reason."""

from __future__ import annotations

from typing import Any

import pytest

from components.core.errors import InvalidInput
from pipelines.terraform import OUTPUT, promise, roles
from pipelines.terraform.plan import Plan
from pipelines.terraform.reach import ACT, Reach
from tests.pipelines.terraform.small_plan import (
    ADMINS,
    GOOD,
    PROJECT,
    RIGHTS,
    WORKFLOWS,
    Block,
    account,
    made,
    member,
    on_account,
    on_bucket,
    on_key,
    on_project,
    own_role,
    provider,
    under,
    without,
    without_bucket,
    written,
)

SOME_TAG = [{"title": "tag", "expression": "resource.matchTag('1/env', 'dev')"}]
KEY = f"gcpkms:projects/{PROJECT}/locations/europe-west4/keyRings/sluice/cryptoKeys/{{}}/cryptoKeyVersions/1"
ENVIRONMENT = {
    "region": "europe-west4",
    "store": f"gs://{PROJECT}-sluice-store/store",
    "requests": f"gs://{PROJECT}-sluice-requests/log",
    "endpoints": f"gs://{PROJECT}-sluice-state/endpoints",
    "trust": f"gs://{PROJECT}-sluice-trust/trust.json",
    "registry": f"vertex://{PROJECT}/europe-west4",
    "keys": {"release": KEY.format("release"), "monitor": KEY.format("monitor")},
}
AGENT = "Vertex AI's custom code agent"


def breaches(*blocks: Block, **more: Any) -> list[str]:
    reach = Reach(Plan(written(*blocks, **more)), roles.listed())
    return promise.Check(reach, promise.written()).breaches()


def binding(type_: str, *members: str, **values: Any) -> Block:
    return f"{type_}_iam_binding", "bad", {**values, "members": [member(one) for one in members]}


def job(runs_as: str) -> Block:
    return made("cloud_run_v2_job", "nightly", template=[{"template": [{"service_account": account(runs_as)}]}])


def on_job(role: str, who: str) -> Block:
    return "cloud_run_v2_job_iam_member", "bad", {"name": "nightly", "role": f"roles/{role}", "member": member(who)}


def _elsewhere(email: str) -> Block:
    at = f"projects/-/serviceAccounts/{email}"
    values = {"service_account_id": at, "role": "roles/iam.serviceAccountUser", "member": member("lifecycle")}
    return "service_account_iam_member", "elsewhere", values


def test_a_good_plan_keeps_the_promise() -> None:
    assert breaches(*GOOD) == []


BAD: dict[str, tuple[tuple[Block, ...], str]] = {
    "what trains signs": (
        (on_key("release", "signerVerifier", "train"),),
        "train → sign: key release (roles/cloudkms.signerVerifier, google_kms_crypto_key_iam_member"
        ".release-signerVerifier-train); nobody but release may",
    ),
    "what trains acts as what signs": (
        (on_account("release", "serviceAccountUser", "train"),),
        "train → acts as release (roles/iam.serviceAccountUser, google_service_account_iam_member"
        ".release-serviceAccountUser-train) → sign: key release (roles/cloudkms.signer, ",
    ),
    "by a token": (
        (on_account("monitor", "serviceAccountTokenCreator", "lifecycle"),),
        "lifecycle → acts as monitor (roles/iam.serviceAccountTokenCreator, ",
    ),
    "as every account of the project": (
        (on_project("roles/iam.serviceAccountUser", "lifecycle"),),
        "lifecycle → acts as release (roles/iam.serviceAccountUser, google_project_iam_member.",
    ),
    "by way of somebody who may": (
        (on_account("submit", "serviceAccountOpenIdTokenCreator", "lifecycle"),),
        "lifecycle → acts as submit (roles/iam.serviceAccountOpenIdTokenCreator, google_service_account_iam_member"
        ".submit-serviceAccountOpenIdTokenCreator-lifecycle) → acts as release (roles/iam.serviceAccountUser, ",
    ),
    "by a key that it makes": (
        (on_account("release", "serviceAccountKeyAdmin", "ci"),),
        "ci → acts as release (roles/iam.serviceAccountKeyAdmin, ",
    ),
    "by giving itself the right to sign": (
        (on_key("release", "admin", "lifecycle"),),
        "lifecycle → gives itself the right to sign: key release (roles/cloudkms.admin, ",
    ),
    "by giving itself any right": (
        (on_project("roles/resourcemanager.projectIamAdmin", "train"),),
        "train → gives itself the right to sign: key release (roles/resourcemanager.projectIamAdmin, ",
    ),
    "by changing a role of its own": (
        (on_project("roles/iam.roleAdmin", "lifecycle"),),
        "lifecycle → gives itself the right to move aliases: models of Vertex AI (roles/iam.roleAdmin, ",
    ),
    "by saying whom to believe": (
        (on_project("roles/iam.workloadIdentityPoolAdmin", "lifecycle"),),
        "lifecycle → says who is believed to be workflows sluice-github/rights/ci (roles/iam.workloadIdentityPoolAdmin",
    ),
    "by a job of Vertex AI that names no account": (
        (own_role("jobs", "aiplatform.customJobs.create"), on_project(f"projects/{PROJECT}/roles/jobs", "lifecycle")),
        f"lifecycle → starts a job that names no account as {AGENT} (aiplatform.customJobs.create, google_project_iam"
        "_member.projects/a-project/roles/jobs-lifecycle) → acts as release (roles/aiplatform.customCodeServiceAgent, ",
    ),
    "by a job that runs what one says": (
        (job("release"), on_job("run.developer", "lifecycle")),
        "lifecycle → runs job nightly with words of its own as release (roles/run.developer, ",
    ),
    "people act as what signs": (
        (on_account("release", "serviceAccountUser", ADMINS),),
        "admins → acts as release (roles/iam.serviceAccountUser, ",
    ),
    "CI acts as the dispatcher": (
        (on_account("submit", "serviceAccountUser", "ci"),),
        "ci → acts as submit (roles/iam.serviceAccountUser, ",
    ),
    "what trains moves an alias": (
        (on_project("roles/aiplatform.user", "lifecycle"),),
        "lifecycle → move aliases: models of Vertex AI (roles/aiplatform.user, ",
    ),
    "what trains starts graphs": (
        (own_role("more", "aiplatform.schedules.update"), on_project(f"projects/{PROJECT}/roles/more", "train")),
        "train → start graphs: graphs of Vertex AI (projects/a-project/roles/more, ",
    ),
    "what trains writes what should serve": (
        (on_bucket("state", "objectCreator", "train"),),
        "train → write: bucket state, endpoints/generations.jsonl… (roles/storage.objectCreator, ",
    ),
    "what trains writes a part of it": (
        (on_bucket("state", "objectUser", "train", under("state", "endpoints/")),),
        "train → write: bucket state, endpoints/generations.jsonl… (roles/storage.objectUser, ",
    ),
    "what serves writes what should serve": (
        (on_project("roles/storage.objectAdmin", "serve"),),
        "serve → write: bucket state, endpoints/generations.jsonl… (roles/storage.objectAdmin, google_project_iam",
    ),
    "what trains says whose key is trusted": (
        (on_bucket("trust", "legacyBucketWriter", "lifecycle"),),
        "lifecycle → write: bucket trust (roles/storage.legacyBucketWriter, ",
    ),
    "under a condition that nobody understands": (
        (on_bucket("trust", "objectUser", "train", SOME_TAG),),
        "train → write: bucket trust (roles/storage.objectUser, ",
    ),
    "by a binding": (
        (
            binding(
                "storage_bucket", "train", "monitor", bucket="a-project-sluice-trust", role="roles/storage.objectUser"
            ),
        ),
        "monitor → write: bucket trust (roles/storage.objectUser, google_storage_bucket_iam_binding.bad)",
    ),
    "a decision is replaced": (
        (on_bucket("store", "objectUser", "release"),),
        "release → replace: bucket store, store/decisions/… (roles/storage.objectUser, ",
    ),
    "two persons have one key": (
        (on_key("anna", "signer", "user:ben@example.com"),),
        "key anna is open to anna@example.com and ben@example.com; open it to the person whose it is",
    ),
    "a group has a person's key": (
        (made("kms_crypto_key", "ben", purpose="ASYMMETRIC_SIGN"), on_key("ben", "signer", "group:all@example.com")),
        "key ben is open to group:all@example.com; open it to the person whose it is",
    ),
    "a person's key is open to an account": (
        (on_account("submit", "serviceAccountUser", "serve"), on_project("roles/cloudkms.signer", "monitor")),
        "monitor → sign: key anna (roles/cloudkms.signer, google_project_iam_member.roles/cloudkms.signer-monitor)",
    ),
    "somebody else's workflows": (
        (on_account("ci", "workloadIdentityUser", WORKFLOWS.replace("projects/1/", "projects/2/") + "rights/ci"),),
        "principalSet://iam.googleapis.com/projects/2/locations/global/workloadIdentityPools/sluice-github/attribute"
        ".rights/ci → acts as ci (roles/iam.workloadIdentityUser, ",
    ),
    "every workflow": (
        (on_account("ci", "workloadIdentityUser", WORKFLOWS.replace("attribute.", "*")),),
        "workflows sluice-github/* → acts as ci (roles/iam.workloadIdentityUser, ",
    ),
    "an owner": ((on_project("roles/owner", ADMINS),), "admins has roles/owner (google_project_iam_member."),
    "an editor": ((on_project("roles/editor", "ci"),), "ci has roles/editor (google_project_iam_member."),
    "open to the world": (
        (on_bucket("store", "objectViewer", "allUsers:"),),
        "bucket store is open to allUsers: (roles/storage.objectViewer, ",
    ),
    "an account that no rule knows": (
        (made("service_account", "new", account_id="sluice-new", project=PROJECT),),
        "account new is new; say in promise.yaml who may act as it",
    ),
    "an account that is made elsewhere": (
        (_elsewhere("1-compute@developer.gserviceaccount.com"),),
        "account 1-compute is new; say in promise.yaml who may act as it",
    ),
    "a key in somebody's hands": (
        (made("service_account_key", "key", service_account_id="sluice-ci"),),
        "google_service_account_key.key: is a key that somebody holds",
    ),
    "an access list": ((made("storage_bucket_acl", "acl", bucket="x"),), "google_storage_bucket_acl.acl: gives rights"),
    "a bucket of access lists": (
        (made("storage_bucket", "old", uniform_bucket_level_access=False),),
        "google_storage_bucket.old: takes access lists",
    ),
    "a password": ((made("sql_user", "root", type="BUILT_IN"),), "google_sql_user.root: logs in by a password"),
    "a root's password": (
        (made("sql_database_instance", "db", root_password="x"),),
        "google_sql_database_instance.db: has a root password",
    ),
    "an object": (
        (made("storage_bucket_object", "trust"),),
        "google_storage_bucket_object.trust: what rights a google_",
    ),
    "any repository": (
        (provider("all", "assertion.ref == 'x'"),),
        "google_iam_workload_identity_pool_provider.all: may believe any repository",
    ),
    "a repository or anything": (
        (provider("all", "assertion.repository_id == '7' || true"),),
        "google_iam_workload_identity_pool_provider.all: may believe any repository",
    ),
    "whoever asks is ci": (
        (provider("all", rights="'ci'"),),
        "google_iam_workload_identity_pool_provider.all: has another attribute.rights than modules/federation",
    ),
    "any ref is ci": (
        (provider("all", rights=RIGHTS.replace("'refs/heads/main'", "'x' || true")),),
        "google_iam_workload_identity_pool_provider.all: has another attribute.rights than modules/federation",
    ),
    "a key for what stores": (
        (on_project("roles/storage.hmacKeyAdmin", "train"),),
        "train → acts as release (roles/storage.hmacKeyAdmin, google_project_iam_member.",
    ),
    "builds": (
        (on_project("roles/cloudbuild.builds.editor", "train"),),
        "train → starts a build that names no account as Cloud Build's account (cloudbuild.builds.create, ",
    ),
    "rights to be taken": (
        (made("privileged_access_manager_entitlement", "later"),),
        "google_privileged_access_manager_entitlement.later: what rights a google_privileged_access_manager",
    ),
    "a machine": ((made("workbench_instance", "desk"),), "google_workbench_instance.desk: what rights a google_work"),
    "a service for whoever asks": (
        (
            made(
                "cloud_run_v2_service",
                "open",
                invoker_iam_disabled=True,
                template=[{"service_account": account("submit")}],
            ),
        ),
        "google_cloud_run_v2_service.open: answers whoever asks",
    ),
    "a service that runs as what signs": (
        (made("cloud_run_v2_service", "odd", template=[{"service_account": account("release")}]),),
        "service odd runs as release, with whatever its image holds; run it as mlflow or submit",
    ),
}


@pytest.mark.parametrize(("more", "reason"), BAD.values(), ids=BAD)
def test_a_bad_grant_breaks_it_for_that_very_reason(more: tuple[Block, ...], reason: str) -> None:
    found = breaches(*GOOD, *more)
    assert any(one.startswith(reason) for one in found), found


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (
            "release-signer-release",
            "release cannot sign: key release, and has to; give it a role that permits cloudkms.",
        ),
        ("monitor-signer-monitor", "monitor cannot sign: key monitor"),
        ("release-serviceAccountUser-submit", "submit cannot act as: account release"),
        ("projects/a-project/roles/starts-submit", "submit cannot start graphs: graphs of Vertex AI"),
        ("projects/a-project/roles/aliases-release", "release cannot move aliases: models of Vertex AI"),
        ("state-objectUser-release", "release cannot write: bucket state, endpoints/generations.jsonl…"),
        ("trust-objectViewer-monitor", "monitor cannot read: bucket trust"),
        ("store-objectCreator-train", "train cannot create: bucket store"),
        ("requests-objectCreator-serve", "serve cannot create: bucket requests"),
        ("writer", "ci cannot push: repository sluice"),
    ],
)
def test_a_needed_grant_that_is_missing_is_a_breach(missing: str, reason: str) -> None:
    found = breaches(*without(missing))
    assert len(found) == 1
    assert found[0].startswith(reason)


def test_a_needed_grant_under_a_condition_that_nobody_understands_does_not_count() -> None:
    found = breaches(*without("trust-objectViewer-monitor"), on_bucket("trust", "objectViewer", "monitor", SOME_TAG))
    assert [one.split(";")[0] for one in found] == ["monitor cannot read: bucket trust, and has to"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("registry", "https://mlflow.example.com"),
        ("endpoints", "postgresql://10.0.0.3/endpoints"),
        ("endpoints", "gs://a-project-sluice-store/store/checkpoints/endpoints"),
        ("trust", "gs://another-project-sluice-trust/trust.json"),
        ("store", None),
    ],
)
def test_an_environment_that_keeps_things_where_no_rule_looks_is_refused(name: str, place: str | None) -> None:
    (found,) = breaches(*GOOD, output_changes={OUTPUT: {"after": {**ENVIRONMENT, name: place}}})
    assert found.startswith(f"the environment's {name} is {place}, where the rules do not look; make it ")
    assert found.endswith(ENVIRONMENT[name])


def test_an_environments_key_is_the_one_that_the_rules_are_about() -> None:
    keys = {"release": KEY.format("release"), "monitor": KEY.format("anna")}
    (found,) = breaches(*GOOD, output_changes={OUTPUT: {"after": {**ENVIRONMENT, "keys": keys}}})
    assert found.startswith("the environment's key monitor is gcpkms:")


def test_what_a_service_starts_with_lies_where_admins_write_alone() -> None:
    volume = {"name": "config", "gcs": [{"bucket": "a-project-sluice-store"}]}
    service = made("cloud_run_v2_service", "x", template=[{"service_account": account("submit"), "volumes": [volume]}])
    (found,) = breaches(*GOOD, service, output_changes={OUTPUT: {"after": ENVIRONMENT}})
    assert found.startswith(
        "service x starts with what lies in a-project-sluice-store; only admins may write that: a-project-sluice-trust"
    )


def test_who_acts_as_somebody_told_of_is_not_told_of_again() -> None:
    found = breaches(*GOOD, on_key("release", "signer", "lifecycle"))
    assert len(found) == 1
    assert found[0].startswith("lifecycle → sign: key release"), "submit may act as lifecycle, and so may too"


def test_a_job_without_an_account_is_harmless_once_its_agent_has_no_role() -> None:
    bad = BAD["by a job of Vertex AI that names no account"][0]
    agent = "serviceAccount:service-1@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
    removed = {"role": "roles/aiplatform.customCodeServiceAgent", "member": agent}
    assert breaches(*GOOD, *bad)
    assert breaches(*GOOD, *bad, ("project_iam_member_remove", "agent", removed)) == []


def test_a_job_that_runs_only_what_it_says_gives_nobody_its_rights() -> None:
    assert breaches(*GOOD, job("submit"), on_job("run.jobsExecutor", "lifecycle")) == []


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (without_bucket("trust"), "there is no bucket trust, so nothing says who may write there"),
        (without_bucket("state"), "there is no bucket state.*, so nothing says who may write there"),
        (
            (*GOOD, on_project("roles/new.thing", "ci")),
            "unknown role roles/new.thing; say in roles.yaml what it permits",
        ),
        ((*GOOD, on_project("projects/x/roles/gone", "ci")), "unknown role projects/x/roles/gone; say in"),
        (
            (*GOOD, on_project("projects/another/roles/starts", "train")),
            "unknown role projects/another/roles/starts; say in",
        ),
        ((*GOOD, own_role("all", "storage.*")), "project_iam_custom_role.all: storage.. is no permission; write out"),
        ((*GOOD, own_role("starts")), "another role is called .*/roles/starts too; rename one of them"),
        ((*GOOD, ("iap_web_iam_member", "x", {})), "unknown kind of grant google_iap_web_iam_member; say in grants.py"),
        ((*GOOD, made("service_account", "x", account_id="sluice-ci", project="b")), "two accounts would .* called ci"),
    ],
)
def test_what_is_not_known_is_an_error_and_not_passed_over(blocks: tuple[Block, ...], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        breaches(*blocks)


def test_a_bucket_that_is_gone_is_said_though_the_environment_names_it() -> None:
    with pytest.raises(InvalidInput, match="there is no bucket trust"):
        breaches(*without_bucket("trust"), output_changes={OUTPUT: {"after": ENVIRONMENT}})


def test_acting_as_an_account_is_the_same_to_the_rules_as_to_the_ways() -> None:
    assert promise.written().words["act as"].any == ACT
