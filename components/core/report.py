"""``Report``: how a step accounts for what it did. The numbers of its rows always add up."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from components.core.contract import Contract
from components.core.manifest import Parent, Part, Reference, Shard

REPORT = "report.json"
"""The name of a report in its attempt's folder."""


class Rows(Part):
    """Where the rows went: in + created = out + rejected + merged."""

    in_: int = Field(default=0, ge=0, alias="in")
    created: int = Field(default=0, ge=0, description="Rows that this step made, such as exam questions.")
    out: dict[str, int] = Field(default={}, description="Rows written, by role of the output.")
    rejected: dict[str, int] = Field(default={}, description="Rows left out, by reason; each can be looked at.")
    merged: int = Field(default=0, ge=0, description="Rows that another row stands for, such as duplicates.")

    def sentence(self) -> str:
        """The rows in a few words; `done` where there are none."""
        parts = [f"{self.in_} in"] if self.in_ else []
        parts += [f"{self.created} created"] if self.created else []
        parts += [f"{count} {role}" for role, count in self.out.items()]
        parts += [f"{self.merged} merged"] if self.merged else []
        parts += [f"{count} rejected ({reason})" for reason, count in self.rejected.items()]
        return ", ".join(parts) or "done"

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        given = self.in_ + self.created
        found = sum(self.out.values()) + sum(self.rejected.values()) + self.merged
        if given != found:
            raise ValueError(
                f"rows do not add up: {self.in_} in + {self.created} created, but {self.out} out"
                f" + {self.rejected} rejected + {self.merged} merged = {found}"
            )
        return self


class Figure(Part):
    """A number with its unit."""

    value: float
    unit: str = ""
    low: float | None = Field(default=None, description="Lower end of the 95 % interval.")
    high: float | None = Field(default=None, description="Upper end of the 95 % interval.")
    n: int | None = Field(default=None, description="How many questions or rows it was measured on.")


class Example(Part):
    """Something a person may want to see: a row before and after, a right or a wrong answer."""

    title: str
    before: str = ""
    after: str = ""
    good: bool | None = None


class Series(Part):
    """A curve."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    x_unit: str = ""
    y_unit: str = ""


class Cost(Part):
    """What the step used."""

    wall_seconds: float = 0
    cpu_seconds: float = 0
    peak_memory_bytes: int = 0


class StepError(Part):
    """Why a step did not finish."""

    exit_code: int
    message: str


class Report(Contract):
    """What a step did: its rows, its figures, what it read and wrote, what it cost."""

    step: str
    attempt: str = Field(description="Name unique to the attempt.")
    started: str = Field(description="UTC, ISO 8601.")
    rows: Rows = Rows()
    figures: dict[str, Figure] = {}
    series: dict[str, Series] = {}
    examples: tuple[Example, ...] = ()
    timings: dict[str, float] = Field(default={}, description="Seconds, by part of the step.")
    cost: Cost = Cost()
    inputs: tuple[Parent, ...] = ()
    outputs: dict[str, Reference] = {}
    rejects: tuple[Shard, ...] = Field(default=(), description="The rejected rows, each with its reason.")
    error: StepError | None = None
    word: str = Field(
        default="", description="The step's unnamed output, such as what it decided; the graph branches on it."
    )
    said: str = Field(default="", description="What came of it, a sentence for a person, where rows do not say it.")

    @property
    def key(self) -> str:
        """Where it lies in the store."""
        return f"{self.step}/{self.attempt}/{REPORT}"
