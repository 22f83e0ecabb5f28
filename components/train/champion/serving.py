"""Which model serves now, by place and digest: what a training that adapts the champion starts from."""

from __future__ import annotations

from components.core.attempt import Attempt, Outcome
from components.core.endpoint import open_endpoints
from components.core.manifest import read_manifest
from components.train.champion.settings import Champion


def champion(attempt: Attempt, settings: Champion, endpoint: str, endpoints: str) -> Outcome:
    """The word is the reference of the model that should serve on ``endpoint``; empty where none does yet.

    Raises InvalidInput when that model's manifest is gone from the store or was changed.
    """
    state = open_endpoints(endpoints).read(endpoint)
    if state.champion is None:
        return attempt.commit({}, settings=settings)
    model = read_manifest(attempt.store, state.champion)
    return attempt.commit({}, settings=settings, inputs={"champion": model}, word=model.reference())
