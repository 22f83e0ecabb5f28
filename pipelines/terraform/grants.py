"""Who is given what, read out of a plan: every IAM member and binding with its role's permissions, its thing and its
condition. What is not understood counts as given where it could do harm, and as not given where it is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.core.errors import InvalidInput
from pipelines.terraform.plan import Plan, Resource
from pipelines.terraform.roles import Roles

EVERY = "*"


@dataclass(frozen=True, order=True)
class Thing:
    """Something that rights are given on: a bucket's objects whose names begin with ``prefix``, a key, an account…"""

    kind: str
    name: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}{f', {self.prefix}…' if self.prefix else ''}"

    def meets(self, other: Thing) -> bool:
        """Whether rights on this reach that, or a part of it. Rights on a project reach all that is in it."""
        return self._is_of(other) and (self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix))

    def covers(self, other: Thing) -> bool:
        """Whether rights on this reach all of that."""
        return self._is_of(other) and other.prefix.startswith(self.prefix)

    def _is_of(self, other: Thing) -> bool:
        return self.kind == "project" or (self.kind == other.kind and self.name in (other.name, EVERY))


@dataclass(frozen=True)
class Grant:
    """Permissions that a member has on a thing. ``sure``: whether its condition, if any, was understood."""

    member: str
    role: str
    permissions: frozenset[str]
    thing: Thing
    address: str
    sure: bool = True


@dataclass(frozen=True)
class _Kind:
    """How a type of grant names its thing: the attribute, and the type and attribute of the resource that it means."""

    kind: str
    attribute: str
    type: str = ""
    named: str = "name"


# The middle of google_…_iam_member, _iam_binding and _iam_policy.
_KINDS = {
    "project": _Kind("project", "project"),
    "folder": _Kind("project", "folder"),
    "organization": _Kind("project", "org_id"),
    "storage_bucket": _Kind("bucket", "bucket", "google_storage_bucket"),
    "storage_managed_folder": _Kind("bucket", "bucket", "google_storage_bucket"),
    "kms_crypto_key": _Kind("key", "crypto_key_id", "google_kms_crypto_key"),
    "kms_key_ring": _Kind("key", "key_ring_id", "google_kms_key_ring"),
    "service_account": _Kind("account", "service_account_id", "google_service_account", "account_id"),
    "secret_manager_secret": _Kind("secret", "secret_id", "google_secret_manager_secret", "secret_id"),
    "cloud_run_v2_service": _Kind("service", "name", "google_cloud_run_v2_service"),
    "cloud_run_service": _Kind("service", "service", "google_cloud_run_service"),
    "cloud_run_v2_job": _Kind("job", "name", "google_cloud_run_v2_job"),
    "artifact_registry_repository": _Kind(
        "repository", "repository", "google_artifact_registry_repository", "repository_id"
    ),
    "pubsub_topic": _Kind("topic", "topic", "google_pubsub_topic"),
    "pubsub_subscription": _Kind("subscription", "subscription", "google_pubsub_subscription"),
    "vertex_ai_endpoint": _Kind("vertex", "endpoint", "google_vertex_ai_endpoint"),
    "sql_database_instance": _Kind("database", "instance", "google_sql_database_instance"),
}
_IAM = re.compile(r"google_(\w+)_iam_(member|binding|policy)")
_OWN_ROLES = ("google_project_iam_custom_role", "google_organization_iam_custom_role")
_NO_GRANTS = ("google_project_iam_member_remove",)
_TERM = re.compile(r'resource\.(name|service|type)(?: == |\.startsWith\()"([^"]*)"\)?')
_ACCOUNT = "google_service_account"
_POOL = "google_iam_workload_identity_pool"
_FEDERATED = re.compile(
    r"principal(?:Set)?://iam\.googleapis\.com/projects/(\d+)/locations/global/workloadIdentityPools/([^/]+)/(.+)"
)


class Names:
    """What accounts, people and things are called in few words; a word is never that of two.

    Raises InvalidInput where two would have the same one: what is known of one would be believed of the other.
    """

    def __init__(self, plan: Plan) -> None:
        accounts = [
            (f"serviceAccount:{email_of(one)}", _short(one.values["account_id"])) for one in plan.of_type(_ACCOUNT)
        ]
        people = [(f"group:{plan.constant(word)}", word) for word in ("admins", "developers") if plan.constant(word)]
        self._words = dict(accounts + people)
        self.accounts = [word for _, word in accounts]
        twice = sorted({word for word in self._words.values() if list(self._words.values()).count(word) > 1})
        if twice or len(self.accounts) > len(set(self.accounts)):
            raise InvalidInput(
                f"terraform plan: two accounts would both be called {', '.join(twice)}; rename one of them"
            )
        self._pools = {str(one.values.get("workload_identity_pool_id")) for one in plan.of_type(_POOL)}
        self._numbers: dict[str, str] = {}

    def of_member(self, member: str) -> str:
        """What a member of a policy is called."""
        if matched := _FEDERATED.fullmatch(member):
            return self._workflows(*matched.groups()) or member
        if matched := re.fullmatch(
            r"serviceAccount:service-\d+@(?:gcp-sa-)?([\w-]+)\.iam\.gserviceaccount\.com", member
        ):
            return f"Google's {matched[1]}"
        return self._words.get(member) or member.removeprefix("user:")

    def of_account(self, name: str) -> str:
        """What an account is called that a grant is on, by its id or e-mail."""
        last = name.rsplit("/", 1)[-1]
        return self._words.get(f"serviceAccount:{last}") or _short(last.split("@")[0])

    def _workflows(self, number: str, pool: str, who: str) -> str | None:
        if pool not in self._pools or self._numbers.setdefault(pool, number) != number:
            return None
        return f"workflows {pool}/{who.removeprefix('attribute.')}"


def email_of(account: Resource) -> str:
    """The e-mail of an account that a plan makes: Google composes it so."""
    return f"{account.values['account_id']}@{account.values.get('project')}.iam.gserviceaccount.com"


def is_grant(one: Resource) -> bool:
    """Whether a resource gives rights, or takes them away."""
    return bool(_IAM.fullmatch(one.type)) or one.type in _NO_GRANTS


def own_roles(plan: Plan) -> dict[str, frozenset[str]]:
    """The roles that a plan makes, by their whole names, with what each permits."""
    found: dict[str, frozenset[str]] = {}
    for one in plan.of_type(*_OWN_ROLES):
        if one.waits("permissions") or one.waits("role_id"):
            raise InvalidInput(
                f"{one.address}: its permissions are not known before it is applied; write them as a list"
            )
        permits, name = frozenset(one.values["permissions"]), _role_name(one)
        if patterns := sorted(each for each in permits if "*" in each):
            raise InvalidInput(f"{one.address}: {', '.join(patterns)} is no permission; write out each that is meant")
        if name in found:
            raise InvalidInput(f"{one.address}: another role is called {name} too; rename one of them")
        found[name] = permits
    return found


def grants_of(plan: Plan, roles: Roles, names: Names) -> list[Grant]:
    """Every grant of a plan. Raises InvalidInput for one that is not known, or not described in the table of roles."""
    own = own_roles(plan)
    found = []
    for one in plan.resources:
        if not (matched := _IAM.fullmatch(one.type)) or one.type in _NO_GRANTS:
            continue
        if matched[1] not in _KINDS:
            raise InvalidInput(f"{one.address}: unknown kind of grant {one.type}; say in grants.py what it is on")
        things = _things(plan, one, _KINDS[matched[1]], names)
        for role, members, condition in _bindings(plan, one):
            permits = roles.permits(role, own, one.address)
            for thing in things:
                narrowed, sure = _narrowed(thing, condition, names)
                found += [Grant(names.of_member(who), role, permits, narrowed, one.address, sure) for who in members]
    return found


def _bindings(plan: Plan, one: Resource) -> Iterator[tuple[str, list[str], Any]]:
    """A resource's roles, each with its members and its condition; True for a condition that is not known."""
    if one.type.endswith("_policy"):
        if one.text("policy_data") is None:
            raise InvalidInput(
                f"{one.address}: policy_data is not known before it is applied; give each right as a _member"
            )
        for binding in json.loads(one.values["policy_data"]).get("bindings", []):
            yield binding["role"], binding.get("members", []), binding.get("condition")
        return
    attribute = "members" if one.type.endswith("_binding") else "member"
    known = one.values.get(attribute) or []
    members = [known] if isinstance(known, str) else [who for who in known if who]
    if one.waits(attribute):
        accounts = plan.referred(one, attribute, (_ACCOUNT,))
        if attribute == "member" and len(accounts) > 1:
            raise InvalidInput(
                f"{one.address}: member is one of {len(accounts)} accounts; compose it from the account's id"
            )
        members += [f"serviceAccount:{email_of(account)}" for account in accounts]
    conditions = one.values.get("condition") or []
    yield _role(plan, one), members, True if one.waits("condition") else next(iter(conditions), None)


def _role(plan: Plan, one: Resource) -> str:
    if (role := one.text("role")) is not None:
        return role
    made = plan.referred(one, "role", _OWN_ROLES)
    if len(made) > 1:
        raise InvalidInput(f"{one.address}: role is one of {len(made)}; compose it from the role's id")
    return _role_name(made[0])


def _role_name(role: Resource) -> str:
    """A role's whole name: another project may have one of the same id."""
    kind, attribute = ("organizations", "org_id") if "organization" in role.type else ("projects", "project")
    if not (parent := role.text(attribute)):
        raise InvalidInput(f"{role.address}: its {attribute} is not known before it is applied; write it there")
    return f"{kind}/{parent}/roles/{role.values['role_id']}"


def _things(plan: Plan, one: Resource, kind: _Kind, names: Names) -> list[Thing]:
    """What a grant is on; several where it is one of several that are not told apart before they are there."""
    if kind.kind == "project":
        return [Thing("project", one.text(kind.attribute) or "")]
    prefix = one.text("managed_folder") or ""
    if (name := one.text(kind.attribute)) is None:
        made = plan.referred(one, kind.attribute, (kind.type,))
        found = [str(each.values[kind.named]) for each in made]
    else:
        found = [name.rsplit("/", 1)[-1]]
    if one.type.startswith("google_kms_key_ring"):
        found = [EVERY]
    return [thing_named(kind.kind, each, names, prefix) for each in found]


def thing_named(kind: str, name: str, names: Names, prefix: str = "") -> Thing:
    """A thing by the word that people have for it."""
    if kind == "account":
        return Thing(kind, names.of_account(name))
    return Thing(kind, _word(name), prefix)


def _short(account: str) -> str:
    return account.removeprefix("sluice-")


def _word(name: str) -> str:
    return re.sub(r"^(.*-)?sluice-", "", name)


def _narrowed(thing: Thing, condition: Any, names: Names) -> tuple[Thing, bool]:
    """What is left of a thing under a condition, and whether that was understood. Not understood, all is left."""
    if not condition:
        return thing, True
    expression = "" if condition is True else str(condition.get("expression") or "")
    narrowed = thing
    for term in expression.split(" && "):
        matched = _TERM.fullmatch(term.strip())
        if not matched:
            return thing, False
        if matched[1] == "name":
            named = _thing_at(matched[2], names, "startsWith" in term)
            if named is None or not thing.meets(named):
                return thing, False
            narrowed = named
    return narrowed, True


def _thing_at(name: str, names: Names, begins: bool) -> Thing | None:
    """What Google calls a resource in a condition."""
    if matched := re.fullmatch(r"projects/_/buckets/([^/]+)/objects/(.*)", name):
        return thing_named("bucket", matched[1], names, matched[2])
    for kind, folder in {"database": "instances", "key": "cryptoKeys", "secret": "secrets"}.items():
        if not begins and (matched := re.fullmatch(rf"projects/[^/]+/(?:.*/)?{folder}/([^/]+)", name)):
            return thing_named(kind, matched[1], names)
    return None
