"""An exam, a candidate and an incumbent that were asked it, and a gate over them."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.attempt import Attempt, Draft, Files, Outcome
from components.core.canonical import sha256
from components.core.endpoint import EndpointState, Incumbent, open_endpoints
from components.core.evidence import GateEvidence, read_evidence
from components.core.manifest import Kind, Manifest, ModelFacts
from components.core.settings import StepSettings, encode
from components.core.store import Store
from components.core.suites import HEADS, Scorer, Suite, question_digest, suite_digest, write_heads
from components.evaluate.gate import judge
from components.evaluate.gate.settings import Gate

ENDPOINT = "helpdesk"


def policy_of(settings: Gate) -> str:
    return encode({"gate": settings.model_dump(mode="json"), "decide": {}})


def question(number: int, suite: str = "exam", per_group: int = 1, slices: Sequence[str] = ()) -> dict[str, Any]:
    """One question; so many follow each other in a group."""
    messages = [{"role": "user", "content": f"{suite} question {number}"}]
    digest = question_digest(messages, "right", [])
    group = digest if per_group == 1 else f"{suite}-{number // per_group}"
    given = {"suite": suite, "question": digest, "group": group, "slices": list(slices), "messages": messages}
    return {**given, "reference": "right", "choices": [], "text": messages[0]["content"]}


def head(name: str, questions: list[dict[str, Any]], **changes: Any) -> Suite:
    digest = suite_digest([row["question"] for row in questions])
    given = {"id": name, "content_digest": digest, "questions": len(questions), "scorer": Scorer.EXACT_MATCH}
    return Suite(**{**given, **changes})


@dataclass
class World:
    """All that a gate reads; a test changes what it is about and calls ``gate``."""

    store: Store
    endpoints: str
    questions: list[dict[str, Any]]
    candidate: list[Any] = field(default_factory=list)  # scores in the order of the questions
    incumbent: list[Any] | None = None  # none: nothing serves
    heads: dict[str, Suite] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generation = open_endpoints(self.endpoints).read(ENDPOINT).generation
        for name in {row["suite"]: None for row in self.questions}:
            self.heads.setdefault(name, head(name, [row for row in self.questions if row["suite"] == name]))
        self.suites = self.commit_suites(self.heads.values())
        self.model = self.commit_model("candidate")
        self.serving = self.commit_model("incumbent") if self.incumbent is not None else None
        self.answers = self.commit_answers(self.model, self.candidate)
        self.incumbent_answers = self.commit_answers(self.serving, self.incumbent or [])
        if self.serving:
            self.serve(self.serving)

    def commit_suites(self, heads: Any, questions: list[dict[str, Any]] | None = None) -> Manifest:
        attempt = Attempt(self.store, "suites")
        with attempt.rows(Kind.SUITES) as writer:
            for row in self.questions if questions is None else questions:
                writer.append(row)
        beside = attempt.attach("suites", HEADS, write_heads(heads))
        draft = Draft(Kind.SUITES, writer, extra=(beside,))
        return attempt.commit({"suites": draft}, settings=StepSettings(), created=writer.rows).manifests["suites"]

    def commit_model(self, name: str, suites: Sequence[str] | None = None) -> Manifest:
        attempt = Attempt(self.store, "export")
        shard = attempt.attach("exported", "model.safetensors", name.encode())
        facts = ModelFacts(base="scratch", tokenizer_digest="", template_digest="")
        known = tuple(one.content_digest for one in self.heads.values()) if suites is None else tuple(suites)
        draft = Draft(Kind.MODEL, Files((shard,)), suites=known, model=facts)
        return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]

    def commit_answers(
        self,
        model: Manifest | None,
        scores: Sequence[Any],
        *,
        heads: Any = None,
        suites: Manifest | None = None,
        rows: list[dict[str, Any]] | None = None,
    ) -> Manifest:
        attempt = Attempt(self.store, "benchmark")
        asked = self.questions if rows is None else rows
        with attempt.rows(Kind.ANSWERS, "answers") as writer:
            for row, score in zip(asked, scores, strict=bool(scores)):
                given = {name: row[name] for name in ("suite", "question", "group", "slices", "reference")}
                sound = score if score is None or math.isfinite(score) else 0.0
                writer.append({**given, "score": sound, "answer": "right" if score == 1 else "odd"})
        self._forge(writer, scores)
        beside = attempt.attach("answers", HEADS, write_heads(self.heads.values() if heads is None else heads))
        draft = Draft(Kind.ANSWERS, writer, extra=(beside,))
        inputs = {"suites": suites or self.suites, **({"model": model} if model else {})}
        outcome = attempt.commit({"answers": draft}, settings=StepSettings(), inputs=inputs, created=writer.rows)
        return outcome.manifests["answers"]

    def _forge(self, writer: Any, scores: Sequence[Any]) -> None:
        """Puts scores into the only shard that no writer of ours would write: NaN and infinity."""
        if all(score is None or math.isfinite(score) for score in scores):
            return
        (shard,) = writer.shards
        table = pq.read_table(pa.BufferReader(self.store.read(shard.uri)))
        column = pa.array(scores, type=pa.float64())
        buffer = io.BytesIO()
        pq.write_table(table.set_column(table.schema.get_field_index("score"), "score", column), buffer)
        self.store.write(shard.uri, buffer.getvalue())
        changed = {"sha256": sha256(buffer.getvalue()), "bytes": len(buffer.getvalue())}
        writer.shards[0] = shard.model_copy(update=changed)

    def serve(self, model: Manifest) -> None:
        self.generation += 1
        state = EndpointState(
            endpoint=ENDPOINT, generation=self.generation, champion=model.named, decision=sha256(str(self.generation))
        )
        open_endpoints(self.endpoints).compare_and_set(state)

    @property
    def word(self) -> Incumbent:
        named = self.serving.named if self.serving else None
        return Incumbent(endpoint=ENDPOINT, generation=self.generation, model=named)

    def gate(self, *entries: dict[str, Any], policy: str | None = None, **changes: Any) -> Outcome:
        settings = Gate.model_validate({"claims": list(entries), "resamples": 1000, **changes})
        return judge.gate(
            Attempt(self.store, "gate"),
            settings,
            answers=self.answers,
            incumbent_answers=self.incumbent_answers,
            model=self.model,
            suites=self.suites,
            incumbent=self.word,
            policy=policy_of(settings) if policy is None else policy,
            endpoints=self.endpoints,
        )

    def evidence(self, *entries: dict[str, Any], **changes: Any) -> GateEvidence:
        outcome = self.gate(*entries, **changes)
        found = read_evidence(self.store, outcome.manifests["evidence"])
        assert outcome.word == found.verdict
        return found

    def codes(self, *entries: dict[str, Any], **changes: Any) -> set[str]:
        """The codes of what was wrong; nothing passes, and no claim was looked at."""
        found = self.evidence(*entries, **changes)
        assert found.verdict == "refuse"
        assert found.claims == ()
        return {fault.code for fault in found.faults}


@pytest.fixture
def world(store: Store, tmp_path: Path) -> Callable[..., World]:
    """``world(candidate=[…], incumbent=[…])``: scores on a suite ``exam`` of as many questions."""

    def make(candidate: list[Any], incumbent: list[Any] | None = None, **changes: Any) -> World:
        per_group = changes.pop("per_group", 1)
        questions = changes.pop("questions", None) or [
            question(number, per_group=per_group) for number in range(len(candidate))
        ]
        return World(store, f"sqlite:///{tmp_path}/endpoints.db", questions, candidate, incumbent, **changes)

    return make
