"""Settings of ``gate``: the policy, a list of claims that a candidate has to prove."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from components.core.settings import StepSettings


class ClaimKind(StrEnum):
    """What is claimed about a score."""

    FLOOR = "floor"  # the candidate's score is at least so much
    MARGIN = "margin"  # the candidate loses less than so much against the incumbent
    GAIN = "gain"  # the candidate gains more than so much over the incumbent


class Claim(BaseModel):
    """One claim: exactly one of floor, margin and gain, for all questions, a suite, or a slice of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    suite: str = Field(default="", description="The suite; empty for the questions of all suites together.")
    slice: str = Field(default="", description="A slice of the suite; empty for all its questions.")
    floor: float | None = Field(default=None, ge=0, le=1, description="The score is at least this (fraction).")
    margin: float | None = Field(
        default=None, gt=0, lt=1, description="The score is less than this below the incumbent's (fraction)."
    )
    gain: float | None = Field(
        default=None, ge=0, lt=1, description="The score is more than this above the incumbent's (fraction)."
    )
    see: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="True distance from the threshold at which the claim must be likely to be shown (fraction);"
        " default: the margin itself, which is no loss at all; 0.05 for floor and gain.",
    )

    @model_validator(mode="after")
    def _is_one_claim(self) -> Self:
        given = [kind for kind in ClaimKind if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"a claim is exactly one of floor, margin and gain; it has {', '.join(given) or 'none'}")
        if self.slice and not self.suite:
            raise ValueError(f"slice {self.slice}: name the suite that it is a slice of")
        return self

    @property
    def kind(self) -> ClaimKind:
        """Which of the three it is."""
        return next(kind for kind in ClaimKind if getattr(self, kind) is not None)

    @property
    def value(self) -> float:
        """The floor, the margin or the gain as it is written."""
        return float(getattr(self, self.kind))

    @property
    def threshold(self) -> float:
        """What the score (floor) or the difference (candidate - incumbent) has to exceed."""
        return -self.value if self.kind is ClaimKind.MARGIN else self.value

    @property
    def distance(self) -> float:
        """The true distance from the threshold at which the claim must be likely to be shown."""
        return self.see or (self.value if self.kind is ClaimKind.MARGIN else 0.05)

    @property
    def name(self) -> str:
        """The claim in a few words, such as ``exam: margin 0.02``."""
        over = self.suite or "all suites"
        return f"{over}{f' / {self.slice}' if self.slice else ''}: {self.kind} {self.value:g}"


class AnyOf(BaseModel):
    """Alternatives, of which one would do; Holm's correction holds their errors together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    any_of: tuple[Claim, ...] = Field(
        description="Claims, at least two, of which one must hold.", json_schema_extra={"minItems": 2}
    )

    @field_validator("any_of")
    @classmethod
    def _are_alternatives(cls, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        # Not by `min_length`, which does not count a claim that is faulty and so complains of the same mistake again.
        if len(claims) < 2:
            raise ValueError(f"at least two claims are alternatives; it has {len(claims)}")
        return claims


def _sort(entry: Any) -> str:
    """Which of the two an entry of the policy is meant as, so that what is wrong with it is held against that alone."""
    given = "any_of" in entry if isinstance(entry, dict) else isinstance(entry, AnyOf)
    return AnyOf.__name__ if given else Claim.__name__


Entry = Annotated[Annotated[Claim, Tag("Claim")] | Annotated[AnyOf, Tag("AnyOf")], Discriminator(_sort)]


class Gate(StepSettings):
    """The policy. Every claim must hold, each shown at one-sided ``alpha``; no claim, no release."""

    claims: tuple[Entry, ...] = Field(
        default=(), description="What a candidate has to prove; without any it is refused."
    )
    exams: dict[str, str] = Field(
        default={},
        description="Content digests of suites by name, or their first 12 digits and more: another exam of that name is"
        " refused. Whoever may write into the store for a lifecycle could otherwise choose the questions.",
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Chance of passing a claim that is just not true, one-sided (fraction); ICH E9, section 5.5.",
    )
    power: float = Field(
        default=0.8,
        gt=0.5,
        lt=1,
        description="How likely a claim must be to be shown at its distance `see`; a suite that cannot do that is too"
        " small (fraction; Cohen 1988, Statistical Power Analysis, section 2.4).",
    )
    discordance: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Share of questions on which candidate and incumbent are expected to differ; for power (fraction).",
    )
    spread: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="Expected standard deviation of scores, and of their differences, where they are not 0 or 1.",
    )
    correlation: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Expected correlation of answers within a group (intra-class); for power (fraction).",
    )
    fewest_answers: int = Field(
        default=20, ge=2, description="Questions that a claim must rest on at least (questions); fewer are no evidence."
    )
    resamples: int = Field(
        default=10_000, ge=1000, description="Bootstrap resamples (DiCiccio and Efron 1996, doi:10.1214/ss/1032280214)."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the resampling.")
    shown: int = Field(
        default=8, ge=0, description="Won and lost questions that the evidence shows (questions of each)."
    )

    @field_validator("exams")
    @classmethod
    def _are_digests(cls, exams: dict[str, str]) -> dict[str, str]:
        for suite, digest in exams.items():
            if not re.fullmatch(r"[0-9a-f]{12,64}", digest):
                raise ValueError(f"{suite}: {digest!r} is no digest; write at least 12 of its 64 hexadecimal digits")
        return exams
