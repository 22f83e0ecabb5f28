"""Settings of ``validate``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from components.core.settings import RowSettings


class Expectation(BaseModel):
    """One thing that is to hold of a column, in the words of Great Expectations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field(
        pattern=r"^expect_column_[a-z_]+$",
        description="Name in Great Expectations' gallery, such as `expect_column_values_to_match_regex`.",
    )
    column: str = Field(
        min_length=1, description="A column of documents (`id`, `text`, `source`, …), or `meta.KEY` for a key of meta."
    )
    kwargs: dict[str, JsonValue] = Field(
        default={}, description="The expectation's own arguments, such as `{regex: ^T-}`."
    )
    mostly: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Smallest share of rows with a value that must meet it, or the input is refused (fraction); by"
        " default 1 where the action is `fail`, and 0 where rows are rejected.",
    )
    action: Literal["reject", "fail"] = Field(
        default="reject", description="What a row that does not meet it does: it is rejected, or the input is refused."
    )

    @model_validator(mode="after")
    def _only_rows_can_be_rejected(self) -> Self:
        if self.action == "reject" and not self.type.startswith("expect_column_value"):
            raise ValueError(f"{self.type} is about a whole column, so no row can be rejected; set `action: fail`")
        if {"mostly", "column"} & self.kwargs.keys():
            raise ValueError("`mostly` and `column` stand beside `kwargs`, not in it")
        return self


DEFAULTS = (
    Expectation(type="expect_column_values_to_not_be_null", column="text"),
    Expectation(type="expect_column_values_to_be_unique", column="id", action="fail"),
    Expectation(
        type="expect_column_value_lengths_to_be_between",
        column="text",
        kwargs={"min_value": 1, "max_value": 1_000_000},
    ),
)
"""What holds of any documents; a text of a million characters is longer than most novels."""


class Validate(RowSettings):
    """What is expected of the documents. The declared schema is checked with Great Expectations."""

    expectations: tuple[Expectation, ...] = Field(
        default=DEFAULTS, description="What is to hold, in the order in which a rejected row is given its reason."
    )
    max_reject_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest share of rows that may be rejected before the input is refused (fraction); more than one"
        " in twenty against its own contract is a change of the source.",
    )
