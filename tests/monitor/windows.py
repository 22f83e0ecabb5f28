"""Windows of a served model for tests of the decision: their figures, by hand, and a store that remembers them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.core.attempt import Attempt, Draft, Outcome
from components.core.decision import Decision, DecisionKind, Permits, Reason, Verdict, decision_in, keep_decision
from components.core.endpoint import open_endpoints
from components.core.manifest import Kind, Manifest
from components.core.settings import StepSettings
from components.core.signing import sign
from components.core.store import Store
from components.monitor.drift.pictures import PICTURES, Picture, Pictures
from components.monitor.figures import FIGURES, Figures, Score, Shift
from components.monitor.observe.records import Compared, Window, compared_key, window_key
from components.monitor.retraining.rule import History
from components.monitor.retraining.settings import Retraining
from components.monitor.retraining.verdict import retraining
from tests.core.keyring import Keyring

ENDPOINT, ENVIRONMENT = "helpdesk", "local"
START = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)


def figures(number: int, correct: int = 180, labelled: int = 200, **changes: Any) -> Figures:
    """The figures of a week, the first being number 0."""
    given = {
        "endpoint": ENDPOINT,
        "released": START.isoformat(),
        "since": (START + number * WEEK).isoformat(),
        "until": (START + (number + 1) * WEEK).isoformat(),
        "requests": 2_000,
        "units": 300,
        "answered": 2_000,
        "corrections": labelled - correct,
        "quality": Score(correct=correct, labelled=labelled),
        "reference": Score(correct=180, labelled=200),
        "shifts": (shift(),),
    }
    return Figures(**{**given, **changes})


def shift(feature: str = "prompt_words", effect: float = 0.02, drifted: bool = False, **changes: Any) -> Shift:
    """One feature beside a reference; it has not drifted, unless something else is said."""
    p = 1e-9 if drifted else 0.4
    given = {"test": "Kolmogorov-Smirnov", "p": p, "adjusted": p, "measure": "Jensen-Shannon distance", "least": 0.1}
    named = {"feature": feature, "against": "release", "effect": effect, "drifted": drifted}
    return Shift(**{**given, **named, "n": 2_000, "n_reference": 2_000, **changes})


def history(*windows: Figures, **changes: Any) -> History:
    """What was there before: these windows, one after the other."""
    return History(**{"windows": windows, "compared_until": windows[-1].until if windows else "", **changes})


@dataclass
class Watched:
    """An endpoint with a model, keys, and a store that remembers windows."""

    folder: Path
    settings: Retraining = field(default_factory=Retraining)

    def __post_init__(self) -> None:
        self.store = Store(str(self.folder / "store"))
        self.keys = Keyring(self.folder / "keys")
        self.key = self.keys.add("monitor")
        self.endpoints = f"sqlite:///{self.folder / 'endpoints.db'}"
        self.model = self.made("weights")
        self.serve(self.model)

    def made(self, weights: str, **inputs: Manifest) -> Manifest:
        """A model that an export left in the store."""
        place = self.folder / "models" / weights
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.safetensors").write_text(weights)
        attempt = Attempt(self.store, "export")
        draft = Draft(Kind.MODEL, attempt.upload("exported", place))
        return attempt.commit({"exported": draft}, settings=StepSettings(), inputs=inputs).manifests["exported"]

    def serve(self, model: Manifest) -> None:
        """What should serve from now on, as a transition would write it."""
        records = open_endpoints(self.endpoints)
        state = records.read(ENDPOINT)
        change = {"generation": state.generation + 1, "champion": model.named, "decision": str(state.generation)}
        records.compare_and_set(state.model_copy(update={**change, "changed": START.isoformat()}))

    @property
    def trust(self) -> str:
        """The address of the trust roots, as they are now."""
        path = self.folder / "trust.json"
        path.write_bytes(self.keys.trust.to_bytes())
        return str(path)

    def evidence(self, number: int, correct: int = 180, labelled: int = 200, **changes: Any) -> Manifest:
        """What drift and observe leave of a week: figures, pictures, and the records by which later weeks find them."""
        known = figures(number, correct, labelled, **{"model": self.model.digest, **changes})
        drawn = tuple(Picture(shift=one, areas=("M0 0", "M0 0")) for one in known.shifts)
        attempt = Attempt(self.store, "drift")
        draft = Draft(
            Kind.REPORT,
            attempt.rows(Kind.REPORT, "evidence"),
            extra=(
                attempt.attach("evidence", FIGURES, known.to_bytes()),
                attempt.attach("evidence", PICTURES, Pictures(alpha=0.001, drawn=drawn).to_bytes()),
            ),
        )
        made = attempt.commit({"evidence": draft}, settings=StepSettings()).manifests["evidence"]
        until = datetime.fromisoformat(known.until)
        about = {"endpoint": ENDPOINT, "until": known.until}
        compared = Compared(
            **about, model=known.model, released=known.released, profile=made.named, evidence=made.named
        )
        self.store.create(compared_key(ENDPOINT, until), compared.to_bytes())
        window = Window(**about, since=known.since, outputs={"corrected": self.corrected(number).named})
        self.store.create(window_key(ENDPOINT, until), window.to_bytes())
        return made

    def corrected(self, number: int) -> Manifest:
        """What users corrected up to a week."""
        attempt = Attempt(self.store, "observe")
        with attempt.rows(Kind.FEEDBACK, "corrected") as rows:
            rows.append(dict.fromkeys(rows.schema.names) | {"feedback_id": f"f{number}", "endpoint": ENDPOINT})
        draft = Draft(Kind.FEEDBACK, rows)
        return attempt.commit({"corrected": draft}, settings=StepSettings(), created=1).manifests["corrected"]

    def decide(self, evidence: Manifest, number: int, **changes: Any) -> Outcome:
        """Asks the step about a week."""
        given = {
            "settings": self.settings,
            "now": (START + (number + 1) * WEEK).isoformat(),
            "endpoint": ENDPOINT,
            "endpoints": self.endpoints,
            "environment": ENVIRONMENT,
            "trust": self.trust,
            "key": self.keys.address(self.key),
        }
        return retraining(Attempt(self.store, "retraining"), evidence, **{**given, **changes})

    def week(self, number: int, correct: int = 180, labelled: int = 200, **changes: Any) -> Outcome:
        """A week that is watched and decided on."""
        return self.decide(self.evidence(number, correct, labelled, **changes), number)

    def decided(self, outcome: Outcome) -> Decision:
        """What was signed."""
        return decision_in(self.store, outcome.manifests["decision"].named)

    def retrained(self, moment: datetime, **changes: Any) -> Decision:
        """An earlier decision to retrain, signed and kept."""
        given = {
            "kind": DecisionKind.RETRAIN,
            "endpoint": ENDPOINT,
            "environment": ENVIRONMENT,
            "subject": self.model.named,
            "verdict": Verdict.RETRAIN,
            "permits": Permits.NOTHING,
            "reasons": (Reason(code="cost", text="It costs.", estimate=1.5),),
            "issued": moment.isoformat(),
            "expires": (moment + timedelta(hours=24)).isoformat(),
            "signer": "monitor",
            "key_id": self.key.key_id,
        }
        decision = Decision(**{**given, **changes})
        keep_decision(self.store, decision, sign(decision, self.keys.address(self.key), self.keys.trust))
        return decision
