"""Turns conversations into token shards with a loss mask on what the assistant says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from components.core.attempt import Attempt, Draft, Outcome
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest
from components.core.report import Figure
from components.core.rows import Row, RowWriter
from components.data.tokenise.chat_template import Span, TemplateRefusal
from components.data.tokenise.settings import Tokenise
from components.data.tokenise.tokeniser import ModelText, loss_mask, read_model_text

BATCH = 512
"""Rows that are encoded at once, on all cores."""


@dataclass
class Lengths:
    """What is counted along the way."""

    kept: list[int] = field(default_factory=list)
    loss: int = 0
    truncated: int = 0
    cut_off: int = 0


@dataclass(frozen=True)
class Rendered:
    """A conversation as text, and where in it the assistant speaks."""

    row: Row
    text: str
    spans: list[Span]


def tokenise(attempt: Attempt, conversations: Manifest, model: Manifest, settings: Tokenise) -> Outcome:
    """Output: ``tokens``, a row a conversation: ``input_ids``, and ``loss_mask`` 1 on the assistant's turns.

    A row is rejected as ``template_refuses`` (the template raises), ``control_token_in_text`` (what somebody said
    would read as a turn of its own) or ``no_loss_tokens`` (nothing of the assistant is left). Raises InvalidInput
    for a template by which nobody can tell what the assistant said, and for rows longer than the model's context.
    """
    text = read_model_text(attempt.store, model)
    longest = _longest(settings, text)
    lengths = Lengths()
    with attempt.timed("tokenise"), attempt.rows(Kind.TOKENS, "tokens") as tokens:
        for batch in attempt.read(conversations):
            rows = batch.to_pylist()
            for start in range(0, len(rows), BATCH):
                _encode(
                    attempt, text, list(_rendered(attempt, text, rows[start : start + BATCH])), longest, tokens, lengths
                )
    _account(attempt, lengths)
    sources, suites = conversations.sources, conversations.suites
    return attempt.commit(
        {"tokens": Draft(Kind.TOKENS, tokens, sources=sources, suites=suites, model=model.model)},
        settings=settings,
        inputs={"conversations": conversations, "model": model},
        rows_in=conversations.rows,
    )


def _longest(settings: Tokenise, text: ModelText) -> int | None:
    if settings.max_tokens and text.context and settings.max_tokens > text.context:
        raise InvalidInput(
            f"tokenise.max_tokens: {settings.max_tokens} tokens are more than the model's context of {text.context};"
            " lower it, or leave it out"
        )
    return settings.max_tokens or text.context


def _rendered(attempt: Attempt, text: ModelText, rows: Sequence[Row]) -> Iterator[Rendered]:
    for row in rows:
        said = next((found for m in row["messages"] if (found := text.control.search(m["content"]))), None)
        if said:
            attempt.reject(row, "control_token_in_text", f"{row['id']}: somebody says {said.group()}")
            continue
        try:
            rendered, spans = text.template.render_with_spans(row["messages"])
        except TemplateRefusal as refusal:
            attempt.reject(row, "template_refuses", f"{row['id']}: the chat template does not take it: {refusal}")
        else:
            yield Rendered(row, rendered, spans)


def _encode(
    attempt: Attempt,
    text: ModelText,
    batch: Sequence[Rendered],
    longest: int | None,
    tokens: RowWriter,
    lengths: Lengths,
) -> None:
    # The template writes every special token itself.
    encodings = text.tokenizer.encode_batch([rendered.text for rendered in batch], add_special_tokens=False)
    for rendered, encoding in zip(batch, encodings, strict=True):
        ids = np.array(encoding.ids[:longest], dtype=np.int32)
        mask = loss_mask(encoding, rendered.spans)[:longest]
        # The first token is never predicted, so it cannot count.
        if not mask[1:].any():
            attempt.reject(rendered.row, "no_loss_tokens", f"{rendered.row['id']}: nothing of the assistant is left")
            continue
        tokens.append({"id": rendered.row["id"], "input_ids": ids, "loss_mask": mask})
        _count(lengths, len(encoding.ids), mask)


def _count(lengths: Lengths, before: int, mask: npt.NDArray[np.int8]) -> None:
    lengths.kept.append(len(mask))
    lengths.loss += int(mask.sum())
    lengths.truncated += before > len(mask)
    lengths.cut_off += before - len(mask)


def _account(attempt: Attempt, lengths: Lengths) -> None:
    kept = np.array(lengths.kept or [0])
    counts = {
        "tokens": int(kept.sum()),
        "loss_tokens": lengths.loss,
        "tokens_cut_off": lengths.cut_off,
        "length_longest": int(kept.max()),
    }
    attempt.figures["truncated"] = Figure(value=lengths.truncated, unit="rows")
    attempt.figures |= {name: Figure(value=value, unit="tokens") for name, value in counts.items()}
    for percent in (50, 95, 99):
        attempt.figures[f"length_p{percent}"] = Figure(value=float(np.percentile(kept, percent)), unit="tokens")
