"""``Figures``: what is known about one window, small enough to decide on. The simulation makes them too."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from components.core.contract import Contract
from components.core.manifest import Part

FIGURES = "figures.json"
"""The object beside the rows of the output ``evidence`` of the step drift."""


OF_THE_SERVICE = frozenset({"latency_ms", "first_token_ms"})
"""Features that the load and the machine change: they are shown, and no training makes them better."""


class Shift(Part):
    """One feature of the window beside a reference."""

    feature: str = Field(description="Such as `prompt_words` or `language`.")
    against: str = Field(description="`training`: what the model was trained on; `release`: its first windows.")
    test: str = Field(description="Name of the test, such as `Kolmogorov-Smirnov`.")
    p: float = Field(ge=0, le=1)
    adjusted: float = Field(ge=0, le=1, description="p-value with the family-wise error over all features held (Holm).")
    effect: float = Field(ge=0, description="How far apart they are, whatever the sample's size.")
    measure: str = Field(description="What the effect is measured by, such as `Jensen-Shannon distance`.")
    least: float = Field(ge=0, description="The effect from which on it matters.")
    n: int = Field(ge=0, description="Rows of the window.")
    n_reference: int = Field(ge=0)
    drifted: bool = Field(description="Whether it is both significant and large enough.")


class Fault(Part):
    """Why a window says nothing, or not what it seems to."""

    code: str = Field(description="A word for scripts, such as `no_requests` or `stale`.")
    text: str = Field(description="A sentence for a person, with its full stop.")


class Score(Part):
    """Right answers among labelled ones."""

    correct: int = Field(default=0, ge=0)
    labelled: int = Field(default=0, ge=0)

    @property
    def share(self) -> float:
        """Right answers among the labelled ones, from 0 to 1; nan without any."""
        return self.correct / self.labelled if self.labelled else float("nan")


def pooled(scores: Sequence[Score]) -> Score:
    """All answers of several windows together."""
    return Score(correct=sum(score.correct for score in scores), labelled=sum(score.labelled for score in scores))


class Figures(Contract):
    """What is known about one window of an endpoint."""

    endpoint: str
    model: str = Field(default="", description="Digest of the manifest of what should serve at the window's end.")
    released: str = Field(default="", description="Since when it should; UTC, ISO 8601.")
    since: str = Field(description="End of the window before it; UTC, ISO 8601.")
    until: str = Field(description="UTC, ISO 8601.")
    requests: int = Field(default=0, ge=0)
    units: int = Field(default=0, ge=0, description="Users who asked.")
    answered: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)
    cut: int = Field(default=0, ge=0, description="Answers that began and were cut off or lost.")
    corrections: int = Field(default=0, ge=0, description="Answers that people corrected.")
    quality: Score = Field(default=Score(), description="What people said of this model's answers, late word included.")
    reference: Score = Field(default=Score(), description="The same in this model's first windows after its release.")
    shifts: tuple[Shift, ...] = ()
    faults: tuple[Fault, ...] = ()
