"""Whether an artifact's bytes are those that its manifest names, and make the content digest that it states."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.attempt import Files
from components.core.canonical import canonical_json, digest_of_sorted, sha256
from components.core.manifest import Kind, Manifest, Shard, file_name
from components.core.report import Report
from components.core.rows import BATCH_ROWS, Row, row_digests, whole_table
from components.core.suites import HEADS, Scorer, Suite, question_digest, read_heads, suite_digest
from components.core.wording import counted
from pipelines.proof.ledger import Ledger
from pipelines.proof.tree import Broken, short, size

OPEN_KINDS = (Kind.SUITES, Kind.ANSWERS, Kind.REPORT)
"""What a bundle holds whole, because the judgement rests on it; of other kinds it may hold the manifests alone."""
PARQUET = ".parquet"
Heads = dict[str, Suite]


def check_bytes(manifest: Manifest, ledger: Ledger) -> str:
    """Hashes every object again and works the content digest out; returns what was found, in words.

    Raises Broken at the first object that is gone or changed, and where numbers or digests do not agree.
    """
    rows = [shard for shard in manifest.shards if manifest.kind is not Kind.MODEL and shard.uri.endswith(PARQUET)]
    beside = [shard for shard in manifest.shards if manifest.kind is Kind.MODEL or not shard.uri.endswith(PARQUET)]
    digests = [digest for shard in rows for digest in _digests(shard, ledger)]
    for shard in beside:
        ledger.file(shard)
    if manifest.content_digest not in _content_digests(manifest, digests, beside):
        raise Broken(
            f"its rows or files do not make the content digest {short(manifest.content_digest)} that it states"
        )
    sums = (sum(shard.rows for shard in manifest.shards), sum(shard.bytes for shard in manifest.shards))
    if sums != (manifest.rows, manifest.bytes):
        raise Broken(f"states {manifest.rows} rows and {manifest.bytes} bytes; its objects have {sums}")
    if not manifest.shards:
        return "empty"
    told = f"{counted(manifest.rows, 'row')}, " if rows else ""
    return f"{told}{size(manifest.bytes)} in {counted(len(manifest.shards), 'object')} re-hashed"


def _content_digests(manifest: Manifest, digests: list[bytes], beside: list[Shard]) -> set[str]:
    """What the content digest may be: of files by name, or of rows and the objects beside them."""
    files = Files(manifest.shards).content_digest
    if manifest.kind is Kind.MODEL:
        return {files}
    rows = digest_of_sorted(digests)
    named = (sha256(canonical_json([file_name(shard), shard.sha256])) for shard in beside)
    whole = digest_of_sorted(bytes.fromhex(part) for part in (rows, *named)) if beside else rows
    return {whole, files} if len(beside) == len(manifest.shards) else {whole}


def _digests(shard: Shard, ledger: Ledger) -> list[bytes]:
    data = ledger.rows(shard)
    batches = pq.ParquetFile(pa.BufferReader(data)).iter_batches(batch_size=BATCH_ROWS)
    digests = [digest for batch in batches for digest in row_digests(pa.Table.from_batches([batch]))]
    if len(digests) != shard.rows:
        raise Broken(f"{shard.uri} has {len(digests)} rows, its manifest says {shard.rows}")
    return digests


def read_rows(manifest: Manifest, ledger: Ledger) -> Iterator[Row]:
    """The rows of a small artifact, each shard checked."""
    for shard in manifest.shards:
        if shard.uri.endswith(PARQUET):
            yield from whole_table(ledger.rows(shard)).to_pylist()


def check_report(manifest: Manifest, report: Report) -> None:
    """Raises Broken unless the report of the step that made an artifact tells of this artifact and its parents."""
    if report.step != manifest.producer.step or report.error:
        raise Broken(f"the report beside it is of {report.step}, {'which failed' if report.error else 'another step'}")
    if manifest.named not in report.outputs.values():
        raise Broken("the report of its step does not name it among its outputs")
    if report.inputs != manifest.parents:
        raise Broken("the report of its step names other inputs than it")


def check_suites(manifest: Manifest, ledger: Ledger) -> str:
    """Works out each question's digest and each suite's. Raises Broken where one differs."""
    questions: defaultdict[str, list[str]] = defaultdict(list)
    for row in read_rows(manifest, ledger):
        if question_digest(row["messages"], row["reference"], row["choices"]) != row["question"]:
            raise Broken(f"question {short(row['question'])} of {row['suite']} is another than its digest says")
        questions[row["suite"]].append(row["question"])
    heads = heads_of(manifest, ledger)
    if heads.keys() != questions.keys():
        raise Broken(f"has heads of {', '.join(sorted(heads))}, and questions of {', '.join(sorted(questions))}")
    for name, head in heads.items():
        if (suite_digest(questions[name]), len(questions[name])) != (head.content_digest, head.questions):
            raise Broken(f"suite {name} has other questions than its head says")
    return ", ".join(f"{name} {counted(head.questions, 'question')}" for name, head in heads.items())


def heads_of(manifest: Manifest, ledger: Ledger) -> Heads:
    """The heads of a suites artifact by name."""
    return {head.id: head for head in read_heads(ledger.store, manifest)}


def check_answers(answers: Manifest, suites: Manifest, ledger: Ledger) -> str:
    """Each question of the suites must be answered once, and each score be what the answer is worth."""
    heads = heads_of(suites, ledger)
    own = [shard.sha256 for shard in answers.shards if file_name(shard) == HEADS]
    if own and own != [shard.sha256 for shard in suites.shards if file_name(shard) == HEADS]:
        raise Broken("was scored by other heads of suites than those that it names")
    asked = {(row["suite"], row["question"]): row for row in read_rows(suites, ledger)}
    rows = list(read_rows(answers, ledger))
    if sorted((row["suite"], row["question"]) for row in rows) != sorted(asked):
        raise Broken(f"{len(rows)} answers are not one for each of the {len(asked)} questions of its suites")
    for row in rows:
        _check_answer(row, asked[row["suite"], row["question"]], heads[row["suite"]])
    return f"{counted(len(rows), 'answer')}, one a question, scored again"


def _check_answer(answer: Row, question: Row, head: Suite) -> None:
    where = f"the answer to question {short(answer['question'])} of {head.id}"
    for name in ("group", "slices", "reference"):
        if answer[name] != question[name]:
            raise Broken(f"{where} has another {name} than the question")
    score = answer["score"]
    if score is None:
        raise Broken(f"{where} has no score")
    worth = _worth(answer["answer"], question, head)
    if worth is not None and score != worth:
        raise Broken(f"{where} is worth {worth:g}, and its score is {score:g}")


def _worth(answer: str, question: Row, head: Suite) -> float | None:
    """The score that the answer's text earns; None where the text alone does not tell."""
    if head.scorer_version != 1 or len(set(question["choices"] or ())) < len(question["choices"] or ()):
        return None
    if head.scorer is Scorer.EXACT_MATCH:
        return float(answer.strip() == question["reference"].strip())
    return float(answer == question["reference"])
