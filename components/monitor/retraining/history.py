"""What was there before a window: earlier windows of the same model, retrainings that were decided, what one costs.

Earlier windows are found through the records that drift leaves, retrainings through the signed decisions in the store:
whoever can write into the store can neither forge a retraining that holds the next one up, nor spend the budget.

What is read is bounded by what the policy needs, not by the age of the store: the last windows by the names of their
records, and the decisions that were written since the month or the cool-down began, by the store's own clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.core.canonical import sha256
from components.core.decision import FOLDER, Decision, DecisionKind, Evidence, Reason, Verdict, payload_of
from components.core.errors import InvalidInput, Refused
from components.core.manifest import Manifest, Parent, Reference, read_manifest
from components.core.moment import parse_moment
from components.core.report import REPORT, Report
from components.core.signing import SKEW, verify
from components.core.store import Store
from components.core.trust import TrustRoots
from components.core.whole_file import SUFFIX
from components.monitor.figures import Figures
from components.monitor.observe.records import Compared, compared_key, comparisons, figures_of, last_comparison
from components.monitor.retraining.rule import MONTH, History, Retrained
from components.monitor.retraining.settings import Retraining

COST = "cost"
"""The code of the reason in which a decision says what the retraining was expected to cost."""


@dataclass(frozen=True)
class Found:
    """The history, what it was read from, and what did not count."""

    history: History
    evidence: tuple[Evidence, ...]
    ignored: tuple[Reason, ...]


def history_of(
    store: Store, figures: Figures, policy: Retraining, roots: TrustRoots, environment: str, champion: Reference | None
) -> Found:
    """The history of the model that ``figures`` are about, up to but without the window itself.

    What of it cannot be read any more is named in ``damaged``: no reason to end the run, and one to alert.
    """
    until = parse_moment(figures.until)
    released = parse_moment(figures.released) if figures.released else None
    damaged: dict[str, str] = {}
    # One more than is kept says whether there are any before them.
    compared = list(comparisons(store, figures.endpoint, damaged, until, released, policy.look_back + 1))
    seen_all = len(compared) + len(damaged) <= policy.look_back
    own = [one for one in compared if (one.model, one.released) == (figures.model, figures.released)]
    kept = own[-policy.look_back :]
    longest = max(MONTH, timedelta(hours=policy.cool_down_hours))
    decisions, ignored = _retrainings(store, figures.endpoint, environment, roots, (until - longest, until))
    last = last_comparison(store, figures.endpoint, until)
    windows = [(one, found) for one in kept if (found := _figures(store, one, damaged))]
    history = History(
        windows=tuple(found for _, found in windows),
        complete=seen_all,
        damaged=tuple(damaged),
        compared_until=last.isoformat() if last else "",
        retrainings=tuple(Retrained(decision.issued_at, _cost_in(decision)) for decision, _ in decisions),
        cpu_hours=cpu_hours(store, champion) if champion else 0.0,
    )
    evidence = (
        *(Evidence(role="earlier", key=one.evidence.key, digest=one.evidence.digest) for one, _ in windows),
        *(Evidence(role="retraining", key=decision.key, digest=digest) for decision, digest in decisions),
    )
    return Found(history, evidence, ignored)


def _figures(store: Store, compared: Compared, damaged: dict[str, str]) -> Figures | None:
    """The figures of an earlier window; None for those that are gone or were changed."""
    try:
        return figures_of(store, compared.evidence)
    except InvalidInput as error:
        damaged[compared_key(compared.endpoint, parse_moment(compared.until))] = str(error)
        return None


def cpu_hours(store: Store, model: Reference) -> float:
    """CPU-hours of all steps that a model was made by, as their reports have them, up to an earlier model of ours.

    What was answered from a cache counts as it did the first time, and what is gone or damaged does not count.
    """
    seconds: dict[str, float] = {}
    waiting: list[Reference | Parent] = [model]
    seen = set()
    while waiting:
        named = waiting.pop()
        if named.key in seen:
            continue
        seen.add(named.key)
        manifest = _manifest(store, named)
        if manifest is None or (named is not model and manifest.producer.step == "export"):
            continue
        folder = "/".join(named.key.split("/")[:2])
        seconds[folder] = _cpu_seconds(store, f"{folder}/{REPORT}")
        waiting += [parent for parent in manifest.parents if parent.key]
    return sum(seconds.values()) / 3600


def _manifest(store: Store, named: Reference | Parent) -> Manifest | None:
    """The manifest; None where it is gone, as what an older release was made from may be, or was changed."""
    try:
        return read_manifest(store, named)
    except InvalidInput:
        return None


def _cpu_seconds(store: Store, key: str) -> float:
    try:
        return Report.read(store.read(key), key).cost.cpu_seconds
    except InvalidInput:
        return 0.0


def _retrainings(
    store: Store, endpoint: str, environment: str, roots: TrustRoots, span: tuple[datetime, datetime]
) -> tuple[list[tuple[Decision, str]], tuple[Reason, ...]]:
    """Decisions to retrain that verify, with their envelopes' digests, the first one first; and what does not.

    Only those both written and issued in the span: nobody acts on one that was signed in the future.
    """
    found, ignored = [], []
    for key in _written_since(store, min(span[1], datetime.now(UTC)) - (span[1] - span[0]) - SKEW):
        envelope = store.read(key)
        try:
            stated = Decision.from_statement(payload_of(envelope, key), key)
            about = (stated.kind, stated.verdict, stated.endpoint, stated.environment)
            if about != (DecisionKind.RETRAIN, Verdict.RETRAIN, endpoint, environment):
                continue
            if span[0] <= stated.issued_at < span[1]:
                found.append((_verified(envelope, key, roots), sha256(envelope)))
        except (Refused, InvalidInput) as error:
            ignored.append(Reason(code="decision_ignored", text=f"It did not count that {error}."))
    return sorted(found, key=lambda pair: pair[0].issued_at), tuple(ignored)


def _written_since(store: Store, moment: datetime) -> list[str]:
    """Keys of the decisions that were written at a moment or later, told by a listing: it reads none of them."""
    entries = store.entries(FOLDER)
    return [entry.key for entry in entries if entry.modified >= moment and not entry.key.endswith(SUFFIX)]


def _verified(envelope: bytes, key: str, roots: TrustRoots) -> Decision:
    decision = verify(envelope, roots, key)
    if decision.key != key:
        raise Refused(f"{key}: holds another decision than its name says")
    return decision


def _cost_in(decision: Decision) -> float:
    return next((reason.estimate or 0.0 for reason in decision.reasons if reason.code == COST), 0.0)
