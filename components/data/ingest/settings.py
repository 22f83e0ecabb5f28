"""Settings of ``ingest``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import RowSettings


class Ingest(RowSettings):
    """Which columns of the training sources are what. All others are kept in the documents' ``meta``."""

    text: str = Field(default="text", min_length=1, description="Column that holds the text.")
    id: str = Field(
        default="", description="Column that holds a unique id; by default an id is made from the row's digest."
    )
    group: str = Field(
        default="", description="Column of what must not be split, such as the customer; kept as `group` in meta."
    )
    created: str = Field(
        default="", description="Column of the time of writing (ISO 8601; UTC where it has no offset)."
    )
    max_line_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1,
        le=1024**3,
        description="Longest line, CSV record or paragraph (bytes); a longer one is rejected and never held whole."
        " 16 MiB is some twenty novels.",
    )
    max_reject_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Largest share of rows that may be rejected before the source is refused (fraction); one in a"
        " hundred broken rows is a broken export.",
    )
