"""What somebody could write who works out all digests again, up to the decision."""

from __future__ import annotations

from typing import Any

import pytest

from components.core.decision import Verdict
from components.core.errors import ExitCode
from components.core.evidence import GateEvidence, read_evidence
from components.core.manifest import Kind, Manifest
from components.core.report import Report, StepError
from components.core.suites import HEADS, write_heads
from pipelines.proof.walk import verify_model
from tests.pipelines.proof.chain import Chain, breaks, of_decision, released


def test_answers_of_another_model_are_found(chain: Chain) -> None:
    answers, policy = chain.answers(chain.first, 0), chain.policy()
    evidence = chain.evidence(chain.third, answers, policy, verdict=Verdict.PASS)
    assert "the answers of the candidate are another model's" in of_decision(chain, released(chain, evidence, policy))


def test_a_model_that_saw_the_exam_is_found(chain: Chain) -> None:
    model, policy = chain.model(b"cheat", suites=()), chain.policy()
    evidence = chain.evidence(model, chain.answers(model, 0), policy, verdict=Verdict.PASS)
    assert "was not decontaminated against suite exam" in of_decision(chain, released(chain, evidence, policy))


def only(chain: Chain, artifact: Manifest) -> str:
    return breaks(verify_model(chain.scene(), [artifact.named]))


def test_a_claim_of_decontamination_that_nothing_bears_out_is_found(chain: Chain) -> None:
    clean = chain.rows("format", "conversations", Kind.CONVERSATIONS, [], suites=("e" * 64,), documents=chain.documents)
    assert "says that it was decontaminated against eeeeeeeeeeee…" in only(chain, clean)


def test_a_model_of_other_tokens_than_it_says_is_found(chain: Chain) -> None:
    facts = chain.second.model.model_copy(update={"data_digest": "d" * 64})
    model = chain.files("finetune", "trained", b"other", facts, tokens=chain.tokens, model=chain.base)
    assert "says that it was trained on dddddddddddd…" in only(chain, model)


def test_a_model_of_another_base_than_it_says_is_found(chain: Chain) -> None:
    facts = chain.second.model.model_copy(update={"base_digest": "b" * 64})
    model = chain.files("finetune", "trained", b"other", facts, tokens=chain.tokens, model=chain.base)
    assert "says that its base is bbbbbbbbbbbb…" in only(chain, model)


def row_of(chain: Chain, wrong: int = 0) -> list[dict[str, Any]]:
    names = ("suite", "question", "group", "slices", "reference")
    rows = [{name: question[name] for name in names} for question in chain.questions]
    return [row | {"answer": row["reference"] if at >= wrong else "no", "score": 1.0} for at, row in enumerate(rows)]


def answered(chain: Chain, rows: list[dict[str, Any]], heads: bytes = b"") -> Manifest:
    heads = heads or write_heads([chain.head])
    given = {"model": chain.second, "suites_parent": chain.suites}
    return chain.rows("benchmark", "answers", Kind.ANSWERS, rows, extra={HEADS: heads}, **given)


def test_a_score_that_the_answer_is_not_worth_is_found(chain: Chain) -> None:
    assert "is worth 0, and its score is 1" in only(chain, answered(chain, row_of(chain, wrong=1)))


@pytest.mark.parametrize("rows", ["left out", "twice"])
def test_questions_that_were_left_out_or_asked_twice_are_found(chain: Chain, rows: str) -> None:
    given = row_of(chain)
    given = given[1:] if rows == "left out" else [*given[1:], given[1]]
    assert "answers are not one for each of the 40 questions" in only(chain, answered(chain, given))


@pytest.mark.parametrize(("name", "value"), [("group", "another"), ("slices", ["easy"]), ("reference", "no")])
def test_answers_to_other_questions_than_the_suite_has_are_found(chain: Chain, name: str, value: Any) -> None:
    rows = row_of(chain)
    rows[3] = rows[3] | {name: value}
    assert f"has another {name} than the question" in only(chain, answered(chain, rows))


def test_an_answer_without_a_score_is_found(chain: Chain) -> None:
    rows = row_of(chain)
    rows[3] = rows[3] | {"score": None}
    assert "has no score" in only(chain, answered(chain, rows))


def test_answers_by_another_scorer_are_found(chain: Chain) -> None:
    heads = write_heads([chain.head.model_copy(update={"scorer_version": 2})])
    assert "was scored by other heads" in only(chain, answered(chain, row_of(chain), heads))


def suites(chain: Chain, rows: list[dict[str, Any]], /, **head: Any) -> Manifest:
    heads = write_heads([chain.head.model_copy(update=head)])
    return chain.rows("suites", "suites", Kind.SUITES, rows, extra={HEADS: heads})


def test_a_question_that_is_not_its_digest_is_found(chain: Chain) -> None:
    questions = [dict(question) for question in chain.questions]
    questions[0]["reference"] = "easier"
    assert "is another than its digest says" in only(chain, suites(chain, questions))


def test_a_suite_with_other_questions_than_its_head_says_is_found(chain: Chain) -> None:
    assert "has other questions than its head says" in only(chain, suites(chain, chain.questions[1:]))
    assert "has other questions than its head says" in only(chain, suites(chain, chain.questions, questions=41))
    assert "has heads of other, and questions of exam" in only(chain, suites(chain, chain.questions, id="other"))


def rewritten(chain: Chain, manifest: Manifest, **changes: Any) -> Manifest:
    """A manifest with other content under its own key, its report in step with it."""
    made = manifest.model_copy(update=changes)
    made._digest = None
    made = Manifest.read(made.to_bytes(), made.key)
    chain.store.write(made.key, made.to_bytes())
    key = f"{'/'.join(made.key.split('/')[:2])}/report.json"
    report = Report.read(chain.store.read(key), key)
    outputs = {role: made.named if output.key == made.key else output for role, output in report.outputs.items()}
    report = report.model_copy(update={"outputs": outputs, "inputs": made.parents})
    chain.store.write(key, report.to_bytes())
    return made


@pytest.mark.parametrize("name", ["documents", "first", "suites"])
def test_a_content_digest_that_the_content_does_not_make_is_found(chain: Chain, name: str) -> None:
    made = rewritten(chain, getattr(chain, name), content_digest="0" * 64)
    assert "do not make the content digest 000000000000…" in only(chain, made)


@pytest.mark.parametrize("field", ["rows", "bytes"])
def test_sums_that_the_objects_do_not_give_are_found(chain: Chain, field: str) -> None:
    made = rewritten(chain, chain.documents, **{field: 5})
    assert f"states {made.rows} rows and {made.bytes} bytes" in only(chain, made)


def test_a_shard_with_fewer_rows_than_its_manifest_says_is_found(chain: Chain) -> None:
    (shard,) = chain.documents.shards
    made = rewritten(chain, chain.documents, shards=(shard.model_copy(update={"rows": 7}),), rows=7)
    assert "has 6 rows, its manifest says 7" in only(chain, made)


def test_a_shard_of_another_length_than_its_manifest_says_is_found(chain: Chain) -> None:
    (shard,) = chain.documents.shards
    longer = shard.model_copy(update={"bytes": shard.bytes + 1})
    made = rewritten(chain, chain.documents, shards=(longer,), bytes=longer.bytes)
    assert f"has {shard.bytes} bytes, its manifest says {longer.bytes}" in only(chain, made)


def test_a_shard_outside_the_store_is_not_read(chain: Chain) -> None:
    (shard,) = chain.documents.shards
    made = rewritten(chain, chain.documents, shards=(shard.model_copy(update={"uri": "../tickets.jsonl"}),))
    assert "leaves the store" in only(chain, made)


def test_an_output_of_a_step_that_names_other_parents_than_its_report_is_found(chain: Chain) -> None:
    made = rewritten(chain, chain.clean)
    chain.store.write(made.key, made.model_copy(update={"parents": made.parents[:1]}).to_bytes())
    changed = Manifest.read(chain.store.read(made.key), made.key)
    key = f"{'/'.join(made.key.split('/')[:2])}/report.json"
    text = chain.store.read(key).decode().replace(made.digest, changed.digest)
    chain.store.write(key, text.encode())
    assert "names other inputs than it" in only(chain, changed)


def test_evidence_is_read_as_it_was_signed(chain: Chain) -> None:
    """An answer's score is changed and everything up to the gate's evidence is made again, but not the decision."""
    gate = chain.gate_of(chain.approved)
    found: GateEvidence = read_evidence(chain.store, gate)
    better = answered(chain, row_of(chain))
    chain.store.write(found.answers.key, better.to_bytes())
    assert f"{found.answers.key} was changed" in breaks(chain.verify())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step": "redact"}, "is of redact, another step"),
        ({"error": StepError(exit_code=4, message="no disk")}, "is of ingest, which failed"),
    ],
)
def test_the_report_of_another_or_of_a_failed_step_is_found(chain: Chain, changes: dict[str, Any], said: str) -> None:
    key = f"{'/'.join(chain.documents.key.split('/')[:2])}/report.json"
    report = Report.read(chain.store.read(key), key).model_copy(update=changes)
    chain.store.write(key, report.to_bytes())
    assert said in only(chain, chain.documents)


def test_parents_that_an_older_sluice_named_by_digest_alone_are_followed(chain: Chain) -> None:
    nameless = tuple(parent.model_copy(update={"key": ""}) for parent in chain.clean.parents)
    made = rewritten(chain, chain.clean, parents=nameless)
    found = verify_model(chain.scene(), [made.named])
    assert found.exit_code is ExitCode.DONE, found.summary
    assert chain.documents.digest[:12] in "\n".join(found.lines())
    chain.path(chain.documents.key).unlink()
    assert f"no manifest with the digest {chain.documents.digest[:12]}… is in the store" in only(chain, made)
