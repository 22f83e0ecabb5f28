"""All that a card is made of, and what of it is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.core.decision import Decision
from components.core.evidence import GateEvidence
from components.core.manifest import Manifest, ModelFacts
from components.core.suites import Suite
from components.release.card.lineage import Lineage
from components.release.card.settings import Card

WRITTEN = {
    "licence": "name the licence of the model by its SPDX identifier, such as apache-2.0",
    "intended_use": "say what the model is for, and by whom",
    "limitations": "say what it must not be used for, and what it is known to get wrong",
    "contact": "say who answers for it",
}
"""What a person has to write, and how."""
_NOTHING = re.compile(r"\W*(to ?do|tbd|fixme|xxx+|n/?a|none|more information needed)?\W*", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """A model and what is known about it; nothing of a card comes from anywhere else."""

    settings: Card
    model: Manifest
    about: ModelFacts
    lineage: Lineage
    evidence: GateEvidence
    decision: Decision
    heads: tuple[Suite, ...]

    @property
    def from_hub(self) -> bool:
        """Whether the base is a model of a hub, which has commits."""
        return bool(self.about.revision)

    def metric(self, suite: str) -> str:
        """The metric of a suite; that of the first one, for all suites together."""
        return next((head.metric for head in self.heads if suite in ("", head.id)), "")


def missing_parts(facts: Facts) -> list[str]:
    """What a card needs and nobody can know, a sentence each: which part, and what to set."""
    return [*_unwritten(facts.settings), *_about_data(facts.lineage), *_about_evaluation(facts)]


def _unwritten(settings: Card) -> list[str]:
    return [
        f"card.{name}: nothing is written there; {how}"
        for name, how in WRITTEN.items()
        if _NOTHING.fullmatch(getattr(settings, name))
    ]


def _about_data(lineage: Lineage) -> list[str]:
    found = [
        f"resolve.sources: {source.uri} has no licence; set `licence` where the recipe names it"
        for source in lineage.training_sources
        if not source.licence
    ]
    found += [
        f"base.hub: {source.uri} states no licence in its hub; take a base that does"
        for source in lineage.base_sources
        if not source.licence
    ]
    if not lineage.training_sources:
        found.append("training data: the model's manifest names no source; train it from a recipe's `resolve.sources`")
    return [*found, *(f"training data: {gap}" for gap in lineage.gaps)]


def _about_evaluation(facts: Facts) -> list[str]:
    found = []
    if not facts.evidence.tallies:
        found.append("evaluation: the evidence holds no results; run the release again, from the step gate")
    if not facts.evidence.claims:
        found.append("evaluation: the policy claims nothing; set gate.claims in the recipe")
    unknown = sorted({tally.suite for tally in facts.evidence.tallies if not facts.metric(tally.suite)})
    return [
        *found,
        *(f"evaluation: no suite {name} says what its metric is; run the lifecycle again" for name in unknown),
    ]
