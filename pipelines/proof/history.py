"""The part of the tree below an endpoint: its generations, each worked out again from the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from components.core.decision import Decision, DecisionKind
from components.core.endpoint import EndpointState, after
from components.core.moment import parse_moment
from components.core.signing import SKEW, held_at
from components.core.wording import counted
from pipelines.proof.decisions import Decisions, Verified
from pipelines.proof.ledger import DAMAGE
from pipelines.proof.tree import Broken, Mark, Node, checked, sentence, short


class Histories(Protocol):
    """Where generations of endpoints are read; nothing here writes any."""

    def history(self, endpoint: str) -> Sequence[EndpointState]:
        """All generations, the first one first."""

    def names(self) -> Sequence[str]:
        """The endpoints that there are."""


@dataclass
class History:
    """Walks the generations of one endpoint."""

    decisions: Decisions
    endpoint: str

    def node(self, histories: Histories) -> Node:
        """The tree of the endpoint, the newest generation first."""
        node = Node(f"endpoint  {self.endpoint}")
        try:
            states = list(histories.history(self.endpoint))
        except DAMAGE as error:
            node.mark, node.said = Mark.BROKEN, sentence(error)
            return node
        if not states:
            node.mark, node.said = Mark.BROKEN, "has no generations: its history is gone, or nobody has used it yet"
            return node
        newest = states[-1]
        serving = short(newest.champion.digest) if newest.champion else "nothing"
        frozen = f", frozen by decision {short(newest.frozen)}" if newest.frozen else ""
        node.said = f"{counted(len(states), 'generation')}; {serving} should serve{frozen}"
        earlier = [EndpointState(endpoint=self.endpoint), *states]
        for at in reversed(range(len(states))):
            node.children.append(self._generation(earlier[: at + 1], states[at]))
        node.children += self._unused({state.decision for state in states})
        return node

    def _generation(self, earlier: Sequence[EndpointState], state: EndpointState) -> Node:
        """One generation, held against those before it as they were recorded."""
        before = earlier[-1]
        found = self.decisions.verified(state.decision)
        title = f"generation {state.generation}  {state.changed[:19]}"

        def check() -> str:
            self._follows(earlier, state, found.decision)
            assert found.decision
            self._in_time(before, state, found.decision, found.words)
            self._described(found.decision, earlier)
            return f"exactly what its decision makes of generation {before.generation}"

        node = checked(title, check, DAMAGE)
        node.children = [found.node, *self._carried_out(found)]
        return node

    def _follows(self, earlier: Sequence[EndpointState], state: EndpointState, decision: Decision | None) -> None:
        """The generation must be the one that the decision makes of the one before, field by field."""
        before = earlier[-1]
        if state.generation != before.generation + 1:
            raise Broken(f"generations {before.generation + 1} to {state.generation - 1} are missing from the history")
        if decision is None:
            raise Broken(f"its decision {short(state.decision)} does not hold")
        if any(state.decision == other.decision for other in earlier):
            raise Broken(f"its decision {short(state.decision)} was used before; a decision counts once")
        expected = after(before, decision, state.changed).model_dump()
        differs = [name for name, value in state.model_dump().items() if value != expected[name]]
        if differs:
            raise Broken(f"is not what its decision makes of the one before: {', '.join(differs)} differ")

    def _in_time(
        self, before: EndpointState, state: EndpointState, decision: Decision, words: Sequence[Decision]
    ) -> None:
        """A decision counts from when it was signed until it expires; so does a person's word that it rests on."""
        changed = parse_moment(state.changed)
        if before.changed and changed < parse_moment(before.changed) - SKEW:
            raise Broken(f"was changed at {state.changed}, before the generation that it follows ({before.changed})")
        for acted_on in (decision, *words):
            if not held_at(acted_on, changed):
                raise Broken(
                    f"was changed at {state.changed}; {acted_on.kind} {short(acted_on.id)} held from"
                    f" {acted_on.issued} to {acted_on.expires}"
                )

    def _described(self, decision: Decision, earlier: Sequence[EndpointState]) -> None:
        released = decision.kind is DecisionKind.RELEASE and self.decisions.walks(decision)
        if released and not self.decisions.links.cards_of(decision.id):
            raise Broken("no model card describes its decision; a release has one, look for it in a copy of the store")
        served = {state.champion.digest for state in earlier if state.champion}
        if decision.kind is DecisionKind.ROLLBACK and decision.subject and decision.subject.digest not in served:
            raise Broken(f"rolls back to {short(decision.subject.digest)}, which never served here")

    def _carried_out(self, found: Verified) -> list[Node]:
        """The reports of the step that made the change; a person's decision is carried out without one."""
        decision = found.decision
        if decision is None or decision.kind is not DecisionKind.RELEASE or not self.decisions.walks(decision):
            return []
        keys = self.decisions.links.transitions_of(decision.id)
        if not keys:
            said = "no report tells of it: the step ended before it could write one, or the report is gone"
            return [Node("transition", said, Mark.NOTE)]
        return [self._report(key) for key in keys]

    def _report(self, key: str) -> Node:
        def check() -> str:
            self.decisions.artifacts.ledger.named_by_itself(key)
            return "its report names this decision and card"

        return checked(f"transition  {key.split('/')[1][:8]}", check, DAMAGE)

    def _unused(self, used: set[str]) -> list[Node]:
        """Transitions that reports tell of, and the history does not: it was cut."""
        links, missing = self.decisions.links, []
        for decision in sorted(links.decided.keys() - used):
            keys = links.transitions_of(decision)
            if keys and links.endpoints[decision] == self.endpoint:
                said = f"{keys[0]} carried out decision {short(decision)}, and no generation names it: history was cut"
                missing.append(Node("transition", said, Mark.BROKEN))
        return missing
