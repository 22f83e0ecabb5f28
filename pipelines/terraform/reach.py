"""Who can reach what, also by acting as somebody else: out of a plan's grants, and of what Google itself gives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components.core.errors import InvalidInput
from pipelines.terraform.grants import EVERY, Grant, Names, Thing, grants_of, thing_named
from pipelines.terraform.plan import Plan, Resource
from pipelines.terraform.roles import Agent, Roles

ACT = frozenset(
    (
        "iam.serviceAccounts.actAs",
        "iam.serviceAccounts.getAccessToken",
        "iam.serviceAccounts.getOpenIdToken",
        "iam.serviceAccounts.implicitDelegation",
        "iam.serviceAccounts.signBlob",
        "iam.serviceAccounts.signJwt",
        "iam.serviceAccountKeys.create",
        "iam.serviceAccountApiKeyBindings.create",
        "storage.hmacKeys.create",
    )
)
"""Each of these is enough to do as an account what it may: whether something runs as it is a request away."""
OVERRIDE = "run.jobs.runWithOverrides"
_FEDERATE = frozenset(
    f"iam.googleapis.com/workloadIdentityPool{one}"
    for one in ("s.create", "s.update", "s.setIamPolicy", "Providers.create", "Providers.update")
)
GIVES = {
    "resourcemanager.projects.setIamPolicy": EVERY,
    "resourcemanager.folders.setIamPolicy": EVERY,
    "resourcemanager.organizations.setIamPolicy": EVERY,
    "iam.roles.update": EVERY,
    "storage.buckets.setIamPolicy": "bucket",
    "storage.buckets.update": "bucket",
    "storage.objects.setIamPolicy": "bucket",
    "storage.managedFolders.setIamPolicy": "bucket",
    "cloudkms.cryptoKeys.setIamPolicy": "key",
    "cloudkms.keyRings.setIamPolicy": "key",
    "iam.serviceAccounts.setIamPolicy": "account",
    "run.services.setIamPolicy": "service",
    "run.jobs.setIamPolicy": "job",
    "secretmanager.secrets.setIamPolicy": "secret",
    "artifactregistry.repositories.setIamPolicy": "repository",
    "pubsub.topics.setIamPolicy": "topic",
    "pubsub.subscriptions.setIamPolicy": "subscription",
}
"""Who may give rights on a kind of thing may give them to themselves."""


@dataclass(frozen=True)
class Step:
    """One step from somebody to somebody else whose rights they then have."""

    who: str
    by: str


@dataclass(frozen=True)
class Path:
    """How somebody may do something: whom they act as on the way, and who of these may do it at its end, and why."""

    start: str
    steps: tuple[Step, ...]
    holder: str
    end: str

    def __str__(self) -> str:
        """``train → acts as release (role, address) → sign: key release (role, address)``."""
        return " → ".join([self.start, *(step.by for step in self.steps), self.end])


class Reach:
    """What everybody in a plan can reach. Raises InvalidInput for a plan that leaves something open."""

    def __init__(self, plan: Plan, roles: Roles) -> None:
        self.plan = plan
        self.names = Names(plan)
        self.agents = [agent for agent in roles.agents if not self._is_removed(agent)]
        self.grants = [*grants_of(plan, roles, self.names), *self._of_agents(roles)]
        self.held: dict[str, list[Grant]] = {}
        for grant in self.grants:
            self.held.setdefault(grant.member, []).append(grant)
        self.steps = {who: list(self._steps(who)) for who in self.held}

    @cached_property
    def everybody(self) -> list[str]:
        """All who are given something, or whom something is given on."""
        return sorted({*self.held, *self.names.accounts})

    @cached_property
    def things(self) -> list[Thing]:
        """All that something is given on, and what the plan makes of these kinds."""
        made = {
            thing_named(kind, str(one.values[named]), self.names)
            for kind, type_, named in _MADE
            for one in self.plan.of_type(type_)
        }
        return sorted(
            made | {grant.thing for grant in self.grants if grant.thing.kind != "project" and grant.thing.name != EVERY}
        )

    def paths(self, who: str, word: str, permissions: frozenset[str], thing: Thing) -> Iterator[Path]:
        """The ways on which somebody may do to a thing what a word says: one by each whom they can act as, the shortest
        first."""
        for name, steps in self.acting(who):
            for end in self._ends(name, word, permissions, thing):
                yield Path(who, steps, name, end)
                break

    def _ends(self, who: str, word: str, permissions: frozenset[str], thing: Thing) -> Iterator[str]:
        if thing.kind == "account":
            yield from (step.by for step in self.steps.get(who, ()) if step.who == thing.name)
            return
        for grant in self.held.get(who, ()):
            if grant.thing.meets(thing) and (found := _allows(grant, permissions, thing.kind)):
                how = "gives itself the right to " if found == "gives" else ""
                yield f"{how}{word}: {thing} ({grant.role}, {grant.address})"

    def surely(self, who: str, permissions: Iterable[str], thing: Thing) -> bool:
        """Whether somebody may do all of some things themselves, under no condition that was not understood."""
        held = [grant for grant in self.held.get(who, ()) if grant.sure and grant.thing.covers(thing)]
        return set(permissions) <= {one for grant in held for one in grant.permissions}

    def acting(self, who: str) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """Everybody as whom somebody can act, themselves first, with the shortest way there."""
        seen, queue = {who}, deque([(who, ())])
        while queue:
            name, steps = queue.popleft()
            yield name, steps
            for step in self.steps.get(name, ()):
                if step.who not in seen:
                    seen.add(step.who)
                    queue.append((step.who, (*steps, step)))  # type: ignore[arg-type]

    def _steps(self, who: str) -> Iterator[Step]:
        made = [thing.name for thing in self.things if thing.kind == "account"]
        accounts = [*made, *(agent.name for agent in self.agents)]
        for grant in self.held[who]:
            for account in accounts:
                thing = Thing("account", account)
                if account != who and grant.thing.meets(thing) and (found := _allows(grant, ACT, "account")):
                    by = "gives itself the right to act as" if found == "gives" else "acts as"
                    yield Step(account, f"{by} {account} ({grant.role}, {grant.address})")
            for job, account in self.running:
                if job.kind == "job" and grant.thing.meets(job) and _allows(grant, frozenset([OVERRIDE]), "job"):
                    yield Step(
                        account, f"runs {job} with words of its own as {account} ({grant.role}, {grant.address})"
                    )
            for agent in self.agents:
                if grant.thing.kind == "project" and agent.name != who and grant.permissions & agent.started_by:
                    started = sorted(grant.permissions & agent.started_by)[0]
                    yield Step(agent.name, f"starts {agent.runs} as {agent.name} ({started}, {grant.address})")
            if grant.thing.kind == "project" and grant.permissions & _FEDERATE:
                for one in sorted(
                    {grant.member for grant in self.grants if grant.member.startswith(("workflows", "principal"))}
                ):
                    yield Step(one, f"says who is believed to be {one} ({grant.role}, {grant.address})")

    @cached_property
    def running(self) -> list[tuple[Thing, str]]:
        """Each service and job, and the account that it runs as."""
        found = []
        for thing, one, template in self._templates():
            if not (account := template.get("service_account")):
                raise InvalidInput(
                    f"{one.address}: whom it runs as is not known before it is applied; compose the e-mail"
                )
            found.append((thing, self.names.of_account(account)))
        return found

    @cached_property
    def mounted(self) -> list[tuple[Thing, str]]:
        """Each service and job, and a bucket that it finds files in."""
        return [
            (thing, str(each.get("bucket")))
            for thing, _, template in self._templates()
            for volume in template.get("volumes") or ()
            for each in volume.get("gcs") or ()
        ]

    def _templates(self) -> Iterator[tuple[Thing, Resource, dict[str, Any]]]:
        for one in self.plan.of_type("google_cloud_run_v2_service", "google_cloud_run_v2_job"):
            kind = one.type.rsplit("_", 1)[-1]
            template = one.values["template"][0]
            inner = template["template"][0] if kind == "job" else template
            yield thing_named(kind, str(one.values["name"]), self.names), one, inner

    def _of_agents(self, roles: Roles) -> list[Grant]:
        everything = Thing("project", EVERY)
        return [
            Grant(agent.name, agent.role, roles.permits(agent.role, {}, agent.name), everything, "given by Google")
            for agent in self.agents
        ]

    def _is_removed(self, agent: Agent) -> bool:
        """Whether the plan takes the role away that Google gives an agent."""
        removed = self.plan.of_type("google_project_iam_member_remove")
        return any(
            one.text("role") == agent.role and f"@{agent.domain}." in (one.text("member") or "") for one in removed
        )


def _allows(grant: Grant, permissions: frozenset[str], kind: str) -> str:
    """``may`` where a grant holds one of some permissions, ``gives`` where its holder may give it to themselves."""
    if grant.permissions & permissions:
        return "may"
    gives = {GIVES[one] for one in grant.permissions if one in GIVES}
    return "gives" if kind in gives or EVERY in gives else ""


_MADE = (
    ("bucket", "google_storage_bucket", "name"),
    ("key", "google_kms_crypto_key", "name"),
    ("account", "google_service_account", "account_id"),
    ("secret", "google_secret_manager_secret", "secret_id"),
    ("service", "google_cloud_run_v2_service", "name"),
    ("job", "google_cloud_run_v2_job", "name"),
    ("repository", "google_artifact_registry_repository", "repository_id"),
    ("topic", "google_pubsub_topic", "name"),
    ("database", "google_sql_database_instance", "name"),
)
