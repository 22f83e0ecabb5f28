"""The first promise as rights: rules that are data, held against what a plan lets everybody reach."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field, model_validator

from components.core.errors import InvalidInput
from pipelines import located_yaml
from pipelines.terraform.grants import Thing, is_grant, thing_named
from pipelines.terraform.plan import Resource
from pipelines.terraform.reach import Path as Way
from pipelines.terraform.reach import Reach

RULES = Path(__file__).with_name("promise.yaml")
APPROVERS = "approvers"
_EVERYBODY = ("allUsers", "allAuthenticatedUsers", "projectOwner:", "projectEditor:", "projectViewer:", "domain:")
_BASIC = ("roles/owner", "roles/editor")
_ACL = ("_acl", "_access_control", "_default_object_acl")


class Word(located_yaml.Part):
    """What a person calls a permission: on which kind of thing, and what each is enough."""

    kind: str
    any: frozenset[str] = Field(min_length=1)
    table: bool = True


class Rule(located_yaml.Part):
    """Who may do something to a thing, and who has to be able to."""

    may: str
    thing: str
    only: tuple[str, ...] | None = None
    through: tuple[str, ...] = ()
    must: tuple[str, ...] = ()
    optional: bool = False


class Promise(located_yaml.Table):
    """The words and the rules; of which types of resource it is known whose rights they use and give; as whom services
    and jobs may run."""

    words: dict[str, Word]
    rules: tuple[Rule, ...]
    made: frozenset[str]
    run_as: frozenset[str]
    places: dict[str, str]

    @model_validator(mode="after")
    def _says_known_words(self) -> Promise:
        for rule in self.rules:
            word = self.words.get(rule.may)
            if word is None or not rule.thing.startswith(f"{word.kind} "):
                raise ValueError(f"{rule.may}: {rule.thing}: is no word for such a thing; it is one of `words`")
        return self


def written() -> Promise:
    """The rules that lie beside this file."""
    return located_yaml.validate(Promise, located_yaml.load(RULES))


@dataclass(frozen=True)
class Held:
    """A rule as it was held against a plan: the things that it is about there, and who may by its words."""

    rule: Rule
    things: tuple[Thing, ...]
    only: frozenset[str] | None


class Check:
    """Rules held against what everybody reaches."""

    def __init__(self, reach: Reach, promise: Promise) -> None:
        self.reach = reach
        self.promise = promise

    def breaches(self) -> list[str]:
        """What is otherwise than the rules say, a sentence each; none where all is well.

        Raises InvalidInput where the plan has nothing of what a rule is about: then nothing was shown.
        """
        rules = self.held  # before all else: what follows looks for the same things
        found = [*self._structure(), *self._elsewhere(), *self._unruled(), *self._approvers_keys()]
        for held in rules:
            for thing in held.things:
                found += [*self._too_much(held, thing), *self._too_little(held, thing)]
        return list(dict.fromkeys(found))

    @cached_property
    def approvers(self) -> dict[Thing, list[str]]:
        """Each signing key that is no graph's, and who may sign with it themselves."""
        of_graphs = {rule.thing for rule in self.promise.rules if rule.may == "sign"}
        sign = self.promise.words["sign"].any
        keys = [thing_named("key", str(one.values["name"]), self.reach.names) for one in self._signing_keys()]
        return {
            key: sorted({one.member for one in self.reach.grants if one.permissions & sign and one.thing == key})
            for key in keys
            if str(key) not in of_graphs
        }

    @cached_property
    def held(self) -> list[Held]:
        """Each rule with the things of this plan that it is about."""
        found = [Held(rule, self._things(rule), self._only(rule)) for rule in self.promise.rules]
        return [held for held in found if held.things]

    def _things(self, rule: Rule) -> tuple[Thing, ...]:
        kind, _, rest = rule.thing.partition(" ")
        name, _, prefix = rest.partition(", ")
        if name == "of Vertex AI" or any((one.kind, one.name) == (kind, name) for one in self.reach.things):
            return (Thing(kind, name, prefix),)
        if not rule.optional:
            raise InvalidInput(f"terraform plan: there is no {rule.thing}, so nothing says who may {rule.may} there")
        return ()

    def _only(self, rule: Rule) -> frozenset[str] | None:
        if rule.only is None:
            return None
        people = {who for holders in self.approvers.values() for who in holders}
        return frozenset(one for word in rule.only for one in (people if word == APPROVERS else [word]))

    def _too_much(self, held: Held, thing: Thing) -> Iterator[str]:
        """Who may and should not, by the shortest way of each; not who may by acting as somebody told of here."""
        found = {who: path for who in self.reach.everybody if (path := self._forbidden_path(held, thing, who))}
        for path in found.values():
            if not any(step.who in found for step in path.steps):
                yield f"{path}; {_nobody_but(held.only or ())}"

    def _forbidden_path(self, held: Held, thing: Thing, who: str) -> Way | None:
        """How somebody may and should not. What Google's agents may is told of who starts them."""
        agents = {agent.name for agent in self.reach.agents}
        if held.only is None or who in held.only or who in agents or (thing.kind, thing.name) == ("account", who):
            return None
        for path in self.reach.paths(who, held.rule.may, self.promise.words[held.rule.may].any, thing):
            if not (who in held.rule.through and path.holder in held.only):
                return path
        return None

    def _too_little(self, held: Held, thing: Thing) -> Iterator[str]:
        """Who must be able to and is not."""
        word = self.promise.words[held.rule.may]
        for who in held.rule.must:
            if not any(self.reach.surely(who, {one}, thing) for one in word.any):
                role = f"a role that permits {_listed(word.any)}"
                yield f"{who} cannot {held.rule.may}: {thing}, and has to; give it {role}"

    def _approvers_keys(self) -> Iterator[str]:
        """A person's key signs for that person, who is one and can be named."""
        for key, holders in self.approvers.items():
            if len(holders) != 1 or not all("@" in who and ":" not in who for who in holders):
                yield f"{key} is open to {_listed(holders, 'and')}; open it to the person whose it is, as user:E-MAIL"
            yield from self._too_much(Held(_SIGN, (key,), frozenset(holders)), key)

    def _unruled(self) -> Iterator[str]:
        """An account that no rule is about: nobody said who may act as it."""
        ruled = {rule.thing for rule in self.promise.rules if rule.may == "act as"}
        for thing in self.reach.things:
            if thing.kind == "account" and str(thing) not in ruled:
                yield f"{thing} is new; say in {RULES.name} who may act as it"

    def _structure(self) -> Iterator[str]:
        """What no environment has, whoever it is given to."""
        for grant in self.reach.grants:
            if grant.role in _BASIC:
                yield f"{grant.member} has {grant.role} ({grant.address}); give a role for what it does"
            if grant.member.startswith(_EVERYBODY):
                yield f"{grant.thing} is open to {grant.member} ({grant.role}, {grant.address}); name who needs it"
        for one in self.reach.plan.resources:
            if reason := _forbidden(one) or self._unknown(one):
                yield f"{one.address}: {reason}"
        for thing, account in self.reach.running:
            if account not in self.promise.run_as:
                others = _listed(self.promise.run_as)
                yield f"{thing} runs as {account}, with whatever its image holds; run it as {others}"

    def _elsewhere(self) -> Iterator[str]:
        """What the environment that the plan makes keeps in another place than the rules are about."""
        environment, plan = self.reach.plan.environment, self.reach.plan
        if not environment:
            return
        project = str(next((one.values.get("project") for one in plan.of_type("google_service_account")), ""))
        known = {"project": project, "region": environment.get("region")}
        for one in plan.of_type("google_storage_bucket"):
            known[thing_named("bucket", str(one.values["name"]), self.reach.names).name] = one.values["name"]
        for name, template in self.promise.places.items():
            if (place := environment.get(name)) != (wanted := template.format_map(known)):
                yield f"the environment's {name} is {place}, where the rules do not look; make it {wanted}"
        for name, address in environment.get("keys", {}).items():
            if not re.fullmatch(rf"gcpkms:projects/{project}/.*/cryptoKeys/{name}/cryptoKeyVersions/\d+", str(address)):
                yield f"the environment's key {name} is {address}, where no rule looks; name the key {name} here"
        for thing, bucket in self.reach.mounted:
            if bucket != known.get("trust"):
                yield f"{thing} starts with what lies in {bucket}; only admins may write that: {known.get('trust')}"

    def _unknown(self, one: Resource) -> str:
        """What is said of a type of resource that nobody has looked at; empty for one that is known."""
        known = one.type in self.promise.made or is_grant(one)
        return (
            "" if known else f"what rights a {one.type} uses or gives is not known; look, and name it in {RULES.name}"
        )

    def _signing_keys(self) -> list[Resource]:
        keys = self.reach.plan.of_type("google_kms_crypto_key")
        return [one for one in keys if one.text("purpose") == "ASYMMETRIC_SIGN"]


_CLAIM = re.compile(r"assertion\.\w+ == '[^'\\]+'")
_REF = r"assertion\.ref(?: == '[^'\\]+'|\.startsWith\('[^'\\]+'\))"
_RIGHTS = re.compile(
    r"assertion\.event_name == 'pull_request' \? 'plan' : \(assertion\.event_name in \['push', 'workflow_dispatch'\]"
    rf" && assertion\.ref_protected == 'true' && \({_REF}(?: \|\| {_REF})*\) \? 'ci' : 'none'\)"
)
"""Who is believed to be what, as infra/terraform/modules/federation writes it."""
_SIGN = Rule(may="sign", thing="key of a person", only=())


def _forbidden(one: Resource) -> str:
    """Why a resource is in no environment; empty where it may be."""
    if one.type in ("google_service_account_key", "google_storage_hmac_key"):
        return (
            "is a key that somebody holds and that nobody sees used; use an identity that Google gives, or federation"
        )
    if one.type.startswith("google_storage_") and one.type.endswith(_ACL):
        return "gives rights by an access list, past IAM; use uniform access, and a _member"
    if one.type == "google_storage_bucket" and one.values.get("uniform_bucket_level_access") is not True:
        return "takes access lists, past IAM; set uniform_bucket_level_access"
    if one.type == "google_sql_user" and one.text("type") in (None, "BUILT_IN"):
        return "logs in by a password, as whoever knows it; make it a CLOUD_IAM_SERVICE_ACCOUNT or CLOUD_IAM_USER"
    if one.type == "google_sql_database_instance" and (one.text("root_password") or one.waits("root_password")):
        return "has a root password, for whoever knows it; leave root_password away"
    if one.type == "google_iam_workload_identity_pool_provider":
        return _too_trusting(one)
    if one.type.startswith("google_cloud_run_") and one.values.get("invoker_iam_disabled"):
        return "answers whoever asks; leave invoker_iam_disabled away, and name who may"
    return ""


def _too_trusting(provider: Resource) -> str:
    """Why a provider of identities may believe somebody else than the one repository's workflows."""
    terms = (provider.text("attribute_condition") or "").split(" && ")
    if not (all(map(_CLAIM.fullmatch, terms)) and any(term.startswith("assertion.repository_id ") for term in terms)):
        return (
            "may believe any repository of its issuer; set attribute_condition to"
            " `assertion.repository_id == 'NUMBER'`, and join more by && alone"
        )
    rights = (provider.values.get("attribute_mapping") or {}).get("attribute.rights", "")
    if not _RIGHTS.fullmatch(rights):
        return "has another attribute.rights than modules/federation, so who is `ci` is not known; write that one"
    return ""


def _nobody_but(names: Iterable[str]) -> str:
    return f"nobody but {_listed(names)} may" if names else "nobody may"


def _listed(names: Iterable[str], last_by: str = "or") -> str:
    *most, last = sorted(names) or ["nobody"]
    return f"{', '.join(most)} {last_by} {last}" if most else last
