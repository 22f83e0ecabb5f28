"""When to retrain, wait or alert: one pure function of a window's figures, the policy and the history.

What the monitor cannot see is an alert, never "no drift". Labels outrank the data: where they say that accuracy holds,
drifted data is told and waits; where they say that it fell, the model is trained again within budget and cool-down.
The step and the simulation call the same function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from components.core.decision import Reason, Verdict
from components.core.moment import between, parse_moment
from components.core.wording import counted
from components.monitor.figures import OF_THE_SERVICE, Figures, Score, Shift, pooled
from components.monitor.retraining.accuracy import Comparison, Fall, fall, latest
from components.monitor.retraining.settings import Retraining

MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Retrained:
    """A retraining that was decided."""

    moment: datetime
    cpu_hours: float


@dataclass(frozen=True)
class History:
    """What was there before the window."""

    windows: tuple[Figures, ...] = ()
    """Earlier windows of the same model since its release, the first one first."""
    complete: bool = True
    """Whether they begin with the first after the release."""
    compared_until: str = ""
    """End of the last window of the endpoint that came as far as figures; empty where none did."""
    retrainings: tuple[Retrained, ...] = ()
    """Those of at least the last 30 days."""
    cpu_hours: float = 0.0
    """What one more is expected to cost."""
    damaged: tuple[str, ...] = ()
    """Keys of the records of windows of which nothing is known any more."""

    def since(self, moment: datetime) -> tuple[Retrained, ...]:
        """The retrainings that were decided after a moment."""
        return tuple(one for one in self.retrainings if one.moment > moment)


@dataclass(frozen=True)
class Answer:
    """What is decided, before it is signed."""

    verdict: Verdict
    said: str
    reasons: tuple[Reason, ...] = field(default=())


def decide(figures: Figures, policy: Retraining, history: History) -> Answer:
    """Retrain, wait or alert, with the reasons in numbers, and a sentence."""
    blind = _blind(figures, policy, history)
    scores = _scores(figures, history)
    fell, seen = fall(scores, policy), latest(scores, policy)
    moved = drifted(figures, policy, history)
    unlabelled = seen is None and fell is None
    about = (_about_accuracy(fell, seen, scores, policy), _about_data(moved, figures, policy))
    wanted = fell is not None or (bool(moved) and unlabelled and policy.on_data_drift == "retrain")
    if wanted:
        limits = _limits(figures, policy, history)
        cost = _cost(policy, history)
        if blind or limits:
            return _answer(Verdict.ALERT, (*blind, *limits), (*about, cost))
        return _answer(Verdict.RETRAIN, tuple(reason for reason in about if not reason.holds), (*about, cost))
    if blind:
        return _answer(Verdict.ALERT, blind, about)
    if moved and unlabelled and policy.on_data_drift == "alert":
        return _answer(Verdict.ALERT, (about[1],), about)
    if unlabelled and _too_long_unlabelled(figures, policy, history):
        return _answer(Verdict.ALERT, (about[0],), about)
    return _answer(Verdict.WAIT, about, about)


def drifted(figures: Figures, policy: Retraining, history: History) -> tuple[Shift, ...]:
    """The features that drifted in as many windows in a row as it takes, or so far that one window is enough."""
    row = policy.windows_in_a_row - 1
    earlier = history.windows[-row:] if row else ()

    def lasts(shift: Shift) -> bool:
        return len(earlier) == row and all(_drifted_in(window, shift) for window in earlier)

    def is_extreme(shift: Shift) -> bool:
        return shift.effect >= policy.extreme_effect * shift.least > 0

    return tuple(shift for shift in _of_the_data(figures) if lasts(shift) or is_extreme(shift))


def _of_the_data(figures: Figures) -> list[Shift]:
    """What drifted, but for what is the service's."""
    return [shift for shift in figures.shifts if shift.drifted and shift.feature not in OF_THE_SERVICE]


def _drifted_in(window: Figures, shift: Shift) -> bool:
    return any(
        other.drifted and (other.feature, other.against) == (shift.feature, shift.against) for other in window.shifts
    )


def _scores(figures: Figures, history: History) -> list[Score]:
    """What people said, window by window since the release; where the first ones are gone, the reference stands in."""
    first = [] if history.complete else [figures.reference]
    return [*first, *(window.quality for window in history.windows), figures.quality]


def _blind(figures: Figures, policy: Retraining, history: History) -> tuple[Reason, ...]:
    """Why the window says nothing, or not what it seems to."""
    found = [
        Reason(code=fault.code, text=fault.text) for fault in figures.faults if fault.code not in policy.known_faults
    ]
    if figures.requests < policy.least_requests and not any(fault.code == "no_requests" for fault in figures.faults):
        text = f"{counted(figures.requests, 'request')} in the window: too few, {policy.least_requests:,} are needed."
        found.append(_reason("too_few_requests", text, figures.requests, policy.least_requests))
    bad = figures.failed + figures.cut
    if figures.requests and bad > policy.most_failed_share * figures.requests:
        share = bad / figures.requests
        text = f"Failed or cut off: {bad:,} of {counted(figures.requests, 'request')} ({share:.1%})."
        found.append(_reason("many_failed", text, share, policy.most_failed_share))
    if history.damaged:
        named = ", ".join(history.damaged[:3]) + (" …" if len(history.damaged) > 3 else "")
        text = (
            f"What was known of {counted(len(history.damaged), 'earlier window')} cannot be read: {named} in the store,"
            " or what it names. Bring that back from a copy, or remove the record: then the window does not count."
        )
        found.append(_reason("history_damaged", text, len(history.damaged), 0))
    if history.compared_until and parse_moment(history.compared_until) < parse_moment(figures.since):
        text = (
            f"What was asked {between(history.compared_until, figures.since)} was taken and never"
            " compared: a run of the monitor failed. `sluice runs` names it."
        )
        found.append(Reason(code="window_lost", text=text))
    return tuple(found)


def _about_accuracy(fell: Fall | None, seen: Comparison | None, scores: Sequence[Score], policy: Retraining) -> Reason:
    if fell is not None:
        shown = fell.shown
        text = f"Accuracy fell by {100 * shown.drop:.1f} points: {_in_words(shown)}."
        return _reason(f"accuracy_fell_{fell.code}", text, shown.drop, policy.least_drop)
    if seen is not None and seen.drop >= policy.least_drop and seen.p <= policy.suspicious:
        text = f"Accuracy may have fallen, and it takes more to be sure: {_in_words(seen)}."
        return _reason("accuracy_suspicious", text, seen.drop, policy.least_drop)
    if seen is not None:
        text = f"No fall of accuracy shows: {_in_words(seen)}."
        return _reason("accuracy_holds", text, seen.drop, policy.least_drop, holds=True)
    labelled = pooled(scores).labelled
    text = (
        f"Whether accuracy holds is unknown: {counted(labelled, 'labelled answer')} since the release, and it takes"
        f" {policy.least_labelled} in windows before this one and {policy.least_labelled} since to compare."
    )
    return _reason("accuracy_unknown", text, labelled, policy.least_labelled)


def _about_data(moved: tuple[Shift, ...], figures: Figures, policy: Retraining) -> Reason:
    if moved:
        furthest = max(moved, key=lambda shift: shift.effect / shift.least if shift.least else shift.effect)
        others = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        text = (
            f"The data drifted: {furthest.feature} against {furthest.against}, {furthest.measure}"
            f" {furthest.effect:.2f}, {furthest.least:.2f} matters (p = {furthest.adjusted:.1g} over all"
            f" features){others}."
        )
        return _reason("data_drifted", text, furthest.effect, furthest.least)
    if not figures.shifts:
        return Reason(code="data_not_compared", text="The data was compared with nothing.")
    once = [f"{shift.feature} against {shift.against}" for shift in _of_the_data(figures)]
    if once:
        text = f"Drifted, and not yet in {policy.windows_in_a_row} windows in a row: {', '.join(once)}."
        return _reason("data_suspicious", text, len(once), 0)
    text = f"No drift of the data shows; comparisons: {len(figures.shifts)}."
    return _reason("data_holds", text, 0, 0, holds=True)


def _too_long_unlabelled(figures: Figures, policy: Retraining, history: History) -> bool:
    """Whether nobody can say how good the model is, although it has served for long; at once where no data says."""
    begun = figures.released or (history.windows[0].since if history.windows else figures.since)
    served = parse_moment(figures.until) - parse_moment(begun)
    compared = bool(figures.shifts) or not history.windows
    return not compared or served > timedelta(days=policy.unlabelled_days)


def _limits(figures: Figures, policy: Retraining, history: History) -> tuple[Reason, ...]:
    """Why the model is not trained again although it should be."""
    now, found = parse_moment(figures.until), []
    last = max((one.moment for one in history.retrainings), default=None)
    if last is not None and now < last + timedelta(hours=policy.cool_down_hours):
        hours = (now - last) / timedelta(hours=1)
        text = (
            f"The last retraining was decided {counted(round(hours), 'hour')} ago, and the cool-down is"
            f" {policy.cool_down_hours:g}."
        )
        found.append(_reason("cool_down", text, hours, policy.cool_down_hours))
    month = history.since(now - MONTH)
    if len(month) >= policy.runs_a_month:
        text = f"Decided in 30 days: {counted(len(month), 'retraining')}; the budget is {policy.runs_a_month}."
        found.append(_reason("runs_spent", text, len(month), policy.runs_a_month))
    cost = sum(one.cpu_hours for one in month) + history.cpu_hours
    if cost > policy.cpu_hours_a_month:
        text = (
            f"With this one, 30 days of retraining cost {cost:.1f} CPU-hours; the budget: {policy.cpu_hours_a_month:g}."
        )
        found.append(_reason("cost_spent", text, cost, policy.cpu_hours_a_month))
    windows = [window for window in history.windows if last is None or parse_moment(window.until) > last]
    corrections = sum(window.corrections for window in (*windows, figures))
    if corrections < policy.least_corrections:
        text = f"Corrected since: {counted(corrections, 'answer')}; to learn takes {policy.least_corrections}."
        found.append(_reason("too_few_corrections", text, corrections, policy.least_corrections))
    return tuple(found)


def _cost(policy: Retraining, history: History) -> Reason:
    text = f"A retraining costs about {history.cpu_hours:.2f} CPU-hours, as what made the champion did."
    return _reason("cost", text, history.cpu_hours, policy.cpu_hours_a_month, holds=True)


def _answer(verdict: Verdict, first: tuple[Reason, ...], others: tuple[Reason, ...]) -> Answer:
    """The reasons that count most come first, and one that matters is in the sentence too."""
    reasons = tuple(dict.fromkeys((*first, *others)))
    told = dict.fromkeys((*first, *(reason for reason in others if not reason.holds)))
    return Answer(verdict, f"{verdict.capitalize()}: {' '.join(reason.text for reason in told)}", reasons)


def _in_words(shown: Comparison) -> str:
    last = "the last window" if shown.windows == 1 else f"the last {shown.windows} windows"
    after, before = shown.after, shown.before
    return (
        f"{after.share:.1%} of {after.labelled:,} labelled answers were right in {last},"
        f" {before.share:.1%} of {before.labelled:,} before (p = {shown.p:.1g})"
    )


def _reason(code: str, text: str, estimate: float, threshold: float, holds: bool = False) -> Reason:
    return Reason(code=code, text=text, holds=holds, estimate=estimate, threshold=threshold)
