"""``Run``: what a run did, the same document whatever backend it ran on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer

from components.core.contract import Contract
from components.core.manifest import Part, Reference
from components.core.masking import masked
from components.core.report import Cost

Words = Annotated[str, PlainSerializer(masked, return_type=str)]
"""What a service says of a failure, which may repeat what it was sent: it is masked when it is written."""


class State(StrEnum):
    """The state of a run or of one of its steps."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    HELD = "held"  # it did its work, and waits for a person's word
    REFUSED = "refused"  # it did its work, and the answer is no
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (State.PENDING, State.RUNNING)

    @property
    def worked(self) -> bool:
        """Whether the work was done, whatever the answer was."""
        return self in (State.DONE, State.HELD, State.REFUSED)

    @property
    def settled(self) -> bool:
        """Whether nothing else comes of asking for the same again; a held run may find that people have spoken."""
        return self in (State.DONE, State.REFUSED)


class StepRun(Part):
    """One step of a run."""

    name: str
    title: str = ""
    after: tuple[str, ...] = Field(default=(), description="Steps that this one waits for.")
    state: State = State.PENDING
    cached: bool = False
    attempts: int = 0
    started: str = ""
    seconds: float = 0
    rows_in: int | None = None
    rows_out: int | None = None
    rejected: int | None = None
    merged: int | None = None
    report: str = Field(default="", description="Key of its report in the store.")
    outputs: dict[str, Reference] = {}
    exit_code: int = 0
    error: Words = ""
    key: dict[str, str] = Field(default={}, description="What decides whether it is a cache hit, by name.")


class EstimatedCost(Part):
    """What a run has cost by the prices of a file: an estimate and no bill."""

    amount: float
    currency: str
    prices: str = Field(description="The date of the prices.")

    def __str__(self) -> str:
        return f"{self.amount:,.2f} {self.currency} at the prices of {self.prices}"


class Run(Contract):
    """A run: what it was asked to do, how far it is, what came of it."""

    run: str
    graph: str
    backend: str
    recipe: str
    recipe_digest: str
    environment: str
    environment_digest: str
    spec: str = Field(description="SHA-256 of the compiled graph.")
    code: dict[str, str] = Field(default={}, description="Code digest by stage.")
    now: str
    attempt: int = 1
    asked_by: str = Field(default="", description="Name of the run request that started it.")
    state: State = State.PENDING
    started: str = ""
    ended: str = ""
    exit_code: int = 0
    error: Words = ""
    outcome: str = Field(default="", description="What was decided, a sentence for a person.")
    steps: tuple[StepRun, ...] = ()
    decisions: tuple[str, ...] = ()
    requests: tuple[str, ...] = Field(default=(), description="Names of the run requests that it made.")
    cost: Cost = Cost()
    estimated_cost: EstimatedCost | None = Field(
        default=None, description="An estimate of what its machines cost; none where no prices are known."
    )

    @property
    def given_up(self) -> bool:
        """Whether it ended without an answer that stays: asked for again, it is another attempt.

        An alert of monitoring waits for nobody's yes: the same window would only be alerted about again.
        """
        alerted = self.graph == "monitoring" and self.state is State.HELD
        return self.state.final and not self.state.settled and not alerted
