"""Why a window says nothing, or not what it seems to: a monitor that saw nothing must not say that all is well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from components.core.moment import parse_moment
from components.monitor.describe.summary import Profile
from components.monitor.drift.serving import Champion
from components.monitor.drift.settings import Drift
from components.monitor.figures import Fault


def window_faults(profile: Profile, champion: Champion | None, until: datetime, settings: Drift) -> Iterator[Fault]:
    """What is wrong with a window, before it is compared with anything."""
    yield from profile.faults
    if champion is None:
        yield Fault(code="nothing_serves", text=f"nothing should have served on {profile.endpoint} at {profile.until}")
    if not profile.requests:
        yield Fault(code="no_requests", text=f"nobody asked between {profile.since} and {profile.until}")
        return
    answered = sum(model.answered for model in profile.models.values())
    if not answered:
        yield Fault(code="no_answers", text=f"none of {profile.requests} requests was answered")
    elif champion and not _answered(profile, champion):
        text = f"all {answered} answers came from other models than {champion.model.digest[:12]}, which should serve"
        yield Fault(code="another_model", text=f"{text}; is the supervisor running?")
    age = (until - parse_moment(profile.newest)).total_seconds() / 3600
    if age > settings.stale_hours:
        text = f"the last request began {age:.0f} hours before the window's end, at {profile.newest}"
        yield Fault(code="stale", text=f"{text}; is the request log still written?")
    yield from _one_user(profile, settings)


def _one_user(profile: Profile, settings: Drift) -> Iterator[Fault]:
    for code, part, whole, what in (
        ("one_user", profile.of_one_unit, profile.requests, "requests come from one user"),
        ("one_voice", profile.of_one_voice, profile.words, "words about answers come from one user"),
    ):
        if whole >= settings.one_user_least and part > settings.one_user_share * whole:
            yield Fault(code=code, text=f"{part} of {whole} {what}")


def _answered(profile: Profile, champion: Champion) -> int:
    found = profile.models.get(champion.model.digest)
    return found.answered if found else 0
