"""Why a window says nothing, or not what it seems to: a monitor that saw nothing must not say that all is well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from components.core.moment import between, minute, parse_moment
from components.core.wording import counted
from components.monitor.describe.summary import Profile
from components.monitor.drift.serving import Champion
from components.monitor.drift.settings import Drift
from components.monitor.figures import Fault

SEALED = (
    "What a gateway still holds it seals within `serving.log.seal_seconds` (30 unless set): the next window has it."
)


def window_faults(profile: Profile, champion: Champion | None, until: datetime, settings: Drift) -> Iterator[Fault]:
    """What is wrong with a window, before it is compared with anything."""
    yield from profile.faults
    if champion is None:
        yield Fault(code="nothing_serves", text=_nothing_serves(profile))
    if not profile.requests:
        yield Fault(code="no_requests", text=_nobody(profile))
        return
    answered = sum(model.answered for model in profile.models.values())
    if not answered:
        yield Fault(code="no_answers", text=f"No answer to {counted(profile.requests, 'request')}.")
    elif champion and not _answered(profile, champion):
        text = f"Other models than {champion.model.digest[:12]}, which should serve, gave all answers ({answered:,})"
        text += f"; see `sluice endpoints {profile.endpoint}`, and whether `sluice serve` runs."
        yield Fault(code="another_model", text=text)
    age = (until - parse_moment(profile.newest)).total_seconds() / 3600
    if age > settings.stale_hours:
        text = f"The last request began {age:.0f} hours before the window's end, at {minute(profile.newest)} UTC"
        yield Fault(code="stale", text=f"{text}; see whether the request log is still written.")
    yield from _one_user(profile, settings)


def _nothing_serves(profile: Profile) -> str:
    text = f"Nothing should have served on {profile.endpoint} at {minute(profile.until)} UTC"
    return f"{text}; release a model, or end the monitoring of this endpoint."


def _nobody(profile: Profile) -> str:
    """A window before the first row of the log has no length: it ends where it begins."""
    if profile.since == profile.until:
        return f"The log of {profile.endpoint} had no sealed row yet at {minute(profile.until)} UTC. {SEALED}"
    return f"Nobody asked {between(profile.since, profile.until)}, as far as rows are sealed. {SEALED}"


def _one_user(profile: Profile, settings: Drift) -> Iterator[Fault]:
    for code, part, whole, what in (
        ("one_user", profile.of_one_unit, profile.requests, "requests come from one user"),
        ("one_voice", profile.of_one_voice, profile.words, "words about answers come from one user"),
    ):
        if whole >= settings.one_user_least and part > settings.one_user_share * whole:
            yield Fault(code=code, text=f"{part:,} of {whole:,} {what}.")


def _answered(profile: Profile, champion: Champion) -> int:
    found = profile.models.get(champion.model.digest)
    return found.answered if found else 0
