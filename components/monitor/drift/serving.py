"""What should have served when a window ended, and since when."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import takewhile
from typing import NamedTuple

from components.core.endpoint import EndpointState, open_endpoints
from components.core.manifest import Reference
from components.core.moment import parse_moment


class Champion(NamedTuple):
    """A model, and since when it should serve; UTC, ISO 8601."""

    model: Reference
    released: str

    @property
    def released_at(self) -> datetime:
        """Since when it should serve."""
        return parse_moment(self.released) if self.released else datetime.min.replace(tzinfo=UTC)


def champion_at(endpoints: str, endpoint: str, moment: datetime) -> Champion | None:
    """The champion of an endpoint at a moment; None where nothing should have served.

    Its release is the first generation from which on it was champion without a break: freezing an endpoint makes a
    generation too, and changes nothing of what serves.
    """
    past = [state for state in open_endpoints(endpoints).history(endpoint) if _since(state) <= moment]
    if not past or past[-1].champion is None:
        return None
    model = past[-1].champion
    same = takewhile(lambda state: state.champion and state.champion.digest == model.digest, reversed(past))
    return Champion(model, list(same)[-1].changed)


def _since(state: EndpointState) -> datetime:
    return parse_moment(state.changed) if state.changed else datetime.min.replace(tzinfo=UTC)
