from __future__ import annotations

import pytest

from components.core.attempt import Attempt
from components.core.endpoint import EndpointState, open_endpoints
from components.core.errors import InvalidInput
from components.core.manifest import resolve_reference
from components.train.base.base import base
from components.train.base.settings import Base
from components.train.champion.serving import champion
from components.train.champion.settings import Champion
from tests.train.conftest import SMALL


@pytest.fixture
def endpoints(tmp_path) -> str:
    """The address of endpoint states."""
    return f"sqlite:///{tmp_path / 'endpoints.db'}"


@pytest.fixture
def ask(store, endpoints):
    """Runs the step: the word, and its report."""

    def run(endpoint: str = "desk"):
        return champion(Attempt(store, "champion"), Champion(), endpoint, endpoints)

    return run


def test_where_nothing_serves_the_word_is_empty(ask) -> None:
    assert ask().word == ""


def test_the_word_names_what_should_serve_on_this_endpoint_so_that_base_can_start_from_it(
    ask, store, endpoints, small_model, conversations
) -> None:
    serving = EndpointState(endpoint="desk", generation=1, champion=small_model.named)
    open_endpoints(endpoints).compare_and_set(serving)
    outcome = ask()
    assert resolve_reference(store, outcome.word) == small_model
    assert [given.digest for given in outcome.report.inputs] == [small_model.digest]
    assert ask("another").word == ""
    settings = Base(start="champion", scratch=SMALL)
    model = base(Attempt(store, "base"), conversations, settings, champion=outcome.word).manifests["model"]
    assert model.shards == small_model.shards


def test_a_champion_that_is_gone_or_was_changed_is_said(ask, store, endpoints, small_model) -> None:
    open_endpoints(endpoints).compare_and_set(EndpointState(endpoint="desk", generation=1, champion=small_model.named))
    store.write(small_model.key, small_model.to_bytes() + b" ")
    with pytest.raises(InvalidInput, match="was changed after it was written"):
        ask()
    store.remove(small_model.key)
    with pytest.raises(InvalidInput, match="there is no"):
        ask()
