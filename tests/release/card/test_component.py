from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.core.manifest import Manifest
from components.release.card.component import card
from components.release.card.settings import Card
from components.release.register.component import register
from components.release.register.settings import Register
from components.release.registries.registry import open_registry
from tests.release.card.described import WHOLE, Described


@dataclass
class Artifact:
    """What KFP hands to a step."""

    path: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def log_metric(self, name: str, value: float) -> None:
        """As ``kfp.dsl.Metrics`` has it."""
        self.metadata[name] = value


def test_the_faces_of_card_and_register_give_the_graph_its_words(tmp_path: Path) -> None:
    described = Described(tmp_path)
    model = described.model()
    evidence = described.evidence_about(model)
    decision = described.decision_on(model, evidence)

    def artifact(name: str, manifest: Manifest | None = None) -> Artifact:
        path = tmp_path / name
        if manifest:
            path.write_bytes(manifest.to_bytes())
        return Artifact(str(path))

    common = {"store": described.store.uri, "code": "c" * 64, "page": artifact("page"), "figures": artifact("figures")}
    about = {"evidence": artifact("evidence", evidence), "decision": artifact("decision", decision)}
    for settings, word in ((WHOLE, "pass"), (Card(), "refuse")):
        written = artifact(f"card-{word}")
        given = {**about, "model": model.reference(), "card": written, "settings": settings.encode()}
        assert card.python_func(**common, **given) == word
        assert Manifest.from_file(written.path).shards[0].uri.endswith("README.md")

    address = f"sqlite:///{tmp_path}/mlflow.db"
    given = {"model": artifact("model", model), "endpoint": "helpdesk", "registry": address}
    assert register.python_func(**common, **given, settings=Register().encode()) == "helpdesk/1"
    assert open_registry(address).versions()[0].digest == model.digest
