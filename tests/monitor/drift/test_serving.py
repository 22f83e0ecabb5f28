from __future__ import annotations

from datetime import timedelta

import pytest

from components.core.endpoint import open_endpoints
from components.core.manifest import Reference
from components.monitor.drift.serving import champion_at
from tests.monitor.traffic import ENDPOINT, START, serves

HOUR = timedelta(hours=1)


@pytest.fixture
def endpoints(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'endpoints.db'}"


def model(digest: str) -> Reference:
    return Reference(key=f"export/{digest}/manifest.json", digest=digest, content_digest=digest)


def test_the_champion_is_the_one_of_that_moment(endpoints) -> None:
    for hours, digest in enumerate("aab"):
        serves(endpoints, model(digest), START + hours * HOUR)
    found = [champion_at(endpoints, ENDPOINT, START + hours * HOUR) for hours in (-1, 0, 1, 2, 9)]
    assert [one and one.model.digest for one in found] == [None, "a", "a", "b", "b"]
    assert [one and one.released for one in found[1:3]] == [START.isoformat()] * 2
    assert champion_at(endpoints, "another", START) is None


def test_a_model_that_serves_again_was_released_again(endpoints) -> None:
    for hours, digest in enumerate("aba"):
        serves(endpoints, model(digest), START + hours * HOUR)
    found = champion_at(endpoints, ENDPOINT, START + 9 * HOUR)
    assert found
    assert (found.model.digest, found.released_at) == ("a", START + 2 * HOUR)


def test_an_endpoint_on_which_nothing_serves_any_more_has_no_champion(endpoints) -> None:
    serves(endpoints, model("a"))
    serves(endpoints, None, START + HOUR)
    assert champion_at(endpoints, ENDPOINT, START + 2 * HOUR) is None


def test_a_state_that_does_not_say_since_when_counts_from_ever(endpoints) -> None:
    state = open_endpoints(endpoints).read(ENDPOINT)
    open_endpoints(endpoints).compare_and_set(
        state.model_copy(update={"generation": 1, "champion": model("a"), "decision": "d"})
    )
    found = champion_at(endpoints, ENDPOINT, START)
    assert found
    assert found.released == ""
    assert found.released_at < START
