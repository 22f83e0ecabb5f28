"""Which corrections of users become documents; without any, documents pass as they are."""

from __future__ import annotations

from components.core.attempt import Attempt, Draft, Outcome
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest
from components.data.corrections.settings import Corrections


def corrections(
    attempt: Attempt,
    documents: Manifest,
    settings: Corrections,
    corrected: str = "",
    style: str = "",  # noqa: ARG001
) -> Outcome:
    """Output: ``extended``, the documents and what may be learned from traffic."""
    if corrected:
        raise InvalidInput("corrections: nothing may be learned from traffic yet; run without `corrected`")
    with attempt.rows(Kind.DOCUMENTS, "extended") as extended:
        for batch in attempt.read(documents):
            extended.write(batch)
    draft = Draft(Kind.DOCUMENTS, extended, sources=documents.sources)
    return attempt.commit(
        {"extended": draft}, settings=settings, inputs={"documents": documents}, rows_in=documents.rows
    )
