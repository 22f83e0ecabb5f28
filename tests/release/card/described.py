"""A model with all that a card is made of: its ancestors, the evidence about it, and a signed decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.core.attempt import Attempt, Draft, Outcome
from components.core.decision import ENVELOPE, Evidence, Reason, Verdict
from components.core.endpoint import Incumbent
from components.core.evidence import FILE, ClaimResult, GateEvidence, Tally
from components.core.manifest import Kind, Manifest, ModelFacts, Reference, Source, file_name
from components.core.rows import SCHEMAS
from components.core.settings import StepSettings
from components.core.store import Store
from components.core.suites import HEADS, Scorer, Suite, write_heads
from components.release.card.model_card import card_reference
from components.release.card.settings import Card
from tests.core.keyring import Keyring

WHOLE = Card(
    licence="Apache-2.0",
    intended_use="Queues helpdesk tickets, for the people of the desk.",
    limitations="Knows no language but English; 3 of 100 tickets go to the wrong queue.",
    contact="desk@example.org",
)
TICKETS = Source(uri="data/tickets.jsonl", sha256="5" * 64, licence="CC-BY-4.0")
HUB = Source(uri="hub://owner/small", generation="f" * 40, sha256="6" * 64, licence="mit")
ANSWERS = Reference(key="benchmark/a/answers/manifest.json", digest="1" * 64, content_digest="2" * 64)
FLOOR = ClaimResult(
    kind="floor", code="floor_holds", text="It holds.", claim="exam: floor 0.8", holds=True, suite="exam",
    estimate=0.94, low=0.91, high=0.96, threshold=0.8, questions=200, groups=200, method="wilson",
)  # fmt: skip
EXAM = Tally(suite="exam", questions=200, candidate=0.94, incumbent=0.915, won=9, lost=4)
NETWORK = Tally(suite="exam", slice="network", questions=40, candidate=0.925, incumbent=0.9, won=2, lost=1)


@dataclass
class Described:
    """One model of a store and what is said about it; each part can be changed before ``card`` is called."""

    folder: Path
    sources: tuple[Source, ...] = (TICKETS,)
    hub: Source | None = None
    adapter: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)
    decision: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(str(self.folder / "store"))
        self.keys = Keyring(self.folder / "keys")
        self.key = self.keys.add("release")

    def card(self, settings: Card = WHOLE) -> Outcome:
        """What the step makes of all that."""
        model = self.model()
        evidence = self.evidence_about(model)
        decision = self.decision_on(model, evidence)
        return card_reference(Attempt(self.store, "card"), settings, evidence, decision, model.reference())

    def readme(self, outcome: Outcome) -> str:
        (shard,) = outcome.manifests["card"].shards
        assert file_name(shard) == "README.md"
        return self.store.read(shard.uri).decode()

    def model(self) -> Manifest:
        """Documents → conversations → tokens, a base, training, export."""
        documents = self._rows("ingest", Kind.DOCUMENTS, "documents", {})
        self.documents = self._rows("curate", Kind.DOCUMENTS, "curated", {"documents": documents})
        conversations = self._rows("format", Kind.CONVERSATIONS, "conversations", {"documents": self.documents})
        about = ModelFacts(
            base="owner/small" if self.hub else "scratch",
            revision=self.hub.generation if self.hub else "",
            tokenizer_digest="7" * 64,
            template_digest="8" * 64,
        )
        base = self._model("base", {"conversations": conversations}, about, (self.hub,) if self.hub else ())
        tokens = self._rows("tokenise", Kind.TOKENS, "tokens", {"conversations": conversations, "model": base})
        changed = {"base_digest": base.content_digest, "data_digest": tokens.content_digest, "adapter": self.adapter}
        about = about.model_copy(update=changed)
        trained = self._model("finetune", {"tokens": tokens, "model": base}, about, self.sources)
        about = about.model_copy(update={"recipe_digest": "9" * 64})
        return self._model("export", {"trained": trained, "base": base}, about, self.sources)

    def evidence_about(self, model: Manifest) -> Manifest:
        given = {
            "verdict": Verdict.PASS,
            "candidate": model.named,
            "incumbent": Incumbent(endpoint="helpdesk", generation=1, model=ANSWERS),
            "suites": self._suites().named,
            "answers": ANSWERS,
            "policy": "a" * 64,
            "alpha": 0.05,
            "claims": (FLOOR,),
            "tallies": (EXAM, NETWORK),
            "notes": (Reason(code="seen", text="A loss of 2 points is found with probability 0.9."),),
            "paragraph": "All claims hold; release it.",
        }
        data = GateEvidence(**{**given, **self.evidence}).to_bytes()
        return self._beside("gate", "evidence", FILE, data)

    def decision_on(self, model: Manifest, evidence: Manifest) -> Manifest:
        given = {
            "subject": model.named,
            "evidence": (Evidence(role="gate", key=evidence.key, digest=evidence.digest),),
            "policy": "a" * 64,
        }
        envelope = self.keys.signed(self.key, **{**given, **self.decision})
        return self._beside("decide", "decision", ENVELOPE, envelope)

    def _suites(self) -> Manifest:
        head = Suite(id="exam", content_digest="b" * 64, questions=200, scorer=Scorer.EXACT_MATCH)
        return self._beside("suites", "suites", HEADS, write_heads([head]), Kind.SUITES)

    def _beside(self, step: str, role: str, name: str, data: bytes, kind: Kind = Kind.REPORT) -> Manifest:
        attempt = Attempt(self.store, step)
        with attempt.rows(kind, role) as writer:
            pass
        draft = Draft(kind, writer, extra=(attempt.attach(role, name, data),))
        return attempt.commit({role: draft}, settings=StepSettings()).manifests[role]

    def _rows(self, step: str, kind: Kind, role: str, inputs: dict[str, Manifest]) -> Manifest:
        attempt = Attempt(self.store, step)
        with attempt.rows(kind, role) as writer:
            for number in range(3):
                row = dict.fromkeys(SCHEMAS[kind].names)
                writer.append({**row, "id": f"{step}-{number}"})
        draft = Draft(kind, writer, sources=self.sources)
        outcome = attempt.commit({role: draft}, settings=StepSettings(), inputs=inputs, created=writer.rows)
        return outcome.manifests[role]

    def _model(
        self, step: str, inputs: dict[str, Manifest], about: ModelFacts, sources: tuple[Source, ...]
    ) -> Manifest:
        place = self.folder / step
        place.mkdir()
        (place / "model.safetensors").write_text(step)
        attempt = Attempt(self.store, step)
        draft = Draft(Kind.MODEL, attempt.upload(step, place), sources=sources, suites=("c" * 64,), model=about)
        return attempt.commit({step: draft}, settings=StepSettings(), inputs=inputs).manifests[step]
