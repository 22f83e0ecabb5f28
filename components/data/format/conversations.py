"""Turns documents (prompt and completion, or text and label) into conversations."""

from __future__ import annotations

from itertools import islice

from components.core.attempt import Attempt, Draft, Outcome
from components.core.conversation import columns_of, exchange
from components.core.errors import InvalidInput, did_you_mean
from components.core.manifest import Kind, Manifest
from components.core.report import Example
from components.data.format.settings import Format


def format(attempt: Attempt, documents: Manifest, settings: Format) -> Outcome:
    """Puts every document into words. Output: ``conversations``.

    A document without an answer is rejected (``no_answer``, ``empty_answer``). Raises InvalidInput when none has one.
    """
    with attempt.rows(Kind.CONVERSATIONS) as conversations:
        for row in attempt.read_rows(documents):
            columns = columns_of(row["meta"])
            made = exchange(row["text"], columns, settings)
            if isinstance(made, str):
                attempt.reject(row, made, f"column {settings.column}")
                continue
            messages = [*made.prompt, {"role": "assistant", "content": made.answer}]
            group = str(columns.get("group") or "")
            conversations.append({"id": row["id"], "messages": messages, "group": group, "meta": row["meta"]})
            if len(attempt.examples) < 2:
                attempt.examples.append(Example(title=row["id"], before=row["text"], after=made.answer))
    if documents.rows and not conversations.rows:
        _refuse_no_answers(attempt, documents, settings)
    draft = Draft(Kind.CONVERSATIONS, conversations, sources=documents.sources, suites=documents.suites)
    return attempt.commit(
        {"conversations": draft}, settings=settings, inputs={"documents": documents}, rows_in=documents.rows
    )


def _refuse_no_answers(attempt: Attempt, documents: Manifest, settings: Format) -> None:
    """Nothing can be learned: almost always the column is named wrongly, so the error names those that there are."""
    columns = sorted({name for row in islice(attempt.read_rows(documents), 100) for name in columns_of(row["meta"])})
    raise InvalidInput(
        f"format: none of {documents.rows} documents has an answer in the column {settings.column}; their columns are"
        f" {', '.join(columns) or 'none but the text'}{did_you_mean(settings.column, columns)}; set format.column"
    )
