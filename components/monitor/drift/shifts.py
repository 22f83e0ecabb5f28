"""Compares a window with what its model was trained on and with its first windows after release."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from components.core.attempt import Attempt, Draft, Outcome
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest
from components.core.moment import parse_moment
from components.core.report import Figure
from components.core.request_log import Status
from components.core.wording import counted
from components.monitor.describe.summary import OfModel, Profile, read_features, read_profile
from components.monitor.drift.compare import Found, Pair, compare, pairs
from components.monitor.drift.drawing import drift_section
from components.monitor.drift.faults import window_faults
from components.monitor.drift.pictures import PICTURES, pictures
from components.monitor.drift.references import FIRST, REFERENCE_GONE, Release, Training, of_model, release, training
from components.monitor.drift.serving import Champion, champion_at
from components.monitor.drift.settings import Drift
from components.monitor.figures import FIGURES, Fault, Figures
from components.monitor.observe.records import MOST_WINDOWS, Compared, compared_key, comparisons, figures_of

_MAY_BE_MISSING = {"first_token_ms"}  # only streams have it, and whether to stream is the client's choice


@dataclass
class References:
    """What a window is compared with."""

    training: Training | None = None
    release: Release = field(default_factory=Release)

    @property
    def manifests(self) -> dict[str, Manifest]:
        """All of them by role, for what the evidence was made from."""
        found = {"training": self.training.data} if self.training else {}
        return found | {f"{FIRST}{at}": one for at, one in enumerate(self.release.profiles, 1)}


def drift(attempt: Attempt, profile: Manifest, settings: Drift, now: str, endpoint: str, endpoints: str) -> Outcome:
    """What has moved since the model was trained and since it was released. Output: ``evidence``.

    Only requests that the champion answered, or should have, are compared. Whatever keeps the window from saying
    anything is a fault among its figures, and no error: whoever decides has to know of it. Raises InvalidInput for a
    profile of another endpoint or window.
    """
    until = parse_moment(now)
    seen = read_profile(attempt.store, profile)
    if (seen.endpoint, seen.until) != (endpoint, until.isoformat()):
        raise InvalidInput(
            f"{profile.key}: is about {seen.endpoint} until {seen.until}, not {endpoint} until {until.isoformat()};"
            " run observe and describe for the same moment"
        )
    champion = champion_at(endpoints, endpoint, until)
    faults = list(window_faults(seen, champion, until, settings))
    with attempt.timed("references"):
        references = _references(attempt, seen, champion, until, settings, faults)
    with attempt.timed("compare"):
        found = _compared(attempt, profile, champion, references, settings, faults)
    figures = _figures(seen, champion, references.release, found, faults)
    earlier = _earlier(attempt, endpoint, until)
    _tell(attempt, figures)
    drawn = pictures(found, settings.alpha)
    beside = (
        attempt.attach("evidence", FIGURES, figures.to_bytes()),
        attempt.attach("evidence", PICTURES, drawn.to_bytes()),
    )
    with attempt.rows(Kind.REPORT, "evidence") as listed:
        for one in figures.shifts:
            listed.append({"id": one.feature, "name": one.against, "value": one.model_dump_json()})
    outcome = attempt.commit(
        {"evidence": Draft(Kind.REPORT, listed, extra=beside)},
        settings=settings,
        inputs={"profile": profile, **references.manifests},
        section=drift_section(figures, drawn, earlier),
    )
    _remember(attempt, figures, profile, outcome.manifests["evidence"], until)
    return outcome


def _references(
    attempt: Attempt, seen: Profile, champion: Champion | None, until: datetime, settings: Drift, faults: list[Fault]
) -> References:
    found = References()
    if champion is None:
        return found
    if settings.against_training:
        try:
            found.training = training(attempt, champion.model, settings, seen.languages)
        except InvalidInput as error:
            faults.append(Fault(code="no_reference", text=f"Nothing to compare with: {error}."))
    found.release = release(attempt.store, seen.endpoint, champion, until, settings)
    if found.release.gone:
        text = f"{counted(len(found.release.gone), 'window')} of the first after the release cannot be read"
        faults.append(Fault(code=REFERENCE_GONE, text=f"{text}: {found.release.gone[0]}."))
    return found


def _compared(
    attempt: Attempt,
    profile: Manifest,
    champion: Champion | None,
    references: References,
    settings: Drift,
    faults: list[Fault],
) -> list[Found]:
    if champion is None:
        return []
    window = of_model(read_features(attempt.store, profile), champion.model.digest)
    made: list[Pair] = []
    if references.training:
        made += pairs(window, references.training.features, "training", references.training, settings)
    if references.release.profiles:
        made += pairs(window, references.release.features, "release", references.training, settings)
    empty = {pair.feature for pair in made if not len(pair.window) and len(pair.reference) >= settings.least_rows}
    blind = empty - _MAY_BE_MISSING
    if blind and window.column("status").to_pylist().count(Status.ANSWERED) >= settings.least_rows:
        named = ", ".join(sorted(blind))
        text = f"The window has no values of {named}, which its references have; look at what the gateway writes."
        faults.append(Fault(code="blind_spot", text=text))
    return compare(made, settings)


def _figures(
    seen: Profile, champion: Champion | None, first: Release, found: list[Found], faults: list[Fault]
) -> Figures:
    ours = seen.models.get(champion.model.digest, OfModel()) if champion else OfModel()
    return Figures(
        endpoint=seen.endpoint,
        model=champion.model.digest if champion else "",
        released=champion.released if champion else "",
        since=seen.since,
        until=seen.until,
        requests=seen.requests,
        units=seen.units,
        answered=seen.statuses.get(Status.ANSWERED, 0),
        failed=seen.statuses.get(Status.FAILED, 0),
        cut=seen.statuses.get(Status.CUT, 0) + seen.statuses.get(Status.LOST, 0),
        corrections=ours.corrections,
        quality=ours.quality,
        reference=first.quality,
        shifts=tuple(one.shift for one in found),
        faults=tuple(faults),
    )


def _earlier(attempt: Attempt, endpoint: str, until: datetime) -> list[Figures]:
    """The figures of earlier windows for the page; one that is gone is left out of it, for nothing is decided by it."""
    found = []
    for record in comparisons(attempt.store, endpoint, {}, until, last=MOST_WINDOWS):
        try:
            found.append(figures_of(attempt.store, record.evidence))
        except InvalidInput:
            continue
    return found


def _tell(attempt: Attempt, figures: Figures) -> None:
    drifted = [one for one in figures.shifts if one.drifted]
    numbers = {
        "requests": (figures.requests, "requests"),
        "compared": (len(figures.shifts), "features"),
        "drifted": (len(drifted), "features"),
        "faults": (len(figures.faults), "faults"),
        "labelled": (figures.quality.labelled, "answers"),
    }
    attempt.figures |= {name: Figure(value=value, unit=unit) for name, (value, unit) in numbers.items()}
    for one in drifted:
        attempt.figures[f"{one.feature} against {one.against}"] = Figure(value=one.effect, n=one.n)


def _remember(attempt: Attempt, figures: Figures, profile: Manifest, evidence: Manifest, until: datetime) -> None:
    record = Compared(
        endpoint=figures.endpoint,
        until=figures.until,
        model=figures.model,
        released=figures.released,
        profile=profile.named,
        evidence=evidence.named,
    )
    attempt.store.create(compared_key(figures.endpoint, until), record.to_bytes())
