"""The claims of a policy: planned before an answer is read, then held against the answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.core.errors import InvalidInput, did_you_mean
from components.core.evidence import ClaimResult
from components.core.suites import Scorer
from components.evaluate.gate import rule, wording
from components.evaluate.gate.bounds import Bounds, Floats, MostCareful
from components.evaluate.gate.exam import Exam
from components.evaluate.gate.holm import holm_levels
from components.evaluate.gate.power import Plan
from components.evaluate.gate.settings import AnyOf, Claim, ClaimKind, Gate

BINARY = frozenset({Scorer.EXACT_MATCH, Scorer.MULTIPLE_CHOICE})
"""Scorers whose scores are 0 or 1."""


@dataclass(frozen=True)
class Planned:
    """A claim, the questions that it rests on, and what these can show."""

    claim: Claim
    alternatives: int
    applies: bool
    rows: npt.NDArray[np.int64]
    plan: Plan

    @cached_property
    def chance(self) -> float:
        """To show it at the distance that the policy asks for."""
        return self.plan.chance(self.claim.distance)

    def visible(self, power: float) -> float | None:
        """The smallest true distance that is seen with the chance ``power``."""
        found = self.plan.visible(power)
        return None if found is None else digits(found)

    def obstacle(self, settings: Gate) -> str:
        """The code of what forbids to look at the answers at all; empty where nothing does."""
        if not self.applies:
            return "no_incumbent"
        if self.plan.questions < settings.fewest_answers or self.plan.too_few_groups:
            return "too_few_answers"
        return "suite_too_small" if self.chance < settings.power else ""


@dataclass(frozen=True)
class Judged:
    """A claim with what the answers say."""

    planned: Planned
    alpha: float
    obstacle: str
    bounds: Bounds | None  # none where it does not apply, or rests on a single group

    @property
    def limit(self) -> float:
        """What the low end has to exceed; a floor itself is enough."""
        threshold = self.planned.claim.threshold
        return math.nextafter(threshold, -math.inf) if self.planned.claim.kind is ClaimKind.FLOOR else threshold

    @cached_property
    def p_value(self) -> float | None:
        """One-sided, against the claim not being true."""
        if self.bounds is None:
            return None
        return 0.0 if self._cannot_fail else float(self.bounds.p_value(self.limit))

    @property
    def _cannot_fail(self) -> bool:
        """No score is below a floor of 0."""
        return self.planned.claim.kind is ClaimKind.FLOOR and self.limit < 0

    @property
    def holds(self) -> bool:
        """Only where p-value and interval both say so, and nothing forbade to look."""
        if self.obstacle or self.bounds is None or self.p_value is None:
            return False
        shown = self._cannot_fail or float(self.bounds.low(self.alpha)) > self.limit
        return shown and self.p_value <= self.alpha


def check_claims(settings: Gate, exam: Exam) -> None:
    """Raises InvalidInput when a claim names a suite or a slice that there is not, naming the nearest."""
    for claim in flat(settings):
        if claim.suite and claim.suite not in exam.heads:
            raise InvalidInput(
                f"gate.claims: {claim.name}: there is no suite {claim.suite!r}"
                f"{did_you_mean(claim.suite, exam.heads)}; there are: {', '.join(sorted(exam.heads))}"
            )
        if (claim.suite, claim.slice) not in exam.rows:
            slices = sorted(name for suite, name in exam.rows if suite == claim.suite and name)
            raise InvalidInput(
                f"gate.claims: {claim.name}: suite {claim.suite} has no slice {claim.slice!r}"
                f"{did_you_mean(claim.slice, slices)}; it has {len(slices)}, such as {', '.join(slices[:5]) or 'none'}"
            )


def flat(settings: Gate) -> Iterator[Claim]:
    """All claims, those of alternatives too."""
    for entry in settings.claims:
        yield from entry.any_of if isinstance(entry, AnyOf) else (entry,)


def planned(settings: Gate, exam: Exam, compared: bool) -> list[Planned]:
    """The claims in their order; ``compared`` says whether there is an incumbent."""
    found: list[Planned] = []
    group = 0
    for entry in settings.claims:
        if isinstance(entry, Claim):
            found.append(_planned(entry, 0, settings.alpha, settings, exam, compared))
            continue
        group += 1
        many = sum(_applies(claim, compared) for claim in entry.any_of)
        level = settings.alpha / max(1, many)
        found.extend(_planned(claim, group, level, settings, exam, compared) for claim in entry.any_of)
    return found


def judged(plans: Sequence[Planned], settings: Gate, exam: Exam, scores: dict[str, Floats]) -> list[Judged]:
    """The claims with their bounds, each held against its level: alpha, or Holm's among alternatives.

    ``scores`` are the candidate's and, where one serves, the incumbent's, in the order of the exam.
    """
    found = [_measured(plan, settings, exam, scores) for plan in plans]
    for group in {one.planned.alternatives for one in found} - {0}:
        places = [place for place, one in enumerate(found) if one.planned.alternatives == group and not one.obstacle]
        levels = holm_levels([_p(found[place]) for place in places], settings.alpha)
        for place, level in zip(places, levels, strict=True):
            found[place] = replace(found[place], alpha=level)
    return found


def all_hold(claims: Sequence[Judged]) -> bool:
    """Whether every claim that applies holds, and of alternatives that apply at least one."""
    groups: dict[object, list[bool]] = {}
    for place, one in enumerate(claims):
        if one.planned.applies:
            groups.setdefault(one.planned.alternatives or f"alone {place}", []).append(one.holds)
    return bool(groups) and all(any(holds) for holds in groups.values())


def result(one: Judged, settings: Gate) -> ClaimResult:
    """The claim as evidence carries it: numbers to nine digits, since the last ones differ between machines."""
    claim, plan, bounds = one.planned.claim, one.planned.plan, one.bounds
    code = one.obstacle or f"{claim.kind}_{'holds' if one.holds else 'not_shown'}"
    applies = one.planned.applies
    found = ClaimResult(
        code=code,
        text="",
        claim=claim.name,
        holds=one.holds,
        threshold=claim.threshold,
        kind=claim.kind,
        suite=claim.suite,
        slice=claim.slice,
        alternatives=one.planned.alternatives,
        applies=applies,
        questions=plan.questions,
        groups=plan.groups,
        power=digits(one.planned.chance) if applies else None,
        visible=one.planned.visible(settings.power) if applies else None,
        **({} if bounds is None else _numbers(one, bounds)),
    )
    return found.model_copy(update={"text": wording.of_claim(found, claim, settings)})


def advice(one: Judged, found: ClaimResult, settings: Gate, exam: Exam, scores: dict[str, Floats]) -> str:
    """What to do about a claim that does not hold; ``scores`` as for ``judged``."""
    too_small = one.obstacle == "suite_too_small"
    needed = one.planned.plan.needed(one.planned.claim.distance, settings.power) if too_small else None
    if _has_no_room(one, settings, exam, scores):
        return wording.no_room(one.planned.claim, float(scores["incumbent"][one.planned.rows].mean()))
    return wording.advise(found, one.planned.claim, settings, needed)


def digits(number: float) -> float:
    """A number to nine digits."""
    return float(f"{number:.9g}")


def _numbers(one: Judged, bounds: Bounds) -> dict[str, object]:
    return {
        "estimate": digits(float(bounds.mean)),
        "low": digits(float(bounds.low(one.alpha))),
        "high": digits(float(bounds.high(one.alpha))),
        "p_value": digits(_p(one)),
        "alpha": digits(one.alpha),
        "method": bounds.binding(one.alpha) if isinstance(bounds, MostCareful) else bounds.name,
    }


def _planned(claim: Claim, group: int, alpha: float, settings: Gate, exam: Exam, compared: bool) -> Planned:
    rows = exam.rows[claim.suite, claim.slice]
    suites = {exam.places[row][0] for row in rows}
    plan = Plan(
        sizes=np.bincount(exam.groups_of(rows)).astype(np.float64),
        binary=all(exam.heads[suite].scorer in BINARY for suite in suites),
        floor=claim.kind is ClaimKind.FLOOR,
        threshold=claim.threshold,
        alpha=alpha,
        discordance=settings.discordance,
        spread=settings.spread,
        correlation=settings.correlation,
    )
    return Planned(claim, group, _applies(claim, compared), rows, plan)


def _applies(claim: Claim, compared: bool) -> bool:
    return compared or claim.kind is ClaimKind.FLOOR


def _measured(plan: Planned, settings: Gate, exam: Exam, scores: dict[str, Floats]) -> Judged:
    bounds: Bounds | None = None
    groups = exam.groups_of(plan.rows)
    if plan.applies and plan.plan.groups > 1:
        mine, given = scores["candidate"][plan.rows], (groups, settings.resamples, settings.seed)
        if plan.claim.kind is ClaimKind.FLOOR:
            bounds = rule.of_score(mine, *given)
        else:
            bounds = rule.of_difference(mine, scores["incumbent"][plan.rows], *given)
    return Judged(plan, plan.plan.alpha, plan.obstacle(settings), bounds)


def _has_no_room(one: Judged, settings: Gate, exam: Exam, scores: dict[str, Floats]) -> bool:
    """Whether what serves is so good that not even a candidate without a mistake would be shown to gain so much."""
    if one.planned.claim.kind is not ClaimKind.GAIN or one.obstacle:
        return False
    perfect = scores | {"candidate": np.ones_like(scores["candidate"])}
    return not replace(_measured(one.planned, settings, exam, perfect), alpha=one.alpha).holds


def _p(one: Judged) -> float:
    return 1.0 if one.p_value is None else one.p_value
