"""Each command of ``sluice`` on Google Cloud: whose it is there, and that the plan lets them do it.

What a command reads and writes is written down here, by hand, from its code. What a table cannot show is said in
docs/guides/runbook.md: who starts graphs is the dispatcher, and people have it do so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pipelines import catalogue
from pipelines.cli import sluice
from pipelines.terraform.grants import Thing
from pipelines.terraform.reach import Reach
from tests.infra.access_page import OF, checked
from tests.infra.terraform import SOURCE

GET, CREATE = "storage.objects.get", "storage.objects.create"
REPLACE = (GET, CREATE, "storage.objects.delete")
APPROVER, DEVELOPERS, ADMINS, DISPATCHER = "anna@example.com", "developers", "admins", "submit"


@dataclass(frozen=True)
class Need:
    """Permissions on a thing; or, with no thing, a role on the project: what Google's roles permit is known in part."""

    thing: Thing | None
    of: tuple[str, ...]


def on(kind: str, name: str, *permissions: str, prefix: str = "") -> Need:
    return Need(Thing(kind, name, prefix), permissions)


def vertex(*permissions: str) -> Need:
    return on("graphs", "of Vertex AI", *(f"aiplatform.{one}" for one in permissions))


STORE, STATE, TRUST = (on("bucket", name, GET) for name in ("store", "state", "trust"))
SUBMITS = (
    vertex("pipelineJobs.create", "pipelineJobs.get", "pipelineJobs.list"),
    on("graphs", "of Vertex AI", "logging.logEntries.list"),
    on("bucket", "store", GET, CREATE),
    on("bucket", "pipelines", GET),
    TRUST,
    *(on("account", name, "iam.serviceAccounts.actAs") for name in ("lifecycle", "release", "monitor")),
)
LOOKS = (Need(None, ("roles/aiplatform.viewer", "roles/logging.viewer")), STORE)
LOOKS_AS_APPROVER = (
    vertex("pipelineJobs.get", "pipelineJobs.list"),
    on("graphs", "of Vertex AI", "logging.logEntries.list"),
    STORE,
)
SPEAKS = (
    on("key", "anna", "cloudkms.cryptoKeyVersions.useToSign"),
    on("bucket", "store", GET, CREATE, prefix="store/decisions/"),
    on("bucket", "store", CREATE, prefix="store/requests/"),
    STATE,
    TRUST,
)
CHANGES = (*SPEAKS, on("bucket", "state", *REPLACE, prefix="endpoints/generations.jsonl"))
ALIASES = on("models", "of Vertex AI", *(f"aiplatform.models.{one}" for one in ("get", "list", "update", "upload")))
EVALUATES = vertex("modelEvaluations.list", "modelEvaluations.import")
PROVES = (STORE, STATE, TRUST)

BY_A_JOB: dict[str, tuple[Need, ...]] = {
    "run": SUBMITS,
    "monitor": SUBMITS,
    "smoke": SUBMITS,
    "schedule": (
        *SUBMITS,
        vertex("schedules.create", "schedules.update", "schedules.list", "schedules.delete"),
        on("bucket", "store", *REPLACE, prefix="store/schedules/"),
    ),
    "schedules": (vertex("schedules.list", "schedules.update", "schedules.delete"),),
    "doctor": (*SUBMITS, STATE, on("bucket", "store", *REPLACE, prefix="store/doctor-")),
}
"""What people have the dispatcher's account do, as a command of ``main.tf``, and what that takes."""
THEMSELVES: dict[str, dict[str, tuple[Need, ...]]] = {
    "cancel": {DEVELOPERS: (*LOOKS, vertex("pipelineJobs.cancel"))},
    "approve": {APPROVER: (*LOOKS_AS_APPROVER, *SPEAKS)},
    "refuse": {APPROVER: (*LOOKS_AS_APPROVER, *SPEAKS)},
    "freeze": {APPROVER: CHANGES},
    "thaw": {APPROVER: CHANGES},
    "rollback": {APPROVER: (*CHANGES, ALIASES)},
    "break-glass": {APPROVER: (*CHANGES, ALIASES)},
    "registry": {DEVELOPERS: (LOOKS[0], STATE), APPROVER: (ALIASES, EVALUATES, STATE, STORE)},
    "keys": {
        ADMINS: (
            on("bucket", "trust", *REPLACE),
            *(on("key", name, "cloudkms.cryptoKeyVersions.viewPublicKey") for name in ("release", "monitor", "anna")),
        )
    },
    **{one: {DEVELOPERS: LOOKS, APPROVER: LOOKS_AS_APPROVER} for one in ("runs", "status", "logs", "report")},
    **{one: {DEVELOPERS: LOOKS} for one in ("compare", "why")},
    **{one: {DEVELOPERS: PROVES, APPROVER: PROVES} for one in ("endpoints", "audit", "verify", "bundle")},
    "dispatch": {DISPATCHER: (*SUBMITS, STATE)},
}
"""What each does under their own name."""
NOT_THERE = {"init", "new", "lint", "compile", "env", "demo", "serve", "api-keys", "gc"}
"""Commands that are about files of one machine."""
ALIASES_ARE_READ_BY = {
    "components/release/registries",  # which sets them
    "pipelines/commands/registry.py",  # which shows them
    "pipelines/proof/find.py",  # NAME@ALIAS, typed by a person, for `verify` and `bundle`
}


@pytest.fixture(scope="module")
def reach(plan_of: Callable[[str], dict[str, Any]]) -> Reach:
    """What everybody may in the last environment."""
    return checked(plan_of(OF)).reach


def lacking(reach: Reach, who: str, needs: tuple[Need, ...]) -> Iterator[str]:
    """What somebody needs and is not given, themselves."""
    roles = {grant.role for grant in reach.held[who] if grant.thing.kind == "project"}
    for need in needs:
        if need.thing is None:
            yield from (f"{who}: {role}" for role in set(need.of) - roles)
        else:
            missing = [one for one in need.of if not reach.surely(who, {one}, need.thing)]
            yield from (f"{who}: {one} on {need.thing}" for one in missing)


def test_each_command_is_somebodys() -> None:
    told = [*BY_A_JOB, *THEMSELVES, *NOT_THERE]
    assert sorted(told) == sorted(sluice.commands)


@pytest.mark.parametrize("command", THEMSELVES)
def test_whoever_types_a_command_may_do_what_it_does(reach: Reach, command: str) -> None:
    for who, needs in THEMSELVES[command].items():
        assert list(lacking(reach, who, needs)) == []


@pytest.mark.parametrize("command", BY_A_JOB)
def test_what_the_dispatcher_is_asked_to_do_it_may(reach: Reach, command: str) -> None:
    assert list(lacking(reach, DISPATCHER, BY_A_JOB[command])) == []


def test_developers_start_what_the_dispatcher_does_and_see_how_it_went(reach: Reach) -> None:
    takes = (SOURCE / "modules" / "dispatch" / "variables.tf").read_text()
    allowed = re.search(r"contains\((\[[^\]]*\]), one\.command\)\]\)", takes)
    assert allowed is not None
    assert set(re.findall(r'"(\w+)"', allowed[1])) == set(BY_A_JOB)
    jobs = [thing for thing in reach.things if thing.kind == "job"]
    assert {"doctor", "helpdesk", "smoke", "watch"} <= {job.name for job in jobs}
    needs = (*(on("job", job.name, "run.jobs.run") for job in jobs), Need(None, ("roles/run.viewer",)))
    assert list(lacking(reach, DEVELOPERS, needs)) == []
    assert [job for job in jobs if reach.surely(DEVELOPERS, {"run.jobs.runWithOverrides"}, job)] == []


def test_a_right_that_is_missing_is_seen(reach: Reach) -> None:
    assert list(lacking(reach, DEVELOPERS, (*SPEAKS[:1], vertex("pipelineJobs.create"), Need(None, ("roles/x",))))) == [
        "developers: cloudkms.cryptoKeyVersions.useToSign on key anna",
        "developers: aiplatform.pipelineJobs.create on graphs of Vertex AI",
        "developers: roles/x",
    ]


def test_nothing_that_decides_or_serves_reads_an_alias() -> None:
    """So whoever could name one with a candidate that it registers gains a word in the registry and no more."""
    root = catalogue.ROOT.parent
    reading = re.compile(r"\.aliases\b|\bfind_version\b|\bversion_aliases\b")
    found = {
        str(path.relative_to(root))
        for folder in ("components", "pipelines")
        for path in (root / folder).rglob("*.py")
        if reading.search(path.read_text())
    }
    assert found
    assert [one for one in sorted(found) if not one.startswith(tuple(ALIASES_ARE_READ_BY))] == []
