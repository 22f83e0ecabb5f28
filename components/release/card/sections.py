"""The sections of a card in Markdown (Mitchell et al. 2019, "Model Cards for Model Reporting", arXiv:1810.03993)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.core.decision import Decision
from components.core.evidence import ClaimResult, Tally
from components.core.manifest import Kind, Manifest, Source
from components.release.card.facts import Facts

MOST_SOURCES = 50
APPROVED = ("approved", "refused_by_a_person")
"""Codes of the reasons that hold what people said."""


def body(facts: Facts, missing: Sequence[str]) -> str:
    """All sections; ``missing`` stands first where something is."""
    parts = [
        f"# {facts.decision.endpoint}",
        _missing(missing),
        _summary(facts),
        _written("Intended use", facts.settings.intended_use),
        _written("Limitations", facts.settings.limitations),
        _training_data(facts),
        _training_procedure(facts),
        _evaluation(facts),
        _decision(facts.decision),
        _verification(facts),
        _written("Contact", facts.settings.contact),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _missing(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    listed = "\n".join(f"- {sentence}" for sentence in missing)
    return f"> **This card is not whole, and the model is not released.**\n\n## Missing\n\n{listed}"


def _summary(facts: Facts) -> str:
    form = "A LoRA adapter" if facts.about.adapter else "Full weights"
    base = f"`{facts.about.base}`" if facts.from_hub else "a model from scratch"
    size = sum(shard.bytes for shard in facts.model.shards)
    return (
        f"## Summary\n\n{form} ({size / 1e6:.1f} MB), fine-tuned from {base} and examined for the endpoint"
        f" `{facts.decision.endpoint}` of the environment `{facts.decision.environment}`."
        f"\n\n{facts.evidence.paragraph}"
    )


def _written(title: str, text: str) -> str:
    return f"## {title}\n\n{text.strip() or 'Nothing is written here.'}"


def _training_data(facts: Facts) -> str:
    sources = facts.lineage.training_sources
    shown = [_source_cells(source) for source in sources[:MOST_SOURCES]]
    more = f"\n\nand {len(sources) - MOST_SOURCES} more files." if len(sources) > MOST_SOURCES else ""
    steps = [_step_cells(one) for one in reversed(facts.lineage.ancestors) if one.kind is not Kind.MODEL]
    suites = ", ".join(f"`{digest[:12]}…`" for digest in facts.model.suites) or "no suite"
    return (
        f"## Training data\n\n{_table(('Source', 'Licence', 'SHA-256'), shown)}{more}"
        f"\n\nWhat became of it, step by step:\n\n{_table(('Step', 'Holds', 'Rows', 'Content digest'), steps)}"
        f"\n\nIt was cleaned against the questions of: {suites}."
    )


def _training_procedure(facts: Facts) -> str:
    about = facts.about
    rows = [
        ("Base", f"{about.base} {about.revision}".strip()),
        *((f"Licence of {source.uri}", source.licence or "not stated") for source in facts.lineage.base_sources),
        ("Trained from, content digest", about.base_digest),
        ("Form", "LoRA adapter" if about.adapter else "full weights"),
        *((f"Stage of training: {one.producer.step}", f"settings {one.producer.settings}") for one in _stages(facts)),
        ("Training rows, content digest", about.data_digest),
        ("Recipe, digest", about.recipe_digest),
        ("Tokenizer, digest", about.tokenizer_digest),
        ("Chat template, digest", about.template_digest),
    ]
    return f"## Training procedure\n\n{_table(('What', 'Which'), [row for row in rows if row[1]])}"


def _stages(facts: Facts) -> list[Manifest]:
    """The models on the way from the base to this one, in the order of training."""
    models = [one for one in facts.lineage.ancestors if one.kind is Kind.MODEL and one.model and one.model.data_digest]
    return models[::-1]


def _evaluation(facts: Facts) -> str:
    against = facts.evidence.incumbent.model
    compared = f"the model that served, `{against.digest[:12]}…`" if against else "nothing: no model served before"
    claims = [_claim_cells(claim) for claim in facts.evidence.claims]
    tallies = [_tally_cells(facts, tally) for tally in facts.evidence.tallies]
    notes = "".join(f"\n- {note.text}" for note in (*facts.evidence.faults, *facts.evidence.notes))
    return (
        f"## Evaluation\n\nCompared with {compared}, question by question."
        f" Each claim is tested at a one-sided α of {facts.evidence.alpha:g}."
        f"\n\n{_table(('Claim', 'Questions', 'Estimate', 'Interval', 'Threshold', 'Method', 'Holds'), claims)}"
        f"\n\n{_table(('Suite', 'Metric', 'Questions', 'This model', 'Served before', 'Won', 'Lost'), tallies)}"
        + (f"\n{notes}" if notes else "")
    )


def _decision(decision: Decision) -> str:
    rows = [
        ("Id", decision.id),
        ("Verdict", decision.verdict),
        ("Signed by", f"{decision.signer}, key {decision.key_id}"),
        ("Issued", decision.issued),
        ("To be acted on until", decision.expires),
        ("Policy, digest", decision.policy),
        *(("Said by people", reason.text) for reason in decision.reasons if reason.code in APPROVED),
        *((f"Evidence: {one.role}", one.digest) for one in decision.evidence),
    ]
    return f"## Decision\n\n{_table(('What', 'Which'), [row for row in rows if row[1]])}"


def _verification(facts: Facts) -> str:
    return (
        "## How to verify\n\nEvery digest above is SHA-256. This walks from the model back to its sources, re-hashing"
        " each object and checking each signature, offline:"
        f"\n\n    sluice verify {facts.model.key}\n    sluice verify {facts.decision.endpoint}"
        f"\n\nThe model's manifest has the digest `{facts.model.digest}`, its files `{facts.model.content_digest}`."
    )


def _source_cells(source: Source) -> tuple[str, ...]:
    pinned = f"{source.uri} @ {source.generation}" if source.generation else source.uri
    return pinned, source.licence or "not stated", source.sha256


def _step_cells(made: Manifest) -> tuple[str, ...]:
    return made.producer.step, made.kind, str(made.rows), made.content_digest


def _claim_cells(claim: ClaimResult) -> tuple[str, ...]:
    interval = "" if claim.low is None and claim.high is None else f"{_number(claim.low)} to {_number(claim.high)}"
    holds = ("yes" if claim.holds else "no") if claim.applies else "does not apply"
    numbers = (_number(claim.estimate), interval, _number(claim.threshold))
    return claim.claim, str(claim.questions), *numbers, claim.method, holds


def _tally_cells(facts: Facts, tally: Tally) -> tuple[str, ...]:
    name = tally.suite or "all suites"
    counts = (str(tally.won), str(tally.lost)) if tally.incumbent is not None else ("", "")
    return (
        f"{name} / {tally.slice}" if tally.slice else name,
        facts.metric(tally.suite),
        str(tally.questions),
        _number(tally.candidate),
        _number(tally.incumbent),
        *counts,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """A cell that cannot end its row or its column."""
    return " ".join(str(text).split()).replace("|", "\\|")
