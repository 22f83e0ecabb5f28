"""A whole chain in a store, made by hand: sources, data, models, exams, gates, signed decisions, an endpoint."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.core.attempt import Attempt, Draft
from components.core.canonical import canonical_json, sha256
from components.core.decision import Decision, DecisionKind, Evidence, Permits, Reason, Verdict, keep_decision
from components.core.endpoint import Incumbent, after
from components.core.endpoint_sqlite import SqliteEndpoints
from components.core.errors import ExitCode
from components.core.evidence import FILE, read_evidence
from components.core.manifest import Kind, Manifest, ModelFacts, Source
from components.core.settings import StepSettings
from components.core.signing import sign
from components.core.store import Store
from components.core.suites import HEADS, Scorer, Suite, question_digest, suite_digest, write_heads
from components.evaluate.gate import judge
from components.evaluate.gate.settings import Gate
from components.release.decide.settings import Decide
from components.release.decide.verdict import decide
from components.release.people import say
from components.release.transition.settings import Transition
from components.release.transition.transition import transition
from pipelines.proof.find import trust_node
from pipelines.proof.tree import broken
from pipelines.proof.walk import Scene, Verification, verify_endpoint, verify_model
from tests.core.keyring import Keyring

ENDPOINT, ENVIRONMENT = "helpdesk", "local"
QUESTIONS = 40


class Chain:
    """Two releases and a freeze on one endpoint; the second release was approved by a person."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(str(folder / "store"))
        self.keys = Keyring(folder / "keys")
        self.release, self.alice = self.keys.add("release"), self.keys.add("alice")
        self.database = folder / "endpoints.db"
        self.endpoints = SqliteEndpoints(str(self.database))
        self.now = datetime.now(UTC)
        self.gate = Gate.model_validate({"claims": [{"suite": "exam", "floor": 0.5, "see": 0.3}], "resamples": 1000})

    def build(self) -> Chain:
        self._data()
        self.first, self.second, self.third = (self.model(name) for name in (b"first", b"second", b"third"))
        self.released = self.pass_gate(self.first, wrong=8)
        self.approved = self.pass_gate(self.second, wrong=1, approvals=1)
        self.frozen = self.freeze()
        return self

    # what is under a decision

    def _data(self) -> None:
        source = self.folder / "tickets.jsonl"
        source.write_text('{"text": "one"}\n')
        self.source = Source(uri=str(source), sha256=sha256(source.read_bytes()), licence="cc0-1.0")
        rows = [self._document(index) for index in range(6)]
        self.documents = self.rows("ingest", "documents", Kind.DOCUMENTS, rows, sources=(self.source,))
        held_out = self.rows("split", "held_out", Kind.DOCUMENTS, rows[:2], documents=self.documents)
        questions = [self._question(index) for index in range(QUESTIONS)]
        self.head = Suite(
            id="exam",
            content_digest=suite_digest([question["question"] for question in questions]),
            questions=QUESTIONS,
            scorer=Scorer.EXACT_MATCH,
        )
        self.questions = questions
        self.suites = self.rows(
            "suites", "suites", Kind.SUITES, questions, extra={HEADS: write_heads([self.head])}, held_out=held_out
        )
        against = {"suites": (self.head.content_digest,)}
        given = {"documents": self.documents, "suites_parent": self.suites}
        self.clean = self.rows("decontaminate", "decontaminated", Kind.DOCUMENTS, rows[2:], **against, **given)
        self.overlap = self.rows("decontaminate", "overlap", Kind.REPORT, [], **against, **given)
        tokens = [{"id": "t", "input_ids": [1, 2, 3], "loss_mask": [0, 1, 1]}]
        self.base = self.files("base", "model", b"base", ModelFacts(base="scratch", **TEMPLATE))
        self.tokens = self.rows("tokenise", "tokens", Kind.TOKENS, tokens, **against, documents=self.clean)

    def model(self, weights: bytes, suites: tuple[str, ...] | None = None) -> Manifest:
        facts = ModelFacts(
            base="scratch",
            base_digest=self.base.content_digest,
            data_digest=self.tokens.content_digest,
            **TEMPLATE,
        )
        against = (self.head.content_digest,) if suites is None else suites
        return self.files("finetune", "trained", weights, facts, suites=against, tokens=self.tokens, model=self.base)

    def answers(self, model: Manifest, wrong: int, suites: Manifest | None = None) -> Manifest:
        rows = []
        for index, question in enumerate(self.questions):
            answer = {name: question[name] for name in ("suite", "question", "group", "slices", "reference")}
            right = index >= wrong
            rows.append(answer | {"answer": question["reference"] if right else "no", "score": float(right)})
        given = {"model": model, "suites_parent": suites or self.suites, "overlap": self.overlap}
        heads = {HEADS: write_heads([self.head])}
        return self.rows("benchmark", "answers", Kind.ANSWERS, rows, extra=heads, **given)

    def policy(self, approvals: int = 0) -> str:
        sections = {"gate": self.gate, "decide": Decide(approvals=approvals)}
        return canonical_json({name: section.model_dump(mode="json") for name, section in sections.items()})

    def evidence(self, model: Manifest, answers: Manifest, policy: str, **changes: Any) -> Manifest:
        state = self.endpoints.read(ENDPOINT)
        found = judge.evaluate(
            store=self.store,
            settings=self.gate,
            model=model,
            suites=self.suites,
            answers=answers,
            incumbent_answers=self.last_answers if state.champion else None,
            incumbent=Incumbent(endpoint=ENDPOINT, generation=state.generation, model=state.champion),
            policy=policy,
        )
        found = found.model_copy(update=changes)
        return self.rows("gate", "evidence", Kind.REPORT, [], extra={FILE: found.to_bytes()}, answers=answers)

    # decisions and what they change

    def pass_gate(self, model: Manifest, wrong: int, approvals: int = 0) -> str:
        policy, answers = self.policy(approvals), self.answers(model, wrong)
        evidence = self.evidence(model, answers, policy)
        if approvals:
            self.approve(evidence)
        decision = self.decide(evidence, policy, approvals)
        self.transition(decision, self.card(decision), policy)
        self.last_answers = answers
        return self.endpoints.read(ENDPOINT).decision

    def decide(self, evidence: Manifest, policy: str, approvals: int = 0) -> Manifest:
        outcome = decide(
            attempt=Attempt(self.store, "decide"),
            evidence=evidence,
            settings=Decide(approvals=approvals),
            now=datetime.now(UTC).isoformat(),
            endpoint=ENDPOINT,
            environment=ENVIRONMENT,
            policy=policy,
            trust=self.trust,
            key=self.keys.address(self.release),
        )
        assert outcome.word == Verdict.PASS, outcome.report.said
        return outcome.manifests["decision"]

    def approve(self, evidence: Manifest) -> None:
        found = read_evidence(self.store, evidence)
        word = self.person(
            DecisionKind.APPROVAL,
            Permits.NOTHING,
            subject=found.candidate,
            case=found.case(ENDPOINT, ENVIRONMENT),
        )
        say(self.store, word, self.signed(word))

    def transition(self, decision: Manifest, card: Manifest, policy: str) -> None:
        transition(
            attempt=Attempt(self.store, "transition"),
            decision=decision,
            card=card,
            settings=Transition(),
            endpoint=ENDPOINT,
            environment=ENVIRONMENT,
            policy=policy,
            endpoints=f"sqlite:///{self.database}",
            trust=self.trust,
            registry="",
        )

    def card(self, decision: Manifest) -> Manifest:
        return self.rows("card", "card", Kind.REPORT, [], extra={"README.md": b"# A model"}, decision=decision)

    def freeze(self) -> str:
        return self.change(self.person(DecisionKind.FREEZE, Permits.FREEZE))

    def person(self, kind: DecisionKind, permits: Permits, **fields: Any) -> Decision:
        """What alice decides."""
        given = {"reasons": (Reason(code="said", text="I looked at it.", holds=True),), "permits": permits}
        return self.decision(self.alice, kind=kind, **{**given, **fields})

    def decision(self, key: Any, **fields: Any) -> Decision:
        """A decision that is issued now, unless the fields say something else."""
        moments = {
            "issued": datetime.now(UTC).isoformat(),
            "expires": (datetime.now(UTC) + timedelta(hours=24)).isoformat(),
        }
        return self.keys.decision(key, **{"subject": None, **moments, **fields})

    def signed(self, decision: Decision) -> bytes:
        key = next(key for key in self.keys.trust.keys if key.key_id == decision.key_id)
        return sign(decision, self.keys.address(key), self.keys.trust)

    def change(self, decision: Decision, changed: str = "") -> str:
        """Carries a decision out without any of the checks of the step transition."""
        keep_decision(self.store, decision, self.signed(decision))
        moment = changed or datetime.now(UTC).isoformat()
        self.endpoints.compare_and_set(after(self.endpoints.read(ENDPOINT), decision, moment))
        return decision.id

    def edit(self, generation: int, **changes: Any) -> None:
        """Edits a row of the history behind everybody's back."""
        state = self.endpoints.history(ENDPOINT)[generation - 1].model_copy(update=changes)
        self.sql("update generations set state = ? where generation = ?", state.to_bytes().decode(), generation)

    def sql(self, statement: str, *values: Any) -> None:
        with sqlite3.connect(self.database) as connection:
            connection.execute(statement, values)
        connection.close()

    # artifacts

    def rows(
        self,
        step: str,
        role: str,
        kind: Kind,
        rows: list[dict[str, Any]],
        *,
        extra: Mapping[str, bytes] | None = None,
        sources: tuple[Source, ...] = (),
        suites: tuple[str, ...] = (),
        **parents: Manifest,
    ) -> Manifest:
        attempt = Attempt(self.store, step)
        with attempt.rows(kind, role) as writer:
            for row in rows:
                writer.append(row)
        beside = tuple(attempt.attach(role, name, data) for name, data in (extra or {}).items())
        draft = Draft(kind, writer, sources=sources, suites=suites, extra=beside)
        created = 0 if kind is Kind.REPORT else writer.rows
        inputs = {name.removesuffix("_parent"): parent for name, parent in parents.items()}
        return attempt.commit({role: draft}, settings=StepSettings(), inputs=inputs, created=created).manifests[role]

    def files(
        self,
        step: str,
        role: str,
        weights: bytes,
        facts: ModelFacts,
        suites: tuple[str, ...] = (),
        **parents: Manifest,
    ) -> Manifest:
        place = self.folder / "models" / weights.decode()
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.safetensors").write_bytes(weights)
        (place / "config.json").write_text("{}")
        attempt = Attempt(self.store, step)
        draft = Draft(Kind.MODEL, attempt.upload(role, place), suites=suites, model=facts)
        return attempt.commit({role: draft}, settings=StepSettings(), inputs=parents).manifests[role]

    @staticmethod
    def _document(index: int) -> dict[str, Any]:
        text = {"id": f"d{index}", "text": f"text {index}", "source": "test", "licence": "", "created": None}
        return text | {"meta": "{}"}

    @staticmethod
    def _question(index: int) -> dict[str, Any]:
        messages = [{"role": "user", "content": f"What is {index}?"}]
        digest = question_digest(messages, str(index), [])
        question = {"suite": "exam", "question": digest, "group": digest, "slices": [], "messages": messages}
        return question | {"reference": str(index), "choices": [], "text": f"What is {index}?"}

    # verifying it

    @property
    def trust(self) -> str:
        """The address of the trust roots, as they are now."""
        path = self.folder / "trust.json"
        path.write_bytes(self.keys.trust.to_bytes())
        return str(path)

    def scene(self, **changes: Any) -> Scene:
        trust = changes.pop("trust", self.keys.trust)
        given = {"store": self.store, "histories": self.endpoints, "trust": trust, "environment": ENVIRONMENT}
        return Scene(**{**given, "trust_said": trust_node(trust), **changes})

    def verify(self, **changes: Any) -> Verification:
        return verify_endpoint(self.scene(**changes), ENDPOINT)

    def path(self, key: str) -> Path:
        return self.folder / "store" / key

    def flip(self, key: str, at: int = -1) -> None:
        """Changes one byte of an object."""
        data = bytearray(self.path(key).read_bytes())
        data[at] ^= 1
        self.path(key).write_bytes(data)

    def decided(self, decision: str) -> Decision:
        """A decision of the chain, as it was signed."""
        envelope = json.loads(self.store.read(f"decisions/{decision}.json"))
        return Decision.from_statement(b64decode(envelope["payload"]), decision)

    def gate_of(self, decision: str) -> Manifest:
        """The gate's output that a decision rests on."""
        named = next(named for named in self.decided(decision).evidence if named.role == "gate")
        return Manifest.read(self.store.read(named.key), named.key)


TEMPLATE = {"tokenizer_digest": "t", "template_digest": "c"}


def breaks(found: Verification) -> str:
    """All that is broken in a tree, a line each."""
    assert found.exit_code is ExitCode.REFUSED, "\n".join(found.lines())
    return "\n".join(said for _, said in broken(found.tree))


def released(chain: Chain, judged: Manifest, text: str, /, *more: Evidence, **changes: Any) -> Decision:
    """A decision as the step decide would sign it, but for what is changed."""
    chain.store.write("insider/policy.json", text.encode())
    found = read_evidence(chain.store, judged)
    given = {
        "kind": DecisionKind.RELEASE,
        "subject": found.candidate,
        "incumbent": found.incumbent.model.digest if found.incumbent.model else "",
        "reasons": found.reasons,
        "evidence": (
            Evidence(role="gate", key=judged.key, digest=judged.digest),
            Evidence(role="policy", key="insider/policy.json", digest=sha256(text)),
            *more,
        ),
        "policy": sha256(text),
        "case": found.case(ENDPOINT, "local"),
    }
    return chain.decision(chain.release, **{**given, **changes})


def of_decision(chain: Chain, decision: Decision) -> str:
    """What is broken below a decision that somebody signed."""
    keep_decision(chain.store, decision, chain.signed(decision))
    found = verify_model(chain.scene(), [decision.subject])
    return breaks(found)
