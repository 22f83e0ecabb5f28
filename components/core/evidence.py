"""``Evidence``: what a gate found out about a candidate, claim by claim. A decision names it by digest."""

from __future__ import annotations

from pydantic import Field

from components.core.canonical import canonical_json, sha256
from components.core.contract import Contract
from components.core.decision import Reason, Verdict
from components.core.endpoint import Incumbent
from components.core.manifest import Manifest, Part, Reference, read_beside
from components.core.store import Store

FILE = "evidence.json"
"""The object of a gate's output that holds it."""


class ClaimResult(Reason):
    """One claim of the policy, and what the answers say about it. Scores and differences are fractions."""

    kind: str = Field(description="`floor`, `margin` or `gain`.")
    suite: str = Field(default="", description="Empty for all suites.")
    slice: str = Field(default="", description="Empty for all questions of the suite.")
    alternatives: int = Field(
        default=0, description="Number of its group of alternatives, from 1; 0 where it must hold."
    )
    applies: bool = Field(default=True, description="False for a comparison where nothing serves yet.")
    questions: int = 0
    groups: int = 0
    method: str = Field(
        default="", description="How the interval was made: `tango`, `clopper_pearson`, `bca`, `cluster_t`."
    )
    p_value: float | None = Field(default=None, description="One-sided, against the claim not being true.")
    alpha: float | None = Field(default=None, description="What p_value is held against, after Holm where it applies.")
    power: float | None = Field(default=None, description="Foretold before an answer was read: chance to show it.")
    visible: float | None = Field(
        default=None, description="The smallest true distance from the threshold seen so often."
    )


class Tally(Part):
    """Candidate and incumbent on the questions of a suite, or of one of its slices."""

    suite: str
    slice: str = ""
    questions: int
    candidate: float
    incumbent: float | None = None
    won: int = Field(default=0, description="Questions on which the candidate scores higher.")
    lost: int = 0


class Contest(Part):
    """A question that one of the two got and the other did not."""

    suite: str
    question: str = Field(description="The digest of the question.")
    prompt: str
    reference: str
    candidate: str
    incumbent: str
    candidate_score: float
    incumbent_score: float


class GateEvidence(Contract):
    """All that a gate found: its verdict, each claim, won and lost questions."""

    verdict: Verdict
    candidate: Reference
    incumbent: Incumbent
    suites: Reference
    answers: Reference
    incumbent_answers: Reference | None = None
    policy: str = Field(description="Digest of the policy.")
    alpha: float
    claims: tuple[ClaimResult, ...] = ()
    faults: tuple[Reason, ...] = Field(default=(), description="Why no claim could be trusted, one code each.")
    notes: tuple[Reason, ...] = Field(default=(), description="What a reader must know, such as `no_incumbent`.")
    tallies: tuple[Tally, ...] = ()
    lost: tuple[Contest, ...] = Field(default=(), description="A few that the candidate lost.")
    won: tuple[Contest, ...] = ()
    paragraph: str = Field(description="What came of it and what a person should do now.")

    def case(self, endpoint: str, environment: str) -> str:
        """What is decided about: the same whenever the same model is held against the same, on the same answers."""
        serving = self.incumbent.model
        against = self.incumbent_answers
        return sha256(
            canonical_json(
                {
                    "endpoint": endpoint,
                    "environment": environment,
                    "candidate": self.candidate.digest,
                    "incumbent": serving.digest if serving else "",
                    "policy": self.policy,
                    "suites": self.suites.content_digest,
                    "answers": self.answers.content_digest,
                    "incumbent_answers": against.content_digest if against else "",
                }
            )
        )

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Claims, faults and notes, as a decision carries them."""
        fields = set(Reason.model_fields)
        return tuple(Reason(**one.model_dump(include=fields)) for one in (*self.faults, *self.claims, *self.notes))


def read_evidence(store: Store, manifest: Manifest) -> GateEvidence:
    """The evidence that a gate's output holds. Raises InvalidInput when it holds none, or it was changed."""
    return GateEvidence.read(read_beside(store, manifest, FILE, "evidence", "gate"), manifest.key)
