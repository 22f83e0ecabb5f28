"""The KFP faces of the training stage, called as KFP calls them: with artifacts that are paths."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.core.manifest import Manifest
from components.core.settings import StepSettings
from components.core.store import Store
from components.data.tokenise.component import tokenise
from components.data.tokenise.settings import Tokenise
from components.train.base.component import base
from components.train.base.settings import Base
from components.train.export.component import export
from components.train.export.settings import Export
from components.train.finetune.component import finetune
from tests.train.conftest import SMALL
from tests.train.finetune.conftest import QUICK


@dataclass
class Artifact:
    """What KFP hands to a step."""

    path: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def log_metric(self, name: str, value: float) -> None:
        """As ``kfp.dsl.Metrics`` has it."""
        self.metadata[name] = value


def test_each_face_hands_on_what_the_next_one_needs(store: Store, conversations: Manifest, tmp_path: Path) -> None:
    def artifact(name: str) -> Artifact:
        return Artifact(str(tmp_path / name))

    def run(face: Any, settings: StepSettings, **given: Any) -> None:
        shown = {"page": artifact(f"{face.name}.html"), "figures": artifact(f"{face.name}.json")}
        face.python_func(settings=settings.encode(), store=store.uri, code="c" * 64, **shown, **given)
        assert Path(shown["page"].path).read_text().startswith("<!doctype html>")

    given, model, tokens, trained, exported = map(artifact, ("given", "model", "tokens", "trained", "exported"))
    Path(given.path).write_bytes(conversations.to_bytes())
    run(base, Base(scratch=SMALL), conversations=given, champion="", model=model)
    run(tokenise, Tokenise(), conversations=given, model=model, tokens=tokens)
    run(finetune, QUICK.model_copy(update={"max_steps": 2}), tokens=tokens, model=model, tracking="", trained=trained)
    run(export, Export(), trained=trained, base=model, recipe="r", exported=exported)
    last = Manifest.from_file(exported.path)
    assert last.producer.code == "c" * 64
    assert Manifest.read(store.read(last.key), last.key).digest == last.digest
    report = json.loads(store.read(f"{last.key.rsplit('/', 2)[0]}/report.json"))
    assert report["step"] == "export"
