"""The front matter of a card, as the Hugging Face hub reads it
(https://github.com/huggingface/hub-docs/blob/main/modelcard.md).
"""

from __future__ import annotations

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from components.core.evidence import Tally
from components.release.card.facts import Facts

TASK = "text-generation"


def front_matter(facts: Facts) -> ModelCardData:
    """Licence, language, base model, metrics, and the results on whole suites and on their slices."""
    derived = (
        {"base_model": facts.about.base, "base_model_relation": "adapter" if facts.about.adapter else "finetune"}
        if facts.from_hub
        else {}
    )
    return ModelCardData(
        language=facts.settings.language,
        license=facts.settings.licence.lower() or None,
        library_name="peft" if facts.about.adapter else "transformers",
        pipeline_tag=TASK,
        tags=["sluice"],
        metrics=sorted({head.metric for head in facts.heads}) or None,
        model_name=facts.decision.endpoint,
        eval_results=[_result(facts, tally) for tally in facts.evidence.tallies if facts.metric(tally.suite)] or None,
        **derived,
    )


def whole_card(data: ModelCardData, body: str) -> str:
    """Front matter and body. Reads it back, so that no card is written that the hub's own library cannot read."""
    text = f"---\n{data.to_yaml()}\n---\n\n{body}"
    if ModelCard(text).data.to_dict() != data.to_dict():
        raise ValueError("the front matter of the card reads otherwise than it was written")
    return text


def _result(facts: Facts, tally: Tally) -> EvalResult:
    head = next((head for head in facts.heads if head.id == tally.suite), None)
    return EvalResult(
        task_type=TASK,
        dataset_type=tally.suite or "all-suites",
        dataset_name=tally.suite or "all suites",
        dataset_config=tally.slice or None,
        dataset_revision=head.content_digest if head else None,
        metric_type=facts.metric(tally.suite),
        metric_name=f"{facts.metric(tally.suite)} on {tally.questions} questions",
        metric_value=round(tally.candidate, 6),
    )
