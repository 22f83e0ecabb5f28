"""The part of the tree below a decision: who signed it, by which policy, about which model, on which evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from components.core.canonical import sha256
from components.core.decision import Decision, DecisionKind, Evidence, Permits, Verdict, decision_key
from components.core.endpoint import MAY
from components.core.manifest import MANIFEST
from components.core.signing import verify
from components.core.trust import TrustRoots
from components.core.wording import counted
from components.release.people import counts
from components.release.policy import decide_section
from pipelines.proof.artifacts import Artifacts
from pipelines.proof.judgement import check_judgement, recompute
from pipelines.proof.ledger import DAMAGE
from pipelines.proof.links import Links
from pipelines.proof.tree import Broken, Mark, Node, checked, see_above, sentence, short


@dataclass
class Verified:
    """A decision that was looked at: its part of the tree, and itself where its envelope holds."""

    node: Node
    decision: Decision | None = None
    words: list[Decision] = field(default_factory=list)
    """Approvals that it rests on."""


@dataclass
class Decisions:
    """Walks decisions, each once."""

    artifacts: Artifacts
    trust: TrustRoots
    environment: str
    """The environment that they must be for."""
    only: frozenset[str] = frozenset()
    """Digests of the models whose decisions are walked; others are verified alone. Empty to walk all."""
    walked: dict[str, Verified] = field(default_factory=dict)

    @cached_property
    def links(self) -> Links:
        """What came after the decisions in the store."""
        return Links.of(self.artifacts.ledger.store)

    def verified(self, decision: str) -> Verified:
        """The decision of that id, everything below it walked; ``see above`` the second time."""
        before = self.walked.get(decision)
        if before is not None:
            return Verified(see_above(before.node), before.decision, before.words)
        found = self.walked[decision] = Verified(Node(f"decision  {short(decision)}"))
        try:
            found.decision = self._read(decision)
        except DAMAGE as error:
            found.node.mark, found.node.said = Mark.BROKEN, sentence(error)
        else:
            self._walk(found, found.decision)
        return found

    def walks(self, decision: Decision) -> bool:
        """Whether what a decision rests on is looked at here, and not its signature alone."""
        return not self.only or (decision.subject is not None and decision.subject.digest in self.only)

    def _read(self, decision: str) -> Decision:
        key = decision_key(decision)
        found = verify(self.artifacts.ledger.named_by_itself(key), self.trust, key)
        if found.id != decision:
            raise Broken(f"{key} holds another decision ({short(found.id)}) than its name says")
        return found

    def _walk(self, found: Verified, decision: Decision) -> None:
        node = found.node
        node.title = f"decision  {decision.kind} {decision.verdict}  {short(decision.id)}"
        glass = decision.kind is DecisionKind.BREAK_GLASS
        if decision.environment != self.environment:
            node.mark = Mark.BROKEN
            node.said = f"is for the environment {decision.environment}, and this is {self.environment}"
        elif decision.permits is not Permits.NOTHING and decision.kind not in MAY[decision.permits]:
            node.mark, node.said = Mark.BROKEN, f"permits {decision.permits}, which a {decision.kind} cannot"
        else:
            node.mark, node.said = Mark.NOTE if glass else Mark.HOLDS, self._signed(decision)
        if self.walks(decision):
            node.children += self._children(found, decision)

    def _signed(self, decision: Decision) -> str:
        key = next(key for key in self.trust.keys if key.key_id == decision.key_id)
        later = f", retired since ({key.retired})" if key.retired else ""
        said = f"signed by {decision.signer} (key {short(key.key_id)}{later}) at {decision.issued[:19]}"
        if decision.kind in (DecisionKind.RELEASE, DecisionKind.GATE):
            return f"{said}, permits {decision.permits}"
        return "; ".join([said, *(f"“{reason.text}”" for reason in decision.reasons[:1])])

    def _children(self, found: Verified, decision: Decision) -> Iterator[Node]:
        judged = decision.kind in (DecisionKind.RELEASE, DecisionKind.GATE)
        policy = ""
        by_role = {named.role: named for named in decision.evidence}
        if "policy" in by_role or judged:
            node, policy = self._policy(decision, by_role.get("policy"))
            yield node
        if decision.subject:
            yield self.artifacts.node("model", decision.subject)
        if "gate" in by_role or judged:
            yield from self._judgement(decision, by_role.get("gate"), policy)
        yield from self._words(found, decision, policy)
        for named in decision.evidence:
            if named.role not in ("policy", "gate", "approval"):
                yield self._object(named)
        for card in self.links.cards_of(decision.id):
            yield self.artifacts.node("card", card)

    def _policy(self, decision: Decision, named: Evidence | None) -> tuple[Node, str]:
        """The policy, and whether it is the one that the decision names."""
        if named is None:
            return Node("policy", "the decision does not say where its policy lies", Mark.BROKEN), ""
        title = f"policy  {short(decision.policy)}"
        try:
            data: bytes = self.artifacts.ledger.document(named.key, named.digest)
            text = data.decode()
            if sha256(text) != decision.policy:
                raise Broken(f"{named.key} is another policy than the one that it was decided by")
            sections = json.loads(text)
            if decision.kind is DecisionKind.RETRAIN:  # that of monitoring: it has no claims, and asks nobody
                return Node(title, f"{counted(len(sections), 'setting')} of when to retrain"), ""
            claims, asked = sections["gate"]["claims"], decide_section(text).approvals
        except DAMAGE as error:
            return Node(title, sentence(error), Mark.BROKEN), ""
        alpha = sections["gate"]["alpha"]
        return Node(title, f"{counted(len(claims), 'claim')} at α = {alpha:g}, {counted(asked, 'approval')}"), text

    def _judgement(self, decision: Decision, named: Evidence | None, policy: str) -> Iterator[Node]:
        """The gate's output, what it says about this decision, and the same worked out again."""
        if named is None:
            yield Node("evidence", "a decision of this kind rests on a gate's evidence, and names none", Mark.BROKEN)
            return
        evidence = named.manifest
        yield self.artifacts.node("evidence", evidence)
        if evidence.digest not in self.artifacts.manifests:
            return
        yield checked("judgement", lambda: check_judgement(self.artifacts, decision, evidence), DAMAGE)
        yield recompute(self.artifacts, evidence, policy)

    def _words(self, found: Verified, decision: Decision, policy: str) -> Iterator[Node]:
        """People's approvals, as many as the policy asks for, each of another person."""
        names: set[str] = set()
        asked = decide_section(policy) if policy else None
        for named in decision.evidence:
            if named.role == "approval":
                node, word = self._word(decision, named, asked.approvers if asked else ())
                yield node
                if word is not None:
                    found.words.append(word)
                    names |= {word.signer} if word.verdict is Verdict.PASS else set()
        released = decision.kind is DecisionKind.RELEASE and decision.verdict is Verdict.PASS
        if released and asked and len(names) < asked.approvals:
            yield Node("approvals", f"the policy asks for {asked.approvals}, {len(names)} hold", Mark.BROKEN)

    def _word(self, decision: Decision, named: Evidence, approvers: tuple[str, ...]) -> tuple[Node, Decision | None]:
        title = f"approval  {short(named.digest)}"
        try:
            word = verify(self.artifacts.ledger.document(named.key, named.digest), self.trust, named.key)
            counts(word, decision.case, decision.environment, approvers, decision.issued_at, named.key)
            if decision.verdict is Verdict.PASS and word.verdict is not Verdict.PASS:
                raise Broken(f"{word.signer} said {word.verdict}, and the decision passes")
        except DAMAGE as error:
            return Node(title, sentence(error), Mark.BROKEN), None
        reason = f": “{word.reasons[0].text}”" if word.reasons else ""
        return Node(title, f"{word.signer} said {word.verdict} at {word.issued[:19]}{reason}"), word

    def _object(self, named: Evidence) -> Node:
        def check() -> str:
            self.artifacts.ledger.document(named.key, named.digest)
            return "unchanged"

        if named.key.endswith(f"/{MANIFEST}"):
            return self.artifacts.node(named.role, named.manifest)
        return checked(f"{named.role}  {named.key}", check, DAMAGE)
