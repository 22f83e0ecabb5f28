"""What a gate found, in sentences for a person: a claim, and what came of it all and what to do now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy import stats

from components.core.decision import Reason, Verdict
from components.core.endpoint import Incumbent
from components.core.evidence import ClaimResult, Contest, Tally
from components.evaluate.gate.rule import FEWEST_GROUPS
from components.evaluate.gate.settings import Claim, ClaimKind, Gate

MOST_CLAIMS = 3
"""Claims, and pieces of advice, that the paragraph tells of."""


def of_claim(found: ClaimResult, claim: Claim, settings: Gate) -> str:
    """One claim: what was measured and shown, or why the answers were not asked."""
    if found.code == "no_incumbent":
        return f"{claim.name}: nothing serves yet, so there is nothing to compare with"
    if found.code == "too_few_answers":
        return (
            f"{claim.name}: rests on {found.questions:,} questions in {found.groups:,} groups; at least"
            f" {settings.fewest_answers} questions are needed, and {FEWEST_GROUPS} groups of one size where scores"
            " are not right or wrong, one question a group"
        )
    if found.code == "suite_too_small":
        return _too_small(found, claim, settings)
    if found.estimate is None or found.low is None:
        return f"{claim.name}: cannot be measured"
    measured, shown = _amount(found.estimate, claim), _amount(found.low, claim)
    what = "score" if claim.kind is ClaimKind.FLOOR else "difference"
    confidence = f"{1 - (found.alpha or settings.alpha):.4g}".removeprefix("0.")
    ending = "" if found.holds else f", which is not {_needed(claim)}"
    return f"{claim.name}: the {what} is {measured}, and at least {shown} with confidence .{confidence}{ending}"


@dataclass(frozen=True)
class Findings:
    """All that a gate found, before it is evidence."""

    verdict: Verdict
    faults: tuple[Reason, ...] = ()
    claims: tuple[ClaimResult, ...] = ()
    tallies: tuple[Tally, ...] = ()
    lost: tuple[Contest, ...] = ()
    won: tuple[Contest, ...] = ()
    advice: tuple[str, ...] = ()


def paragraph(found: Findings, incumbent: Incumbent) -> str:
    """What came of it and what to do now."""
    if found.verdict is Verdict.SERVES:
        return f"The candidate is what serves on {incumbent.endpoint} already: there is nothing to decide or to do."
    if found.faults:
        more = len(found.faults) - 1
        besides = f" Besides, {more} more thing{'s are' if more > 1 else ' is'} wrong." if more else ""
        return f"Refused, whatever the claims say: {found.faults[0].text}.{besides}"
    asked = [claim for claim in found.claims if claim.applies]
    if found.verdict is Verdict.PASS:
        only = "" if incumbent.model else f" Nothing serves on {incumbent.endpoint} yet, so only floors were asked for."
        return f"The candidate passes: {_closest(asked)}.{only}"
    failed = [claim for claim in asked if not claim.holds]
    verb = "does" if len(failed) == 1 else "do"
    count = f"{len(failed)} of {len(asked)} claims {verb} not hold" if len(asked) > 1 else "its one claim does not hold"
    texts = "; ".join(claim.text for claim in failed[:MOST_CLAIMS])
    more_claims = f"; and {len(failed) - MOST_CLAIMS} more" if len(failed) > MOST_CLAIMS else ""
    advice = list(dict.fromkeys(found.advice))[:MOST_CLAIMS]
    return " ".join([f"Refused: {count}: {texts}{more_claims}.", *advice, *_where_to_look(found.tallies)])


def advise(found: ClaimResult, claim: Claim, settings: Gate, needed: int | None) -> str:
    """What to do about a claim that does not hold; ``needed`` is how many questions the policy's distance takes."""
    if found.code == "too_few_answers":
        return f"Give {claim.name} more questions; the answers to so few are no evidence."
    if found.code == "suite_too_small":
        enough = f"about {needed:,} questions like these" if needed else "no number of questions within reach"
        wider = f", or claim it only where {100 * found.visible:.2g} points are to be seen" if found.visible else ""
        return f"For {claim.name}, {enough} would do{wider}; a larger suite is held out before training, not after."
    if found.estimate is None or found.low is None or found.threshold is None:
        return ""
    beyond = found.estimate - found.threshold
    if beyond <= 0:
        return "Where the estimate itself falls short, more questions would not help: the model has to be better."
    quantile = stats.norm.isf(found.alpha or settings.alpha)
    error = (found.estimate - found.low) / quantile
    quantiles = quantile + stats.norm.ppf(settings.power)
    more = math.ceil(found.questions * max(0.0, (quantiles * error / beyond) ** 2 - 1))
    return f"If the candidate is as good as measured, about {max(1, more):,} more questions would show {claim.name}."


def no_room(claim: Claim, best: float) -> str:
    """What to do about a gain that nobody could show; ``best`` is the score of what serves, a fraction."""
    return (
        f"No model could show {claim.name}: what serves scores {best:.1%} there, and one without a mistake would not"
        " be shown to be so much better. Claim a margin there instead (no worse than what serves), or ask"
        " harder questions."
    )


def _too_small(found: ClaimResult, claim: Claim, settings: Gate) -> str:
    visible = "none is seen so often" if found.visible is None else f"from {100 * found.visible:.2g} points on it would"
    return (
        f"{claim.name}: the suite is too small: its {found.questions:,} questions would show it with probability"
        f" {found.power or 0:.2f} where the truth lies {100 * claim.distance:.2g} points beyond the threshold, and the"
        f" policy asks for {settings.power:g}; {visible}"
    )


def _needed(claim: Claim) -> str:
    if claim.kind is ClaimKind.FLOOR:
        return f"the floor of {claim.value:.1%}"
    if claim.kind is ClaimKind.MARGIN:
        return f"above {-100 * claim.value:.2g}"
    return f"more than {100 * claim.value:.2g}"


def _amount(number: float, claim: Claim) -> str:
    return f"{number:.1%}" if claim.kind is ClaimKind.FLOOR else f"{100 * number:+.2f} points"


def _closest(claims: Sequence[ClaimResult]) -> str:
    """The claim that holds by least, and how many there are."""
    holding = [claim for claim in claims if claim.holds and claim.low is not None and claim.threshold is not None]
    least = min(holding, key=lambda claim: (claim.low or 0.0) - (claim.threshold or 0.0))
    if len(claims) == 1:
        return f"its one claim holds ({least.text})"
    return f"{len(holding)} of {len(claims)} claims hold, the closest being {least.text}"


def _where_to_look(tallies: Sequence[Tally]) -> Iterator[str]:
    """The slice that lost most, on balance."""
    slices = [tally for tally in tallies if tally.slice and tally.lost > tally.won]
    if slices:
        worst = max(slices, key=lambda tally: (tally.lost - tally.won, tally.suite, tally.slice))
        yield (
            f"Most was lost in {worst.suite} / {worst.slice} ({worst.lost} lost, {worst.won} won of {worst.questions});"
            " look at the lost questions there first."
        )
    elif any(tally.lost for tally in tallies):
        yield "Look at the lost questions first."
