"""A candidate with a gate's evidence in a store, keys, and an endpoint: all that a release rests on, made by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.attempt import Attempt, Draft, Outcome
from components.core.canonical import canonical_json
from components.core.decision import ENVELOPE, Verdict
from components.core.endpoint import Endpoints, Incumbent, open_endpoints
from components.core.evidence import FILE, GateEvidence
from components.core.manifest import Kind, Manifest, ModelFacts, Reference
from components.core.settings import StepSettings
from components.core.signing import policy_digest
from components.core.store import Store
from components.release.decide.settings import Decide
from components.release.decide.verdict import decide
from tests.core.keyring import Keyring

ENDPOINT, ENVIRONMENT = "helpdesk", "local"


@dataclass
class Case:
    """One candidate, and what is decided about it."""

    folder: Path
    settings: Decide = field(default_factory=Decide)

    def __post_init__(self) -> None:
        self.store = Store(str(self.folder / "store"))
        self.keys = Keyring(self.folder / "keys")
        self.key = self.keys.add("release")
        self.endpoints_address = f"sqlite:///{self.folder / 'endpoints.db'}"
        self.policy = canonical_json({"gate": {"claims": []}, "decide": self.settings.model_dump(mode="json")})

    @property
    def endpoints(self) -> Endpoints:
        return open_endpoints(self.endpoints_address)

    @property
    def trust(self) -> str:
        """The address of the trust roots, as they are now."""
        path = self.folder / "trust.json"
        path.write_bytes(self.keys.trust.to_bytes())
        return str(path)

    def model(self, weights: str = "weights") -> Manifest:
        place = self.folder / "models" / weights
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.safetensors").write_text(weights)
        attempt = Attempt(self.store, "export")
        facts = ModelFacts(base="scratch", tokenizer_digest="t", template_digest="c")
        draft = Draft(Kind.MODEL, attempt.upload("exported", place), model=facts)
        return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]

    def evidence(self, model: Manifest, **changes: Any) -> Manifest:
        """A gate's output about a model; it passes, unless something else is said."""
        state = self.endpoints.read(ENDPOINT)
        answers = Reference(key="benchmark/a/answers/manifest.json", digest="1" * 64, content_digest="2" * 64)
        given = {
            "verdict": Verdict.PASS,
            "candidate": model.named,
            "incumbent": Incumbent(endpoint=ENDPOINT, generation=state.generation, model=state.champion),
            "suites": Reference(key="suites/a/suites/manifest.json", digest="3" * 64, content_digest="4" * 64),
            "answers": answers,
            "policy": policy_digest(self.policy),
            "alpha": 0.05,
            "paragraph": "All claims hold.",
        }
        attempt = Attempt(self.store, "gate")
        with attempt.rows(Kind.REPORT, "evidence") as writer:
            pass
        data = GateEvidence(**{**given, **changes}).to_bytes()
        draft = Draft(Kind.REPORT, writer, extra=(attempt.attach("evidence", FILE, data),))
        return attempt.commit({"evidence": draft}, settings=StepSettings()).manifests["evidence"]

    def decide(self, evidence: Manifest, now: datetime | None = None, moment: str = "") -> Outcome:
        given = {
            "settings": self.settings,
            "now": moment or (now or datetime.now(UTC)).isoformat(),
            "endpoint": ENDPOINT,
            "environment": ENVIRONMENT,
            "policy": self.policy,
            "trust": self.trust,
            "key": self.keys.address(self.key),
        }
        return decide(attempt=Attempt(self.store, "decide"), evidence=evidence, **given)

    def card(self, decision: Manifest) -> Manifest:
        attempt = Attempt(self.store, "card")
        with attempt.rows(Kind.REPORT, "card") as writer:
            pass
        draft = Draft(Kind.REPORT, writer, extra=(attempt.attach("card", "README.md", b"# A model"),))
        outcome = attempt.commit({"card": draft}, settings=StepSettings(), inputs={"decision": decision})
        return outcome.manifests["card"]

    def envelope(self, decision: Manifest) -> bytes:
        """The envelope that a decision's output holds."""
        shard = next(shard for shard in decision.shards if shard.uri.endswith(ENVELOPE))
        return self.store.read(shard.uri)

    def passed(self, weights: str = "weights", now: datetime | None = None) -> tuple[Manifest, bytes]:
        """A model, and the envelope of the decision that lets it serve."""
        model = self.model(weights)
        outcome = self.decide(self.evidence(model), now)
        return model, self.envelope(outcome.manifests["decision"])
